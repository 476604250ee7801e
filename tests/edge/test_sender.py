"""What is published when."""

import itertools

from edge.store.batching import Stored
from edge.uplink.send_scheduler import BACKLOG_BYTES_PER_S, RESEND_S, WINDOW, SendScheduler


class Box:
    """Numbers that wait for confirmation."""

    def __init__(self, *numbers: int, size: int = 100) -> None:
        self.numbers, self.size = list(numbers), size

    def after(self, n: int, limit: int) -> list[Stored]:
        return [Stored(k, self.size) for k in self.numbers if k > n][:limit]

    def seal(self, sender: SendScheduler, *numbers: int) -> None:
        self.numbers.extend(numbers)
        sender.sealed([Stored(n, self.size) for n in numbers])


def test_nothing_is_published_without_a_connection() -> None:
    box = Box(1, 2)
    sender = SendScheduler(50, box.after)
    box.seal(sender, 3)
    assert sender.due(0.0) == []


def test_a_live_batch_goes_before_the_backlog_and_once() -> None:
    box = Box(*range(1, 6))
    sender = SendScheduler(50, box.after)
    sender.connected()
    box.seal(sender, 6)
    assert sender.due(1.0) == [6, 1, 2, 3, 4, 5]
    assert sender.due(1.1) == []


def test_the_backlog_goes_at_its_bounded_rate_and_live_batches_do_not_wait_for_it() -> None:
    box = Box(*range(1, 2001))
    sender = SendScheduler(40, box.after)
    sender.connected()
    sent = []
    for step in range(100):
        now = step * 0.05
        if step == 50:
            box.seal(sender, 5000)
            assert sender.due(now)[0] == 5000
            continue
        numbers = sender.due(now)
        sent.extend(numbers)
        sender.confirmed([(n, n) for n in numbers])
    assert 40 * 4.5 <= len(sent) <= 40 * 5.5
    assert sent == sorted(sent)


def test_the_backlog_is_bounded_in_bytes_too() -> None:
    box = Box(*range(1, 200), size=100_000)
    sender = SendScheduler(1000, box.after)
    sender.connected()
    sent = sum(len(sender.due(step * 0.05)) for step in range(100))
    assert sent * 100_000 <= 5.5 * BACKLOG_BYTES_PER_S + 100_000


def test_what_is_not_confirmed_goes_again_after_five_seconds_and_then_more_slowly() -> None:
    box = Box()
    sender = SendScheduler(50, box.after)
    sender.connected()
    box.seal(sender, 1)
    times = [t / 10 for t in range(600) if sender.due(t / 10)]
    assert times[0] == 0
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[0] == RESEND_S
    assert gaps == sorted(gaps)
    assert max(gaps) <= 20.05


def test_a_confirmed_batch_is_not_sent_again() -> None:
    box = Box()
    sender = SendScheduler(50, box.after)
    sender.connected()
    box.seal(sender, 1, 2)
    assert sender.due(0.0) == [1, 2]
    box.numbers.remove(1)
    sender.confirmed([(1, 1)])
    assert sender.due(6.0) == [2]


def test_after_a_reconnection_everything_unconfirmed_goes_again() -> None:
    box = Box(1, 2, 3)
    sender = SendScheduler(50, box.after)
    sender.connected()
    assert sender.due(1.0) == [1, 2, 3]
    sender.disconnected()
    assert sender.due(2.0) == []
    sender.connected()
    assert sender.due(3.0) == [1, 2, 3]


def test_a_live_batch_goes_out_even_when_nothing_is_ever_confirmed() -> None:
    box = Box(*range(1, 2 * WINDOW))
    sender = SendScheduler(1e6, box.after)
    sender.connected()
    for step in range(20):
        sender.due(step * 0.05)
    box.seal(sender, 9999)
    assert sender.due(1.1)[0] == 9999
