"""Identities of accepted readings: runs of sequence numbers per device and boot, to drop repeated readings."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from vitals.bounds import MAX_BOOT, MAX_SEQ

Range = tuple[str, int, int, int]
"""Device, boot, first and last sequence number, both included."""

BOOTS: Final = 32
"""Boots stored per device: each start draws a new random boot, and readings of older boots are not resent."""
RUNS: Final = 256
"""Runs stored per boot; with more gaps, no missing reading of the oldest is expected."""


def as_run(row: tuple[object, ...]) -> Range | None:
    """Returns a row of the outbox as a run; None if it is invalid, as on a damaged card.

    Args:
        row: Device as text or bytes, boot, first and last.
    """
    device, boot, first, last = row
    with suppress(UnicodeDecodeError):
        device = device.decode() if isinstance(device, bytes) else device
        if isinstance(device, str) and isinstance(boot, int) and isinstance(first, int) and isinstance(last, int):
            return (device, boot, first, last) if 0 <= first <= last <= MAX_SEQ and 0 <= boot <= MAX_BOOT else None
    return None


class _Runs:
    __slots__ = ("firsts", "lasts")

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []


class SeenSequences:
    """Accepted sequence numbers as merged runs; memory is bounded per device.

    Args:
        ranges: Runs read back from the outbox.
        count: Number of accepted readings, including those of dropped runs; None counts the runs.
        begun: `begun()` of an earlier run; boots are random numbers, so their order does not show their age.
    """

    def __init__(
        self, ranges: Iterable[Range] = (), count: int | None = None, begun: Mapping[str, Iterable[int]] | None = None
    ) -> None:
        self._devices: dict[str, dict[int, _Runs]] = {}
        self._touched: set[tuple[str, int, int]] = set()
        self.count = 0
        """Number of accepted readings."""
        self.turned = False
        """True if a device began a new boot since `stored()`: then `begun()` has changed."""
        ages = {(device, boot): k for device, boots in (begun or {}).items() for k, boot in enumerate(boots)}
        # A boot of unknown age is dropped first.
        for device, boot, first, last in sorted(ranges, key=lambda run: (run[0], ages.get(run[:2], -1), *run[1:])):
            runs = self._devices.setdefault(device, {}).setdefault(boot, _Runs())
            runs.firsts.append(first)
            runs.lasts.append(last)
            self.count += last - first + 1
        if count is not None:
            self.count = count

    def add(self, device: str, boot: int, seq: int) -> bool:
        """Adds a reading's identity; returns whether it is new."""
        boots = self._devices.get(device)
        runs = boots.get(boot) if boots is not None else None
        if runs is None:
            runs = self._begin(device, boot)
        firsts, lasts = runs.firsts, runs.lasts
        if lasts and seq == lasts[-1] + 1:
            # The usual case: the next number of the last run.
            lasts[-1] = seq
            self._touched.add((device, boot, firsts[-1]))
            self.count += 1
            return True
        i = bisect_right(firsts, seq)
        if i and seq <= lasts[i - 1]:
            return False
        self._insert(device, boot, runs, i, seq)
        self.count += 1
        return True

    def changes(self) -> Iterator[tuple[Range, bool]]:
        """Yields changes to the stored runs: (run, whether it exists); other runs were merged or dropped."""
        for device, boot, first in sorted(self._touched):
            runs = self._devices[device].get(boot)
            i = bisect_right(runs.firsts, first) - 1 if runs else -1
            exists = runs is not None and i >= 0 and runs.firsts[i] == first
            yield (device, boot, first, runs.lasts[i] if runs and exists else first), exists

    def stored(self) -> None:
        """Marks all changes as stored."""
        self._touched.clear()
        self.turned = False

    def begun(self) -> dict[str, list[int]]:
        """Returns the boots of each device that has more than one, oldest first."""
        return {device: list(boots) for device, boots in self._devices.items() if len(boots) > 1}

    def ranges(self) -> Iterator[Range]:
        """Yields every run, by device and boot."""
        for device, boots in sorted(self._devices.items()):
            for boot, runs in sorted(boots.items()):
                for first, last in zip(runs.firsts, runs.lasts, strict=True):
                    yield device, boot, first, last

    def _begin(self, device: str, boot: int) -> _Runs:
        boots = self._devices.setdefault(device, {})
        self.turned |= bool(boots)
        runs = boots[boot] = _Runs()
        while len(boots) > BOOTS:
            oldest = next(iter(boots))
            self._touched.update((device, oldest, first) for first in boots.pop(oldest).firsts)
        return runs

    def _insert(self, device: str, boot: int, runs: _Runs, i: int, seq: int) -> None:
        firsts, lasts = runs.firsts, runs.lasts
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
        if len(firsts) > RUNS:
            self._touched.add((device, boot, firsts.pop(0)))
            lasts.pop(0)
