import pytest
from jobs.interface import JobQueue, LeaseLost

from pack_db_client import PackDb


@pytest.fixture(scope="session")
def pack_db_service_factory() -> str:
    return "jobs.factory:JobsFactory"


def test_a_job_is_done_once_and_a_lease_ends(pack_db: PackDb) -> None:
    queue = pack_db.service("jobs", JobQueue)
    queue.enqueue("one")
    lost, again = queue.claim(lease_s=0), queue.claim()
    assert lost is not None
    assert again is not None
    assert (lost.id, again.attempt, queue.claim()) == (again.id, 2, None)
    with pytest.raises(LeaseLost):
        queue.complete(lost, followed_by=["not enqueued"])
    queue.retry(again)
    third = queue.claim()
    assert third is not None
    queue.complete(third, followed_by=["two"])
    two = queue.claim()
    assert two is not None
    assert (two.payload, queue.claim()) == ("two", None)
