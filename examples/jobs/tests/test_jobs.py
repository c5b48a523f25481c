import os
from pathlib import Path
from typing import Any

import pytest
from jobs.factory import JobsFactory
from jobs.interface import LeaseLost

from pack_db import Config


def test_a_job_is_done_once_and_a_lease_ends(tmp_path: Path) -> None:
    factory = JobsFactory(Config({"DB_PATH": str(tmp_path / "jobs.db"), **os.environ}))
    factory.get_database_connection().run_migrations()
    queue: Any = factory.get_services()["jobs"]
    queue.enqueue("one")
    lost, again = queue.claim(lease_s=0), queue.claim()
    assert (lost.id, again.attempt, queue.claim()) == (again.id, 2, None)
    with pytest.raises(LeaseLost):
        queue.complete(lost, followed_by=["not enqueued"])
    queue.retry(again)
    queue.complete(queue.claim(), followed_by=["two"])
    assert (queue.claim().payload, queue.claim()) == ("two", None)
    factory.close()
