"""Where the gateway's own time goes on after a start, and what of the kept times is to be moved for that."""

import logging
from dataclasses import dataclass, field

import msgspec

from edge.clock.boot_clock import BOOT, MOVES, Boot, Move, known_boot
from edge.store.outbox import Outbox
from vitals import engine

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Times:
    """What is known of the times in the journal.

    Attributes:
        moves: By how much rows are to be moved.
        unset: First row that was stamped by a clock that is not known to be set; 0 when it is.
    """

    moves: list[Move] = field(default_factory=list)
    unset: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """A start.

    Attributes:
        own: Own time, UTC epoch ms.
        by_ms: By how much what is kept of engine and devices is to be moved.
        times: What is known of the times in the journal.
        bridge: Own time minus the bridge's, ms, where it is known.
    """

    own: int
    by_ms: int
    times: Times
    bridge: int | None = None


def take_up(outbox: Outbox, state: engine.State | None, machine: int, boot: Boot, *, settled: bool) -> Start:
    """Returns where own time goes on.

    Within one boot it goes on evenly. After another nobody knows how long the machine was off: then the machine's clock
    holds, if it is known to be set, and otherwise own time goes on from where it was, unless that clock is later.

    Args:
        outbox: The outbox.
        state: The engine's kept state.
        machine: The machine's clock, UTC epoch ms.
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
    by_ms = 0
    if unset:
        moves.append(Move(unset, outbox.row, boot.began - written, doubted=True))
        by_ms = boot.began - newest
    elif newest > machine:
        by_ms = machine - newest
        log.warning("the kept times are ahead of the clock, and are moved", extra={"data": {"by_ms": by_ms}})
        moves.append(Move(outbox.behind or outbox.first_row, outbox.row, by_ms, doubted=True))
    return Start(machine, by_ms, Times(moves))


def _kept(outbox: Outbox) -> tuple[Boot | None, list[Move]]:
    moves = outbox.load(MOVES)
    try:
        return known_boot(outbox.load(BOOT)), msgspec.json.decode(moves, type=list[Move]) if moves else []
    except msgspec.DecodeError as error:
        log.warning("what is kept of the clock cannot be read: %s", error)
        return None, []
