"""Checksums of the values under keys, to find values that a damaged card changed. Pure.

SQLite has none. One row has the checksum of each value and of the ledger, written in the same transaction. An older
version counts its start and leaves this row unchanged, which distinguishes its values from damaged ones.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from edge.ingest.dedup import Range

SUMS: Final = "sums"
STARTS: Final = "starts"
LEDGER: Final = "accepted"
"""Keys of the row, of the number of starts, and the name under which the ledger is lost."""
LEAP: Final = 1_024
"""Starts skipped when their number is unknown; also the most starts of older versions between two of this version."""
MOST_DIGITS, MOST_STARTS = 12, 2**30


class Sums(msgspec.Struct):
    """Checksums.

    Attributes:
        starts: Number of starts of the outbox when they were written.
        of: Checksum of each value, by key.
        ledger: Checksum of all runs of the ledger.
    """

    starts: int = 0
    of: dict[str, int] = {}
    ledger: int | None = None

    def note(self, key: str, value: bytes) -> None:
        """Records the checksum of a value."""
        if key == STARTS:
            self.starts = int(value)
        else:
            self.of = self.of | {key: zlib.crc32(value)}

    def encoded(self) -> bytes:
        """Returns the encoded row, with its own checksum."""
        body = msgspec.json.encode(self)
        return b"%08x" % zlib.crc32(body) + body


class Found(NamedTuple):
    """Result of a check.

    Attributes:
        values: Undamaged values, by key.
        lost: Keys of damaged values.
        sums: Checksums of the undamaged values.
    """

    values: dict[str, bytes]
    lost: set[str]
    sums: Sums


def verified(kept: Mapping[str, bytes]) -> Found:
    """Returns the undamaged values; without valid checksums all values count as undamaged.

    Args:
        kept: Values by key, as read from the card.
    """
    values = {key: value for key, value in kept.items() if key != SUMS}
    starts, sums = starts_of(kept.get(STARTS)), _sums(kept.get(SUMS, b""))
    if sums is None or (starts is not None and sums.starts < starts <= sums.starts + LEAP):
        lost = {STARTS} if starts is None and STARTS in kept else set()
        fresh = Sums(starts or 0, {key: zlib.crc32(value) for key, value in values.items() if key != STARTS})
        return Found({key: value for key, value in values.items() if key not in lost}, lost, fresh)
    lost = {key for key, crc in sums.of.items() if zlib.crc32(kept.get(key, b"")) != crc or key not in kept}
    values = {key: value for key, value in values.items() if key not in lost}
    return Found(values | {STARTS: str(sums.starts).encode()}, lost, sums)


def of_run(run: Range) -> int:
    """Returns the checksum of a run of the ledger; that of the ledger is their exclusive or."""
    return zlib.crc32("\0".join(map(str, run)).encode())


def of_ledger(runs: Iterable[Range]) -> int:
    """Returns the checksum of all runs."""
    found = 0
    for run in runs:
        found ^= of_run(run)
    return found


def starts_of(kept: bytes | None) -> int | None:
    """Decodes the number of starts of an outbox; None if it is invalid."""
    starts = int(kept) if kept is not None and kept.isdigit() and len(kept) < MOST_DIGITS else None
    return starts if starts is not None and starts < MOST_STARTS else None


def _sums(kept: bytes) -> Sums | None:
    try:
        crc, body = int(kept[:8], 16), kept[8:]
        return msgspec.json.decode(body, type=Sums) if zlib.crc32(body) == crc else None
    except ValueError:
        return None
