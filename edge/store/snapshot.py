"""What the gateway remembers over a restart: engine and devices as a snapshot, and the readings accepted after it."""

import logging
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from edge.alarm.bedside_alarms import LocalAlarms
from edge.ingest.roster import Book
from edge.store.outbox import POSITION, Outbox
from vitals import engine
from vitals.readings import Readings

log = logging.getLogger(__name__)
ROSTER: Final = "roster"
ENGINE: Final = "engine"
MEMORY: Final = "memory"
HEARD: Final = "heard"
"""Keys under which the outbox keeps the roster, the engine, the devices' clocks and newest values, and when each device
was heard."""


def kept_state(outbox: Outbox) -> engine.State | None:
    """Returns the engine's kept state; None when there is none.

    A snapshot that cannot be read, as after an upgrade, costs what it remembered and not the gateway: every reading
    that the outbox still holds is judged again.
    """
    kept = outbox.load(ENGINE)
    try:
        return engine.restore(zlib.decompress(kept)) if kept else None
    except (ValueError, zlib.error) as error:
        log.warning("the engine's snapshot cannot be read, and what the outbox holds is judged again: %s", error)
        return None


def resumed(
    outbox: Outbox, state: engine.State | None, book: Book, now: int, times: Callable[[int, Readings], Readings]
) -> LocalAlarms:
    """Returns the local alarms as they were: the kept state, and every reading accepted after it.

    Args:
        outbox: Where they were kept.
        state: The kept state, in present times.
        book: The roster in force.
        now: UTC epoch ms.
        times: Returns readings of a row of the journal in present times.
    """
    local = LocalAlarms.begin(book, state if state is not None else engine.empty(), now)
    for row, readings in outbox.journal(0 if state is None else outbox.position):
        right = times(row, readings)
        local.advance(right, int(right.t_gw.max()))
    return local


def keep(outbox: Outbox, local: LocalAlarms, memory: Mapping[str, bytes], row: int) -> None:
    """Keeps the state of engine and devices, inside a transaction; they have seen every row up to `row`."""
    outbox.save(ENGINE, zlib.compress(local.snapshot(), 6))
    for key, value in memory.items():
        outbox.save(key, value)
    outbox.save(POSITION, str(row).encode())
