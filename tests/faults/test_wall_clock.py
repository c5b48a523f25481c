"""A wall clock that is set while the daemon runs."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pack_db_client import CreateAccountInput
from tests.faults.good_client import good_client
from tests.support.daemon_process import DaemonProcess
from tests.wire.raw_client import RawClient, deadline_in, request

_STEPPING = Path(__file__).with_name("stepping_daemon.py")
_HOUR_S = 3600


@pytest.fixture
def stepping(short_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(short_path, command=[sys.executable, str(_STEPPING)])
    daemon.start()
    yield daemon
    daemon.clean_up()


@pytest.mark.parametrize("step_s", [-_HOUR_S, _HOUR_S], ids=["back", "ahead"])
def test_row_43_a_step_of_the_wall_clock_changes_nothing_but_the_times_shown(
    stepping: DaemonProcess, step_s: int
) -> None:
    with (
        stepping.client() as db,
        RawClient(stepping.socket_path) as raw,
        good_client(stepping.socket_path) as good,
    ):
        before = db.accounts.create_account(CreateAccountInput(email="before@example.com"))
        # The clock steps while this one waits for its deadline, ten minutes ahead.
        message = request(["tokens.consume_tokens", [before.id, 5]], deadline_ns=deadline_in(590))
        reply = raw.exchange(message).data

        started_at = db.status().started_at
        (stepping.directory / "step").write_text(str(step_s))
        after = db.accounts.create_account(CreateAccountInput(email="after@example.com"))
        assert abs(after.created_at - before.created_at - step_s) < 300
        assert after.id != before.id

        uptime_s = db.status().uptime_s
        until = time.monotonic() + 2.5  # the journal is pruned twice
        while time.monotonic() < until:
            db.tokens.top_up(after.id, 1)
        assert raw.exchange(message).data == reply
        assert db.tokens.get_balance(before.id).total == before.token_remaining - 5
        assert db.status().started_at == started_at
        assert uptime_s + 2 <= db.status().uptime_s < 300
        good.wait_for_answers(5)
