"""What the gateway remembers over a restart: engine and devices as a snapshot, and the readings accepted after it."""

import logging
import zlib
from typing import Final

from edge.local import LocalAlarms
from edge.outbox import Outbox
from edge.roster import Book
from vitals import engine
from vitals.readings import Readings

log = logging.getLogger(__name__)
ROSTER: Final = "roster"
ENGINE: Final = "engine"
MEMORY: Final = "memory"
POSITION: Final = "position"


def resumed(outbox: Outbox, book: Book, now: int) -> LocalAlarms:
    """Returns the local alarms as they were: the kept snapshot, and every reading accepted after it.

    A snapshot that cannot be read, as after an upgrade, costs what it remembered and not the gateway: every reading
    that the outbox still holds is judged again.
    """
    state, after = engine.empty(), unseen(outbox)
    try:
        kept = outbox.load(ENGINE)
        state = engine.restore(zlib.decompress(kept)) if kept else state
    except (ValueError, zlib.error) as error:
        log.warning("the engine's snapshot cannot be read, and what the outbox holds is judged again: %s", error)
        after = [readings for _, readings in outbox.journal()]
    local = LocalAlarms.begin(book, state, now)
    for readings in after:
        local.advance(readings, int(readings.t_gw.max()))
    return local


def unseen(outbox: Outbox) -> list[Readings]:
    """Returns the accepted readings that the kept snapshots of engine and devices have not seen."""
    return [readings for _, readings in outbox.journal(int(outbox.load(POSITION) or b"0"))]


def keep(outbox: Outbox, local: LocalAlarms, memory: bytes, row: int) -> None:
    """Keeps the state of engine and devices, inside a transaction; they have seen every row up to `row`."""
    outbox.save(ENGINE, zlib.compress(local.snapshot(), 6))
    outbox.save(MEMORY, memory)
    outbox.save(POSITION, str(row).encode())
