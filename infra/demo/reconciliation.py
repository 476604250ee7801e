"""Counting by identity: what the gateways accepted against what the lake and the warehouse hold."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

Identity = tuple[str, int, int]
"""(device, boot, seq)"""


@dataclass(slots=True)
class Seen:
    """How often each reading was seen at one place."""

    counts: Counter[Identity] = field(default_factory=Counter)

    def add(self, identities: Iterable[Identity]) -> None:
        """Counts readings."""
        self.counts.update(identities)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def repeated(self) -> int:
        """How many times a reading was seen beyond its first."""
        return self.counts.total() - len(self.counts)


class Sent:
    """Counts the readings that devices have sent, in the ledger that they keep of them.

    Args:
        ledger: The file; it need not be there yet.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._read = 0
        self._count = 0

    def count(self) -> int:
        """Returns how many readings were sent so far; reads only what is new, up to its last whole line."""
        if self._ledger.exists():
            with self._ledger.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole)
            self._count += whole.count(b'"k":"sent"')
        return self._count


def accepted(lines: Iterable[str]) -> set[Identity]:
    """Reads what `python -m edge accepted` prints.

    Args:
        lines: JSON lines `{"device", "boot", "ranges": [[first, last], ...]}`.
    """
    found: set[Identity] = set()
    for line in lines:
        entry = json.loads(line)
        for first, last in entry["ranges"]:
            found.update((entry["device"], entry["boot"], seq) for seq in range(first, last + 1))
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the path delivered.

    Attributes:
        accepted: Readings that the gateways' outboxes had committed.
        lost: Accepted readings that lake or warehouse lack.
        duplicated: Warehouse rows beyond one per reading.
        lake_repeats: Lake rows beyond one per reading: a bridge that dies between Kafka's answer and its own
            confirmation is sent the batch again, and identity removes the repeat at the load.
    """

    accepted: int
    lost: int
    duplicated: int
    lake_repeats: int


def judge(accepted_: set[Identity], lake: Seen, warehouse: Seen) -> Verdict:
    """Compares what was accepted with what the stores hold."""
    held = lake.counts.keys() & warehouse.counts.keys()
    return Verdict(
        accepted=len(accepted_),
        lost=len(accepted_ - held),
        duplicated=warehouse.repeated,
        lake_repeats=lake.repeated,
    )
