"""What the gateway remembers over a restart: engine and devices as a snapshot, and the readings accepted after it."""

import zlib
from typing import Final

from edge.local import LocalAlarms
from edge.outbox import Outbox
from edge.roster import Book
from vitals.readings import Readings

ROSTER: Final = "roster"
ENGINE: Final = "engine"
MEMORY: Final = "memory"
POSITION: Final = "position"


def resumed(outbox: Outbox, book: Book, now: int) -> LocalAlarms:
    """Returns the local alarms as they were: the kept snapshot, and every reading accepted after it."""
    local = LocalAlarms.begin(book, _engine(outbox), now)
    for readings in unseen(outbox):
        local.advance(readings, int(readings.t_gw.max()))
    return local


def _engine(outbox: Outbox) -> bytes | None:
    kept = outbox.load(ENGINE)
    return zlib.decompress(kept) if kept else None


def unseen(outbox: Outbox) -> list[Readings]:
    """Returns the accepted readings that the kept snapshots of engine and devices have not seen."""
    return [readings for _, readings in outbox.journal(int(outbox.load(POSITION) or b"0"))]


def keep(outbox: Outbox, local: LocalAlarms, memory: bytes, row: int) -> None:
    """Keeps the state of engine and devices, inside a transaction; they have seen every row up to `row`."""
    outbox.save(ENGINE, zlib.compress(local.snapshot(), 6))
    outbox.save(MEMORY, memory)
    outbox.save(POSITION, str(row).encode())
