"""The vital signs. A new sign is added here only; no other part needs a change.

The order is the digit order of every packed integer on the wire (`suspect`, `breach`), so it is append-only.
Codes are LOINC's, units UCUM's; plausible ranges follow the published extraction rules of MIMIC-III and eICU.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final


@dataclass(frozen=True, slots=True)
class Sign:
    """One vital sign.

    Attributes:
        field: Short clinical name, used on the wire, in the warehouse and in the code.
        name: Name for texts.
        unit: UCUM unit.
        loinc: LOINC codes, the preferred one first.
        minimum: Lowest plausible value, in `unit`.
        maximum: Highest plausible value, in `unit`.
        open_minimum: Whether `minimum` itself is implausible.
        open_maximum: Whether `maximum` itself is implausible.
        decimals: Digits after the point that a monitor shows.
        sensor: Sensor that measures it; signs of one sensor appear and disappear together.
        max_step: Largest plausible change between two readings a second apart, in `unit`.
    """

    field: str
    name: str
    unit: str
    loinc: tuple[str, ...]
    minimum: float
    maximum: float
    open_minimum: bool
    open_maximum: bool
    decimals: int
    sensor: str
    max_step: float

    def __post_init__(self) -> None:
        if not self.field.isidentifier():
            raise ValueError(f"sign field {self.field!r} is not an identifier")
        if not self.minimum < self.maximum:
            raise ValueError(f"sign {self.field}: minimum {self.minimum} is not below maximum {self.maximum}")


SIGNS: Final[tuple[Sign, ...]] = (
    Sign("hr", "heart rate", "/min", ("8867-4",), 0, 300, True, True, 0, "ecg", 40),
    Sign("pr", "pulse rate", "/min", ("8889-8",), 0, 300, True, True, 0, "oximeter", 40),
    Sign("rr", "respiratory rate", "/min", ("9279-1",), 0, 70, True, True, 0, "impedance", 15),
    Sign("spo2", "oxygen saturation", "%", ("2708-6", "59408-5"), 0, 100, True, False, 0, "oximeter", 8),
    Sign("temp", "body temperature", "Cel", ("8310-5",), 25, 45, False, False, 1, "thermometer", 1),
    Sign("sbp", "systolic blood pressure", "mm[Hg]", ("8480-6",), 0, 400, True, True, 0, "cuff", 60),
    Sign("dbp", "diastolic blood pressure", "mm[Hg]", ("8462-4",), 0, 300, True, True, 0, "cuff", 40),
    Sign("map", "mean arterial pressure", "mm[Hg]", ("8478-0",), 0, 300, True, True, 0, "cuff", 45),
)
FIELDS: Final[tuple[str, ...]] = tuple(sign.field for sign in SIGNS)
INDEX: Final[dict[str, int]] = {field: i for i, field in enumerate(FIELDS)}


class Suspect(IntEnum):
    """Reason for which a value is suspect or absent; four bits per sign in the `suspect` column."""

    NONE = 0
    IMPLAUSIBLE = 1
    """An impossible value, a monitor's code for having none. It is stored, and evaluated as a loss."""
    DROPOUT = 2
    """The monitor sent zero: it had no value."""
    SENSOR_OFF = 3
    RATE_OF_CHANGE = 4
    SPIKE = 5
    FLAT_LINE = 6
    PRESSURE_INCONSISTENT = 7
    CLOCK = 8
    """The device's clock was wrong; event time is the gateway's."""
    CONTRADICTED = 9
    """The oximeter's pulse rate contradicts the ECG's heart rate: for a limited time, movement is assumed."""


SUSPECT_BITS: Final = 4
