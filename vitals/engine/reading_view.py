"""One reading of one patient, as the rules use it."""

import math
from dataclasses import dataclass
from typing import Any, Final

from vitals.breach_codes import ABSENT, BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_HIGH, BREACH_LOW, WITHIN
from vitals.limits import Limit
from vitals.readings import Readings
from vitals.signs import SIGNS

LABELS: Final = {"hr": "HR", "pr": "PR", "rr": "RR", "spo2": "SpO2", "temp": "temperature"}
UNITS: Final = {"Cel": "°C", "mm[Hg]": "mmHg"}


@dataclass(slots=True)
class ReadingContext:
    """One reading with its limits, breach digits and NEWS2 digits.

    Attributes:
        t: Event time, ms.
        values: Value per sign, NaN where absent (or late).
        codes: `Suspect` code per sign.
        digits: Breach digit per sign.
        limits: Limit per sign.
        parts: NEWS2 digits of the trusted values.
        live: Whether it is recent enough (`LIVE_MS`) to notify a person.
        blind: Whether the patient had no reading for a long time (`BLIND_MS`) before it.
        source: The batch and the index in it, or the event fields themselves.
    """

    t: int
    values: list[float]
    codes: list[int]
    digits: list[int]
    limits: tuple[Limit, ...]
    parts: list[int]
    live: bool
    blind: bool
    source: tuple[Readings, int] | dict[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """Fields of an event that come from the reading."""
        return self.source if isinstance(self.source, dict) else about(*self.source)


def about(readings: Readings, i: int) -> dict[str, Any]:
    """Returns the fields of an event that come from reading `i`."""
    return {
        "patient": readings.patient[i],
        "ward": readings.ward[i],
        "bed": readings.bed[i],
        "device": readings.device[i],
        "gateway": readings.gateway[i],
        "boot": int(readings.boot[i]),
        "seq": int(readings.seq[i]),
    }


def breach(value: float, limit: Limit) -> int:
    """Returns the breach digit of one value; `vitals.breach_codes.breach` is its vectorised form."""
    if math.isnan(value):
        return ABSENT
    if limit.extreme_high is not None and value > limit.extreme_high:
        return BREACH_EXTREME_HIGH
    if limit.extreme_low is not None and value < limit.extreme_low:
        return BREACH_EXTREME_LOW
    if limit.high is not None and value > limit.high:
        return BREACH_HIGH
    return BREACH_LOW if limit.low is not None and value < limit.low else WITHIN


def show(index: int, value: float) -> str:
    """Formats a value with its unit."""
    sign = SIGNS[index]
    return f"{value:.{sign.decimals}f} {UNITS.get(sign.unit, sign.unit)}"


def label(index: int) -> str:
    """Returns the short name of a sign for texts."""
    field = SIGNS[index].field
    return LABELS.get(field, field.upper())
