"""Rows of a ward's printout: pure functions from admission, tile and observation to texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cloud.console.live.observations import Observation
from cloud.wording import Wording
from vitals.admissions import Admission
from vitals.contacts import Contact, DutyRole
from vitals.limits import Limit
from vitals.signs import FIELDS, INDEX, SIGNS

SHORT: Final = {
    "hr": "HR", "pr": "Pulse", "rr": "RR", "spo2": "SpO₂", "temp": "T", "sbp": "Sys", "dbp": "Dia", "map": "MAP",
}  # fmt: skip
LIMITED: Final = ("hr", "rr", "spo2", "sbp", "temp")
MARKS: Final = {1: "!", 2: "!!", 3: "!!!"}


@dataclass(frozen=True, slots=True)
class Value:
    """Last value of a sign: name, text, time, and whether it is suspect."""

    name: str
    text: str
    at: str
    doubt: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One bed, as texts."""

    bed: str
    patient: str
    name: str
    age: str
    score: str
    person: str
    due: str
    values: list[Value]
    limits: list[str]
    limits_name: str
    alarms: list[str]
    nurse: str
    standby: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """One ward.

    Attributes:
        ward: Ward.
        at: Date, time and zone.
        down: The alarm engine does not answer.
        rows: Beds.
        duties: Contacts on duty.
    """

    ward: str
    at: str
    down: bool
    rows: list[Row]
    duties: list[str]


def row(admission: Admission, tile: Mapping[str, Any], due: Observation, nurse: str, wording: Wording) -> Row:
    """Returns one bed.

    Args:
        admission: The patient's admission.
        tile: The bed's tile.
        due: The patient's next observation.
        nurse: Name of the bed's nurse on duty; empty without one.
        wording: Zone of the times.
    """
    oxygen = "on O₂" if due.oxygen else "on air"
    mind = f"{due.consciousness}, " if due.consciousness else ""
    return Row(
        bed=admission.bed,
        patient=admission.patient,
        name=admission.name,
        age="age unknown" if tile["age"] is None else f"{tile['age']} years",
        score="-" if due.score is None else f"{due.score}{' incomplete' if due.incomplete else ''}",
        person=mind + oxygen,
        due="as the ward decides" if due.due is None else wording.clock(due.due),
        values=_values(tile, wording),
        limits=_all_limits(admission),
        limits_name=f"limits {admission.profile}{' changed' if admission.overrides else ''}",
        alarms=[
            f"{MARKS[a['priority']]} {a['text']}, since {wording.clock(a['start'])}"
            + (" (acknowledged)" if a["inactivation"] == "acknowledged" else "")
            for a in tile["alarms"]
        ],
        nurse=nurse or "not assigned",
        standby=bool(tile["standby"]),
    )


def duty_text(duty: Contact, wording: Wording) -> str:
    """Returns a contact on duty with turn and addresses."""
    turn = "charge nurse" if duty.role is DutyRole.CHARGE else "first" if duty.step == 0 else f"turn {duty.step + 1}"
    where = ", ".join(filter(None, (duty.phone, duty.email)))
    return f"{duty.name} ({turn}) until {wording.clock(duty.end)}: {where or 'no phone'}"


def _values(tile: Mapping[str, Any], wording: Wording) -> list[Value]:
    found = []
    for name in FIELDS:
        if name not in tile["signs"]:
            continue
        value, t, _, doubt = tile["signs"][name]
        text = f"{value:.{SIGNS[INDEX[name]].decimals}f}"
        found.append(Value(SHORT.get(name, name), text, wording.clock(t), bool(doubt)))
    return found


def _all_limits(admission: Admission) -> list[str]:
    found = ((f, admission.limits.limits[INDEX[f]]) for f in LIMITED)
    return [text for f, limit in found if (text := _limits(SHORT[f], limit, SIGNS[INDEX[f]].decimals))]


def _limits(name: str, limit: Limit, decimals: int) -> str:
    low, high = (None if x is None else f"{x:.{decimals}f}" for x in (limit.low, limit.high))
    if low and high:
        return f"{name} {low} to {high}"
    return f"{name} from {low}" if low else f"{name} up to {high}" if high else ""
