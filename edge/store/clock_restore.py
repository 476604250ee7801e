"""Restores the gateway's own time after a start, and the shifts of stored times."""

import logging
from dataclasses import dataclass, field
from typing import Final

import msgspec

from edge.clock.boot_clock import BOOT, MOVES, Boot, Move, correct_boot_times, known_boot
from edge.store.outbox import Outbox
from vitals import engine
from vitals.readings import Readings

log = logging.getLogger(__name__)
RESTART_MS: Final = 60_000
"""Longest time of a restart. If the stored boot is lost, a larger gap means that the system clock is another one."""


@dataclass(slots=True)
class Times:
    """State of the times in the journal.

    Attributes:
        moves: Shifts of rows.
        unset: First row stamped while the time was unknown; 0 if it is known.
    """

    moves: list[Move] = field(default_factory=list)
    unset: int = 0

    def righted(self, row: int, readings: Readings) -> Readings:
        """Returns the readings of a row of the journal with corrected times."""
        return correct_boot_times(row, readings, self.moves)


@dataclass(frozen=True, slots=True)
class Start:
    """Result of a start.

    Attributes:
        own: Own time, UTC epoch ms.
        by_ms: Shift of the stored state of engine and devices, ms.
        times: State of the times in the journal.
        bridge: Own time minus the bridge's, ms, if known.
    """

    own: int
    by_ms: int
    times: Times
    bridge: int | None = None


def take_up(outbox: Outbox, state: engine.State | None, machine: int, boot: Boot, *, settled: bool) -> Start:
    """Returns own time after a start, with the shifts of stored times.

    Within one boot own time runs evenly. After another boot it is unknown how long the machine was off. If the system
    clock is known to be set, it then applies. If not, own time continues from the last one, unless that clock is later.

    If the stored boot is lost, it is also unknown whether the stored times are by this system clock or by the bridge's.
    Own time then continues from the last one, so that the step to the system clock shifts all stored times with it.

    Args:
        outbox: Outbox.
        state: The engine's stored state.
        machine: System clock, UTC epoch ms.
        boot: The machine's boot, by that clock.
        settled: Whether that clock is known to be set.
    """
    kept, moves = _kept(outbox)
    if kept is not None and kept.id == boot.id:
        return Start(kept.began + machine - boot.began, 0, Times(moves, kept.unset), kept.bridge)
    written = max((int(part.t_gw.max()) for _, part in outbox.journal(outbox.row - 1)), default=0)
    newest = max(written, state.now if state is not None else 0)
    unset = kept.unset if kept is not None else 0
    if not settled:
        if unset:
            moves.append(Move(unset, outbox.row, 0, doubted=True))
        return Start(max(machine, newest), 0, Times(moves, unset))
    if kept is None and state is not None and machine - newest > RESTART_MS:
        return Start(newest, 0, Times(moves))
    by_ms = 0
    if unset:
        moves.append(Move(unset, outbox.row, boot.began - written, doubted=True))
        by_ms = boot.began - newest
    elif newest > machine:
        by_ms = machine - newest
        log.warning("stored times are ahead of the clock and are shifted", extra={"data": {"by_ms": by_ms}})
        moves.append(Move(outbox.behind or outbox.first_row, outbox.row, by_ms, doubted=True))
    return Start(machine, by_ms, Times(moves))


def _kept(outbox: Outbox) -> tuple[Boot | None, list[Move]]:
    moves = outbox.load(MOVES)
    try:
        return known_boot(outbox.load(BOOT)), msgspec.json.decode(moves, type=list[Move]) if moves else []
    except msgspec.DecodeError as error:
        log.warning("stored clock state is invalid: %s", error)
        return None, []
