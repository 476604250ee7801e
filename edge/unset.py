"""Readings accepted before the clock was set, by a gateway that was then restarted: when were they taken?

A clock that counts from 1970 still counts. Within one boot of the machine it lags behind the true time by a constant;
what is kept of it beside the journal rights the times later. After another boot nobody knows how long the machine was
off: such readings are put right before this boot, as they cannot be younger, and every value is marked `CLOCK`, so that
none of them begins or ends an alarm by itself.
"""

import secrets
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from edge.clock import SET_MS, rebase
from vitals.readings import Readings
from vitals.signs import SIGNS, SUSPECT_BITS, Suspect

BOOT: Final = "boot"
"""Key under which the outbox keeps the boot whose clock was not set."""
_DIGIT: Final = (1 << SUSPECT_BITS) - 1


class Boot(msgspec.Struct, frozen=True):
    """One boot of the machine, as a wall clock sees it.

    Attributes:
        id: Its random id.
        began: Its beginning by the wall clock, ms; moves when that clock is set.
    """

    id: str
    began: int


def this_boot(now: int) -> Boot:
    """Returns the machine's boot; see random(4) and clock_gettime(2). Hidden, it is another each time."""
    up_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = secrets.token_hex(8)
    return Boot(boot_id, now - up_ms)


def righted(readings: Readings, before: Boot | None, boot: Boot) -> Readings:
    """Returns readings with times that are not from before the clock was set.

    Args:
        readings: Kept readings.
        before: The boot kept with them.
        boot: This one, its clock set.
    """
    unset = readings.t_gw < SET_MS
    if not unset.any():
        return readings
    if before is not None and before.id == boot.id:
        return rebase(readings, boot.began - before.began)
    moved = rebase(readings, boot.began - int(readings.t_gw[unset].max()))
    doubted = np.where(unset, _doubted(moved), moved.suspect)
    return replace(moved, suspect=doubted)


def _doubted(readings: Readings) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Returns the packed codes with `CLOCK` for every value that has none."""
    shifts = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS
    digits = (readings.suspect[:, None] >> shifts) & _DIGIT
    bare = (digits == Suspect.NONE) & ~np.isnan(readings.values)
    marked = np.where(bare, np.int64(Suspect.CLOCK), digits)
    packed: np.ndarray[tuple[int, ...], np.dtype[np.int64]] = np.bitwise_or.reduce(marked << shifts, axis=1)
    return packed
