from pathlib import Path

import pytest

from tests.chaos.harness import Limits, Report, run
from tests.chaos.servers import Servers
from tests.chaos.wrong_builds import WrongBuild, wrong_build_command
from tests.support.postgres_server import running_pair

_LIMITS = Limits(restart_s=30.0, overrun_s=3.0)  # other work may load the machine that tests


def test_fifty_kills_lose_no_call_and_apply_none_twice(short_path: Path) -> None:
    report = run(short_path, kills=50, seed=50, limits=_LIMITS)

    assert not report.violations, str(report)
    assert report.lost == report.applied_twice == 0


def test_calls_that_share_commits_are_not_lost_and_not_applied_twice(short_path: Path) -> None:
    report = run(short_path, kills=8, seed=2, limits=_LIMITS, settings={"WORKERS": "8"})

    assert not report.violations, str(report)


def test_two_daemons_and_failovers_lose_no_call_and_apply_none_twice(short_path: Path) -> None:
    # A seed with which everything happens soon.
    with running_pair() as pair:
        report = run(short_path, kills=7, seed=333, limits=_LIMITS, pair=pair)

    assert not report.violations, str(report)
    assert report.events.keys() >= Servers.EVENTS.keys(), str(report)


def test_a_reply_before_the_commit_is_found_out(short_path: Path) -> None:
    report = _run_wrong_build(short_path, WrongBuild.REPLY_BEFORE_COMMIT, kills=5)

    assert report.lost, str(report)


@pytest.mark.parametrize("build", [WrongBuild.JOURNAL_IN_SECOND_TRANSACTION, WrongBuild.NO_JOURNAL])
def test_a_journal_that_may_miss_a_write_is_found_out(short_path: Path, build: WrongBuild) -> None:
    report = _run_wrong_build(short_path, build, kills=12)

    assert report.applied_twice, str(report)


def _run_wrong_build(directory: Path, build: WrongBuild, kills: int) -> Report:
    # So many that the fault shows although not every kill hits it: each does with odds of a half.
    return run(
        directory, kills=kills, seed=kills, command=wrong_build_command(build), limits=_LIMITS
    )
