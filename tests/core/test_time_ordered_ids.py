import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from pack_db.impls.repos.time_ordered_ids import TimeOrderedIds


@given(st.integers(min_value=0, max_value=2**47 * 1_000_000))
def test_an_id_is_a_uuid_of_version_7_with_its_time(now_ns: int) -> None:
    text = TimeOrderedIds(lambda: now_ns).next()
    made = UUID(text)
    assert (made.version, made.variant, str(made)) == (7, RFC_4122, text)
    assert made.int >> 80 == now_ns // 1_000_000


@given(st.lists(st.integers(min_value=10**18, max_value=10**18 + 10**7), min_size=2))
def test_ids_are_in_the_order_they_were_made_whatever_the_clock_does(times_ns: list[int]) -> None:
    clock = iter(times_ns)
    ids = TimeOrderedIds(lambda: next(clock))
    made = [ids.next() for _ in times_ns]
    assert made == sorted(set(made))


def test_threads_never_get_the_same_id_or_an_older_one() -> None:
    ids = TimeOrderedIds(lambda: 0)  # so that the order is all that keeps them apart

    def some(_: int) -> list[str]:
        return [ids.next() for _ in range(2000)]

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(some, range(4)))
    assert all(part == sorted(part) for part in made)
    assert len({made_id[:19] for part in made for made_id in part}) == 8000


def test_two_processes_do_not_make_the_same_ids() -> None:
    one, other = (TimeOrderedIds(lambda: 0) for _ in range(2))
    assert not {one.next() for _ in range(1000)} & {other.next() for _ in range(1000)}


def test_an_id_has_the_time_of_now() -> None:
    before_ms = time.time_ns() // 1_000_000
    made_ms = UUID(TimeOrderedIds().next()).int >> 80
    assert before_ms <= made_ms <= time.time_ns() // 1_000_000
