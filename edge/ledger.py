"""What was accepted, by identity: the runs of sequence numbers per device and boot. It tells what was sent twice."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

Range = tuple[str, int, int, int]
"""Device, boot, first and last sequence number, both included."""


class _Runs:
    __slots__ = ("firsts", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []


class Ledger:
    """Accepted sequence numbers as merged runs.

    Args:
        ranges: Runs read back from the outbox.
    """

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._boots: dict[tuple[str, int], _Runs] = {}
        self._touched: set[tuple[str, int, int]] = set()
        self.count = 0
        """How many readings were accepted."""
        for device, boot, first, last in sorted(ranges):
            runs = self._boots.setdefault((device, boot), _Runs())
            runs.firsts.append(first)
            runs.lasts.append(last)
            self.count += last - first + 1

    def add(self, device: str, boot: int, seq: int) -> bool:
        """Returns whether the reading is new, and from then on knows it."""
        runs = self._boots.get((device, boot))
        if runs is None:
            runs = self._boots[device, boot] = _Runs()
        firsts, lasts = runs.firsts, runs.lasts
        i = bisect_right(firsts, seq)
        if i and seq <= lasts[i - 1]:
            return False
        joins_before = i > 0 and lasts[i - 1] == seq - 1
        joins_after = i < len(firsts) and firsts[i] == seq + 1
        if joins_after:
            self._touched.add((device, boot, firsts[i]))
        if joins_before and joins_after:
            lasts[i - 1] = lasts.pop(i)
            del firsts[i]
        elif joins_before:
            lasts[i - 1] = seq
        elif joins_after:
            firsts[i] = seq
        else:
            firsts.insert(i, seq)
            lasts.insert(i, seq)
        self._touched.add((device, boot, firsts[i - 1] if joins_before else seq))
        self.count += 1
        return True

    def changes(self) -> Iterator[tuple[Range, bool]]:
        """Yields what differs from the stored runs: (run, whether it exists); a run that is gone has merged."""
        for device, boot, first in sorted(self._touched):
            runs = self._boots[device, boot]
            i = bisect_right(runs.firsts, first) - 1
            exists = i >= 0 and runs.firsts[i] == first
            yield (device, boot, first, runs.lasts[i] if exists else first), exists

    def stored(self) -> None:
        """Says that all changes are on disk."""
        self._touched.clear()

    def ranges(self) -> Iterator[Range]:
        """Yields every run, by device and boot."""
        for (device, boot), runs in sorted(self._boots.items()):
            for first, last in zip(runs.firsts, runs.lasts, strict=True):
                yield device, boot, first, last
