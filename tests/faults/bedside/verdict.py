"""What a storm at the bedside did: who lay where, what their lights owed, and which readings are lost. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.faults.bedside.plan import Ward
from tests.truth.beds import END, Span, Stay, Verdict
from tests.truth.ledger import Person

REACHED_MS: Final = 15_000
"""After a cut, until a gateway is connected again."""


@dataclass(frozen=True, slots=True)
class Told:
    """A ward as it is from a moment on.

    Attributes:
        t: When its roster was published, UTC epoch ms.
        ward: The ward.
    """

    t: int
    ward: Ward


@dataclass(frozen=True, slots=True)
class Row:
    """A patient on a monitor, from when until when: by what a gateway can know."""

    patient: str
    device: str
    since: int
    until: int


def known(t: int, apart: Iterable[Span]) -> int:
    """Returns when a gateway has a roster that was published at `t`, by spans in which none reaches it."""
    for first, last in sorted(apart):
        if first <= t <= last:
            t = last
    return t


def lain(told: Sequence[Told], apart: Sequence[Span]) -> tuple[list[Stay], list[Row]]:
    """Returns who lay where, and whose readings were whose.

    Between the publishing of a roster and the moment from which a gateway has it, it may go by either.
    """
    changes = [(one.t, known(one.t, apart), one.ward) for one in told]
    stays, rows = [], []
    for patient in told[0].ward:
        begun: list[tuple[int, int, Any]] = []
        for t, at, ward in changes:
            if not begun or begun[-1][2] != ward[patient]:
                begun.append((t, at, ward[patient]))
        ends = [(t, at) for t, at, _ in begun[1:]] + [(END, END)]
        for (t, since, place), (until, left) in zip(begun, ends, strict=True):
            stays.append(Stay(patient, place.bed, since, until, told=t, left=left))
            rows.append(Row(patient, place.device, since, until))
    return stays, rows


def devices(told: Sequence[Told], gateway: str) -> dict[str, Person]:
    """Returns each monitor as a person, for a life by monitors."""
    return {p.device: Person(p.device, p.bed, gateway) for p in told[0].ward.values()}


def of_patients(life: Mapping[str, Any], rows: Sequence[Row]) -> dict[str, Any]:
    """Returns a life by patients, of one by monitors: a row for each time that a patient was on one."""
    place = {device: k for k, device in enumerate(life["patients"].tolist())}
    index = [place[row.device] for row in rows]
    found = {name: value if value.ndim == 0 else value[index] for name, value in life.items()}
    t = found["t"]
    since, until = (np.array([getattr(row, name) for row in rows])[:, None] for name in ("since", "until"))
    found["heard"] = found["heard"] & (t >= since) & (t < until)
    return found | {"patients": np.array([row.patient for row in rows])}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one gateway.

    Attributes:
        cadence_s: Seconds between two readings of a monitor.
        lights: The judge's verdict.
        accepted: Readings that were accepted.
        lost: Of these, neither above nor beyond reading in a damaged file.
        unreadable: Readings that damage left nothing readable of, and that are not above.
        died: How often the process ended by itself.
        done: Faults that were done.
    """

    cadence_s: float
    lights: Verdict
    accepted: int
    lost: int
    unreadable: int
    died: int
    done: int


def rows(found: Found, planned: int) -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    lights = found.lights
    due = f"of {lights.due} breaches that a light had to show, {found.done} faults"
    apart = f"{lights.hindered} were over before the gateway or its broker was whole again, {lights.brief} too soon"
    readings = f"of {found.accepted:,} accepted; {found.unreadable} more are on a flipped page and nowhere else"
    told = {what: "; ".join(str(one) for one in lights.lines if one["what"] == what)[:400] for what in _WHAT}
    dark = lights.dark + lights.late + lights.gone
    notes = [
        f"{lights.dark} never, {lights.late} late, {lights.gone} dark again",
        told["dark"],
        told["late"],
        told["gone"],
    ]
    each = [
        ("dark", dark, (f"{due}; {apart}", f"the longest {lights.worst_ms} ms", *notes)),
        ("stuck", lights.stuck, (told["stuck"],)),
        ("wrong_bed", lights.wrong_bed, (told["wrong bed"],)),
        ("lost", found.lost, (readings,)),
        ("died", found.died, ("times that the process ended by itself",)),
        ("faults_not_done", planned - found.done, (f"of {planned}",)),
    ]
    return [_row(f"{found.cadence_s:g}s.{name}", value, "; ".join(filter(None, note))) for name, value, note in each]


_WHAT: Final = ("dark", "late", "gone", "stuck", "wrong bed")


def _row(name: str, value: float, note: str) -> dict[str, Any]:
    row = {"name": f"bedside.{name}", "value": value, "unit": "count", "goal": 0, "better": "lower"}
    return row | {"note": note}
