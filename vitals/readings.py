"""Readings as columns: the one form of data from the gateway's outbox to the warehouse."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vitals.bounds import MAX_BOOT, MAX_ID, MAX_INT, MAX_SEQ, MAX_T, MAX_VALUE
from vitals.limits import PROFILES, LimitSet, in_force
from vitals.signs import SIGNS, SUSPECT_BITS

Text = NDArray[np.object_]
"""A column of text: (n,) of str or None."""
TEXT_COLUMNS: Final = ("patient", "device", "gateway", "ward", "bed")
INTEGER_COLUMNS: Final = ("boot", "seq", "t", "t_gw", "roster", "suspect", "limits")


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """n readings, column by column, in arrival order.

    Attributes:
        patient: (n,) patient id, None if the device is unassigned.
        device: (n,) device id.
        gateway: (n,) gateway id.
        ward: (n,) ward, None when unassigned.
        bed: (n,) bed, None when unassigned.
        boot: (n,) random 32-bit number of the device's start.
        seq: (n,) number of the reading within its boot, from 0.
        t: (n,) event time, UTC epoch ms.
        t_gw: (n,) arrival at the gateway, UTC epoch ms.
        roster: (n,) version of the roster with the assignment; 0 if unassigned.
        suspect: (n,) packed reasons, four bits per sign (`vitals.signs.Suspect`).
        limits: (n,) limits in force: k >= 0 is `PROFILES[k]`, negative is `limit_sets[-1 - k]`.
        values: (n, signs) values in the signs' units, NaN where absent.
        limit_sets: The distinct overridden limits among these readings.
    """

    patient: Text
    device: Text
    gateway: Text
    ward: Text
    bed: Text
    boot: NDArray[np.int64]
    seq: NDArray[np.int64]
    t: NDArray[np.int64]
    t_gw: NDArray[np.int64]
    roster: NDArray[np.int64]
    suspect: NDArray[np.int64]
    limits: NDArray[np.int64]
    values: NDArray[np.float64]
    limit_sets: tuple[LimitSet, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.t)
        for column in (*TEXT_COLUMNS, *INTEGER_COLUMNS):
            if len(getattr(self, column)) != n:
                raise ValueError(f"column {column} has {len(getattr(self, column))} entries, t has {n}")
        if self.values.shape != (n, len(SIGNS)):
            raise ValueError(f"values have shape {self.values.shape}, not ({n}, {len(SIGNS)})")
        if n and not -len(self.limit_sets) <= self.limits.min() <= self.limits.max() < len(PROFILES):
            raise ValueError(
                f"limits refer to {self.limits.min()}..{self.limits.max()}, but there are {len(PROFILES)} profiles "
                f"and {len(self.limit_sets)} limit sets"
            )

    def __len__(self) -> int:
        return len(self.t)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Readings":
        """Returns the readings at `index`, with the same limit sets."""
        return replace(self, **{f.name: getattr(self, f.name)[index] for f in fields(self) if f.name != "limit_sets"})

    def alone(self, i: int) -> "Readings":
        """Returns reading `i` with only its own limits."""
        limits = int(self.limits[i])
        one = self.take(slice(i, i + 1))
        if limits >= 0:
            return replace(one, limit_sets=())
        return replace(one, limits=np.array([-1], dtype=np.int64), limit_sets=(self.limit_sets[-1 - limits],))

    def bounds(self) -> NDArray[np.float64]:
        """Returns (n, signs, 5): the limits in force for each reading, as `LimitSet.array()`."""
        return in_force(self.limit_sets, self.limits)

    def suspect_digits(self) -> NDArray[np.int8]:
        """Returns (n, signs) `Suspect` codes."""
        shifts = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS
        return ((self.suspect[:, None] >> shifts) & ((1 << SUSPECT_BITS) - 1)).astype(np.int8)

    def identities(self) -> list[tuple[str, int, int]]:
        """Returns each reading's identity: (device, boot, seq)."""
        return list(zip(self.device.tolist(), self.boot.tolist(), self.seq.tolist(), strict=True))


def text(values: Sequence[str | None]) -> Text:
    """Returns a text column."""
    column = np.empty(len(values), dtype=np.object_)
    column[:] = values
    return column


def empty() -> Readings:
    """Returns no readings."""
    columns: dict[str, Any] = dict.fromkeys(TEXT_COLUMNS, text([]))
    columns |= dict.fromkeys(INTEGER_COLUMNS, np.empty(0, dtype=np.int64))
    return Readings(**columns, values=np.empty((0, len(SIGNS))))


def concat(parts: Sequence[Readings]) -> Readings:
    """Joins readings in order, with one table of limit sets."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return empty()
    sets: dict[LimitSet, int] = {}
    limits = []
    for part in parts:
        place = [-1 - sets.setdefault(s, len(sets)) for s in reversed(part.limit_sets)]
        limits.append(np.array([*range(len(PROFILES)), *place], dtype=np.int64)[part.limits])
    joined = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts])
        for f in fields(Readings)
        if f.name not in {"limits", "limit_sets"}
    }
    return Readings(**joined, limits=np.concatenate(limits), limit_sets=tuple(sets))


def problems(readings: Readings) -> dict[int, str]:
    """Finds readings that a store cannot hold or identify.

    Returns:
        Reason by index, for each unusable reading. Implausible *values* are no reason: they are kept, marked suspect.
    """
    checks = {
        "boot is not a 32-bit number": (readings.boot < 0) | (readings.boot > MAX_BOOT),
        "seq is out of range": (readings.seq < 0) | (readings.seq > MAX_SEQ),
        "event time is out of range": (readings.t <= 0) | (readings.t > MAX_T),
        "gateway time is out of range": (readings.t_gw <= 0) | (readings.t_gw > MAX_T),
        "roster version is out of range": (readings.roster < 0) | (readings.roster > MAX_INT),
        "suspect codes are out of range": (readings.suspect < 0)
        | (readings.suspect >= 1 << (SUSPECT_BITS * len(SIGNS))),
        f"a value is not between {-MAX_VALUE:g} and {MAX_VALUE:g}": (np.abs(readings.values) > MAX_VALUE).any(axis=1),
    }
    found: dict[int, str] = {}
    for reason, bad in checks.items():
        for i in np.flatnonzero(bad).tolist():
            found.setdefault(i, reason)
    for column in TEXT_COLUMNS:
        optional = column in {"patient", "ward", "bed"}
        for i, value in enumerate(getattr(readings, column)):
            if value is None and optional:
                continue
            if not value or len(value) > MAX_ID or "\0" in value:
                found.setdefault(i, f"{column} is empty, longer than {MAX_ID} characters or has a zero byte")
    return found
