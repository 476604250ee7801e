from queue import SimpleQueue

from hypothesis import given
from hypothesis import strategies as st

from bridge.service import take


@given(st.integers(0, 40), st.integers(1, 10))
def test_every_event_is_taken_once_in_order_however_many_wait(count: int, most: int) -> None:
    queue: SimpleQueue[int] = SimpleQueue()
    for n in range(count):
        queue.put(n)
    taken: list[int] = []
    while some := take(queue, 0.0, most):
        assert len(some) <= most
        taken += some
    assert taken == list(range(count))


def test_taking_from_an_empty_queue_ends_when_its_time_is_up() -> None:
    assert take(SimpleQueue[int](), 0.001, 5) == []
