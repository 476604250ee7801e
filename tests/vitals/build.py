"""Readings and placements for the tests of the shared language, written as a person would say them."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vitals import readings
from vitals.admissions import DeviceAssignment
from vitals.limits import LimitSet
from vitals.signs import FIELDS, INDEX, SIGNS, SUSPECT_BITS, Suspect

T0 = 1_763_812_800_000
WELL = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}


@dataclass(frozen=True)
class One:
    """One reading; `limits` as the column has it."""

    t: int
    values: Mapping[str, float] = field(default_factory=dict)
    codes: Mapping[str, Suspect] = field(default_factory=dict)
    patient: str | None = "p1"
    device: str = "d1"
    seq: int = 0
    limits: int = 0


def columns(ones: Iterable[One], limit_sets: tuple[LimitSet, ...] = ()) -> readings.Readings:
    rows = list(ones)
    values = np.full((len(rows), len(SIGNS)), math.nan)
    suspect = np.zeros(len(rows), dtype=np.int64)
    for i, row in enumerate(rows):
        for name, value in row.values.items():
            values[i, INDEX[name]] = value
        for name, code in row.codes.items():
            suspect[i] |= int(code) << (SUSPECT_BITS * INDEX[name])
    t = np.array([row.t for row in rows], dtype=np.int64)
    return readings.Readings(
        patient=readings.text([row.patient for row in rows]),
        device=readings.text([row.device for row in rows]),
        gateway=readings.text(["g1"] * len(rows)),
        ward=readings.text(["w1" if row.patient else None for row in rows]),
        bed=readings.text([f"bed-{row.patient}" if row.patient else None for row in rows]),
        boot=np.full(len(rows), 7, dtype=np.int64),
        seq=np.array([row.seq for row in rows], dtype=np.int64),
        t=t,
        t_gw=t + 5,
        roster=np.ones(len(rows), dtype=np.int64),
        suspect=suspect,
        limits=np.array([row.limits for row in rows], dtype=np.int64),
        values=values,
        limit_sets=limit_sets,
    )


def placement(patient: str = "p1", **changes: object) -> DeviceAssignment:
    fields = {"device": "d1", "patient": patient, "ward": "w1", "bed": f"bed-{patient}", "since": T0, "cadence_s": 1.0}
    return DeviceAssignment(**(fields | changes))


def zeros(*names: str) -> dict[str, Suspect]:
    return dict.fromkeys(names or FIELDS, Suspect.DROPOUT)
