import pytest

from tests.congestion.crowd import crowd


@pytest.mark.parametrize("workers", [1, 8])
def test_more_clients_than_can_be_served_at_once_get_each_call_done_once(workers: int) -> None:
    few = crowd(clients=10, calls_each=2, workers=workers)
    many = crowd(clients=100, calls_each=2, workers=workers)

    assert few.is_right(), str(few)
    assert many.is_right(), str(many)
    assert many.answers_per_s > few.answers_per_s / 2, f"{few}\n{many}"
