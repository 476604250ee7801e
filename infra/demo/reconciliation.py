"""Reconciliation by identity: readings that the gateways accepted against those in the lake and the warehouse."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

Identity = tuple[str, int, int]
"""(device, boot, seq)"""


@dataclass(slots=True)
class Seen:
    """Number of copies of each reading in one store."""

    counts: Counter[Identity] = field(default_factory=Counter)

    def add(self, identities: Iterable[Identity]) -> None:
        """Counts readings."""
        self.counts.update(identities)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def repeated(self) -> int:
        """Number of copies of readings beyond the first of each."""
        return self.counts.total() - len(self.counts)


class Sent:
    """Counts the readings that devices have sent, from their ground truth log.

    Args:
        ledger: The file; it need not exist yet.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._read = 0
        self._count = 0

    def count(self) -> int:
        """Returns the number of readings sent so far; reads only the new part, up to its last complete line."""
        if self._ledger.exists():
            with self._ledger.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
            self._read += len(whole)
            self._count += whole.count(b'"k":"sent"')
        return self._count


def accepted(lines: Iterable[str]) -> set[Identity]:
    """Parses the output of `python -m edge accepted`.

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
    """Result of a reconciliation.

    Attributes:
        accepted: Readings that the gateways' outboxes had committed.
        lost: Accepted readings that lake or warehouse lack.
        duplicated: Warehouse rows beyond one per reading.
        lake_repeats: Lake rows beyond one per reading. If a bridge dies between Kafka's ack and its own confirmation,
            the gateway resends the batch, and the load removes the repeat by identity.
    """

    accepted: int
    lost: int
    duplicated: int
    lake_repeats: int


def judge(accepted_: set[Identity], lake: Seen, warehouse: Seen) -> Verdict:
    """Compares the accepted readings with those in the stores."""
    held = lake.counts.keys() & warehouse.counts.keys()
    return Verdict(
        accepted=len(accepted_),
        lost=len(accepted_ - held),
        duplicated=warehouse.repeated,
        lake_repeats=lake.repeated,
    )
