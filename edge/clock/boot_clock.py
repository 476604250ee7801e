"""Correction of readings that were accepted before the clock was set, by a gateway that was then restarted.

A clock that was never set still counts. Within one boot of the machine own time runs evenly over a restart, and earlier
readings are shifted with it once the clock is set. After another boot it is unknown how long the machine was off. The
readings are then shifted to end before this boot, the latest possible time. Every value is marked `CLOCK`, so that none
begins or ends an alarm by itself.
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
"""Key under which the outbox stores the boot and its clock's state."""
MOVES: Final = "moves"
"""Key under which the outbox stores the shifts of the journal's rows."""
BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_DIGIT: Final = (1 << SUSPECT_BITS) - 1


class Boot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One boot of the machine.

    Attributes:
        id: Random id.
        began: Start of the boot, ms: by the system clock; in the outbox by the gateway's own time.
        unset: First row of the journal stamped while the time was unknown; 0 if it is known.
        bridge: Own time minus the bridge's, ms, if the bridge reported it.
    """

    id: str
    began: int
    unset: int = 0
    bridge: int | None = None


class Move(msgspec.Struct, frozen=True):
    """Shift of the readings of some rows of the journal.

    Attributes:
        first: First row.
        last: Last row.
        by_ms: Shift, ms.
        doubted: Whether their values are marked `CLOCK`.
    """

    first: int
    last: int
    by_ms: int
    doubted: bool = False


def this_boot(now: int, runtime: Path | None = None, boot_id: Path = BOOT_ID) -> Boot:
    """Returns the machine's boot by the system clock; see random(4) and clock_gettime(2).

    If the kernel's id is hidden from the service, an id in its runtime directory is used, which ends with the boot.
    With neither, each start counts as another boot.

    Args:
        now: System clock, UTC epoch ms.
        runtime: The service's runtime directory, if it has one.
        boot_id: File of the kernel's boot id.
    """
    up_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    try:
        found = boot_id.read_text().strip()
    except OSError:
        found = _of(runtime) if runtime is not None else secrets.token_hex(8)
    return Boot(found, now - up_ms)


def known_boot(kept: bytes | None) -> Boot | None:
    """Decodes the stored boot; None if there is none or it is invalid."""
    try:
        return msgspec.json.decode(kept, type=Boot) if kept else None
    except msgspec.DecodeError as error:
        log.warning("stored boot is invalid: %s", error)
        return None


def _of(runtime: Path) -> str:
    path, drawn = runtime / BOOT, secrets.token_hex(8)
    with suppress(OSError):
        if known := path.read_text():
            return known
    # A truncated file would be the same id at every boot; without one each start counts as another boot.
    fresh = path.with_suffix(".new")
    with suppress(OSError):
        fresh.write_text(drawn)
        fresh.replace(path)
    return drawn


def correct_boot_times(row: int, readings: Readings, moves: Iterable[Move]) -> Readings:
    """Returns the readings of a row of the journal with corrected times."""
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
