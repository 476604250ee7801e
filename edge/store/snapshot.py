"""State that survives a restart: a snapshot of engine and devices, and the readings accepted after it."""

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
"""Keys under which the outbox stores the roster, the engine, the devices' clocks and newest values, and the times of
their last readings."""


COSTS: Final = {
    ROSTER: "the roster",
    ENGINE: "the alarms' state",
    MEMORY: "the devices' clocks and values",
    HEARD: "when devices were heard",
    LEDGER: "what was accepted",
    BOOT: "the clock",
    MOVES: "times to be put right",
}
"""Cost of starting without a value, for the alarm text; other values are counted again."""


def kept_state(outbox: Outbox) -> engine.State | None:
    """Returns the engine's stored state; None if there is none or it is invalid.

    An invalid snapshot, as after an upgrade, costs its content but does not stop the gateway. Every reading that the
    outbox still holds is evaluated again.
    """
    kept = outbox.load(ENGINE)
    try:
        return engine.restore(zlib.decompress(kept)) if kept else None
    except Exception as error:  # noqa: BLE001 - whatever another version's or a damaged snapshot raises
        log.warning("engine snapshot is invalid: %s; readings of the outbox are evaluated again", error)
        return None


def resumed(
    outbox: Outbox,
    state: engine.State | None,
    assignments: AssignmentTable,
    now: int,
    times: Callable[[int, Readings], Readings],
) -> BedsideAlarms:
    """Restores the bedside alarms from the stored state and every reading accepted after it.

    Args:
        outbox: Outbox.
        state: Stored state, with corrected times.
        assignments: Roster in force.
        now: UTC epoch ms.
        times: Returns readings of a row of the journal with corrected times.
    """
    local = BedsideAlarms.begin(assignments, state if state is not None else engine.empty(), now)
    for row, readings in outbox.journal(outbox.seen(state)):
        right = times(row, readings)
        local.advance(right, int(right.t_gw.max()))
    return local


def keep(outbox: Outbox, local: BedsideAlarms, memory: Mapping[str, bytes], row: int) -> None:
    """Stores the state of engine and devices, which includes all rows up to `row`, inside a transaction."""
    outbox.save(ENGINE, zlib.compress(local.snapshot(), 6))
    for key, value in memory.items():
        outbox.save(key, value)
    outbox.save(POSITION, str(row).encode())
