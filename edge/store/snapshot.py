"""What the gateway remembers over a restart: engine and devices as a snapshot, and the readings accepted after it."""

import logging
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from edge.alarm.bedside_alarms import BedsideAlarms
from edge.clock.boot_clock import BOOT, MOVES
from edge.ingest.roster import AssignmentTable
from edge.store.outbox import POSITION, Outbox
from edge.store.values import LEDGER
from vitals import engine
from vitals.readings import Readings

log = logging.getLogger(__name__)
ROSTER: Final = "roster"
ENGINE: Final = "engine"
MEMORY: Final = "memory"
HEARD: Final = "heard"
"""Keys under which the outbox keeps the roster, the engine, the devices' clocks and newest values, and when each device
was heard."""


COSTS: Final = {
    ROSTER: "the roster",
    ENGINE: "the alarms' state",
    MEMORY: "the devices' clocks and values",
    HEARD: "when devices were heard",
    LEDGER: "what was accepted",
    BOOT: "the clock",
    MOVES: "times to be put right",
}
"""Cost of starting without a value; the others are counted anew."""


def kept_state(outbox: Outbox) -> engine.State | None:
    """Returns the engine's kept state; None when there is none.

    A snapshot that cannot be read, as after an upgrade, costs what it remembered and not the gateway: every reading
    that the outbox still holds is judged again.
    """
    kept = outbox.load(ENGINE)
    try:
        return engine.restore(zlib.decompress(kept)) if kept else None
    except Exception as error:  # noqa: BLE001 - whatever another version's or a damaged snapshot raises
        log.warning("the engine's snapshot cannot be read, and what the outbox holds is judged again: %s", error)
        return None


def resumed(
    outbox: Outbox,
    state: engine.State | None,
    book: AssignmentTable,
    now: int,
    times: Callable[[int, Readings], Readings],
) -> BedsideAlarms:
    """Returns the local alarms as they were: the kept state, and every reading accepted after it.

    Args:
        outbox: Where they were kept.
        state: The kept state, in present times.
        book: The roster in force.
        now: UTC epoch ms.
        times: Returns readings of a row of the journal in present times.
    """
    local = BedsideAlarms.begin(book, state if state is not None else engine.empty(), now)
    for row, readings in outbox.journal(outbox.seen(state)):
        right = times(row, readings)
        local.advance(right, int(right.t_gw.max()))
    return local


def keep(outbox: Outbox, local: BedsideAlarms, memory: Mapping[str, bytes], row: int) -> None:
    """Keeps the state of engine and devices, inside a transaction; they have seen every row up to `row`."""
    outbox.save(ENGINE, zlib.compress(local.snapshot(), 6))
    for key, value in memory.items():
        outbox.save(key, value)
    outbox.save(POSITION, str(row).encode())
