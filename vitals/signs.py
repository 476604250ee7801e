"""The vital signs Wardwatch knows. A sign is added here, once, and flows through every part without another edit.

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
        name: What a person reads.
        unit: UCUM unit.
        loinc: LOINC codes, the preferred one first.
        minimum: Lowest plausible value, in `unit`; the bound itself is implausible when `open_minimum`.
        maximum: Highest plausible value, in `unit`; the bound itself is implausible when `open_maximum`.
        open_minimum: Whether `minimum` itself is already implausible.
        open_maximum: Whether `maximum` itself is already implausible.
        decimals: Digits after the point that a monitor shows.
        sensor: The sensor that measures it; signs of one sensor come and go together.
        max_step: Largest believable change between two readings a second apart, in `unit`.
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
    """Why a value is not to be trusted, or why it is absent; four bits per sign in the `suspect` column."""

    NONE = 0
    IMPLAUSIBLE = 1
    """No patient has such a value: the monitor had none, and said so in its own way. Kept, and judged as a loss."""
    DROPOUT = 2
    """The monitor sent zero: it had no value."""
    SENSOR_OFF = 3
    RATE_OF_CHANGE = 4
    SPIKE = 5
    FLAT_LINE = 6
    PRESSURE_INCONSISTENT = 7
    CLOCK = 8
    """The device's clock could not be believed; event time is the gateway's."""
    CONTRADICTED = 9
    """The oximeter's pulse rate and the ECG's heart rate are apart: the patient moves, as long as it does not stay."""


SUSPECT_BITS: Final = 4
