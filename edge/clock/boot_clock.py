"""Readings accepted while the clock was not known, by a gateway that was then restarted: when were they taken?

A clock that was never set still counts. Within one boot of the machine own time goes on evenly over a restart, and what
was stamped before moves with it once the clock is set. After another boot nobody knows how long the machine was off:
such readings are put right before this boot, as they cannot be younger, and every value is marked `CLOCK`, so that none
of them begins or ends an alarm by itself.
"""

import logging
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge.ingest.device_clock import moved
from vitals.readings import Readings
from vitals.signs import SIGNS, SUSPECT_BITS, Suspect

log = logging.getLogger(__name__)
BOOT: Final = "boot"
"""Key under which the outbox keeps the boot and what is known of its clock."""
MOVES: Final = "moves"
"""Key under which it keeps by how much rows of the journal are to be moved."""
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_DIGIT: Final = (1 << SUSPECT_BITS) - 1


class Boot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One boot of the machine.

    Attributes:
        id: Its random id.
        began: Its beginning, ms: by the machine's clock, and where the outbox keeps it by the gateway's own time.
        unset: First row of the journal that was stamped by a clock that was not known; 0 when it is known.
        bridge: Own time minus the bridge's, ms, where the bridge has told it.
    """

    id: str
    began: int
    unset: int = 0
    bridge: int | None = None


class Move(msgspec.Struct, frozen=True):
    """By how much readings of some rows of the journal are to be moved.

    Attributes:
        first: First of the rows.
        last: Last of them.
        by_ms: By how much.
        doubted: Whether no value of them may be believed by itself.
    """

    first: int
    last: int
    by_ms: int
    doubted: bool = False


def this_boot(now: int, runtime: Path | None = None, boot_id: Path = BOOT_ID) -> Boot:
    """Returns the machine's boot by its clock; see random(4) and clock_gettime(2).

    A service may be kept from the kernel's own id: then one lies in its runtime directory, which is gone with the boot.
    Where there is neither it is another boot each time.

    Args:
        now: The machine's clock, UTC epoch ms.
        runtime: The service's runtime directory, if it has one.
        boot_id: Where the kernel tells its id.
    """
    up_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    try:
        found = boot_id.read_text().strip()
    except OSError:
        found = _of(runtime) if runtime is not None else secrets.token_hex(8)
    return Boot(found, now - up_ms)


def known_boot(kept: bytes | None) -> Boot | None:
    """Reads what the outbox keeps of the boot; None when there is nothing that can be read."""
    try:
        return msgspec.json.decode(kept, type=Boot) if kept else None
    except msgspec.DecodeError as error:
        log.warning("what is kept of the boot cannot be read: %s", error)
        return None


def _of(runtime: Path) -> str:
    path, drawn = runtime / BOOT, secrets.token_hex(8)
    with suppress(OSError):
        if known := path.read_text():
            return known
    # Half a write would be the same id at every boot; none at all is another boot each time.
    fresh = path.with_suffix(".new")
    with suppress(OSError):
        fresh.write_text(drawn)
        fresh.replace(path)
    return drawn


def correct_boot_times(row: int, readings: Readings, moves: Iterable[Move]) -> Readings:
    """Returns the readings of a row of the journal with the times that are known now."""
    mine = [move for move in moves if move.first <= row <= move.last]
    found = moved(readings, sum(move.by_ms for move in mine))
    return replace(found, suspect=_doubted(found)) if any(move.doubted for move in mine) else found


def _doubted(readings: Readings) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Returns the packed codes with `CLOCK` for every value that has none."""
    shifts = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS
    digits = (readings.suspect[:, None] >> shifts) & _DIGIT
    bare = (digits == Suspect.NONE) & ~np.isnan(readings.values)
    marked = np.where(bare, np.int64(Suspect.CLOCK), digits)
    packed: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = np.bitwise_or.reduce(marked << shifts, axis=1)
    return packed
