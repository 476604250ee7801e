"""Due observations of a ward: the frequency of NEWS2 (RCP 2017, chart 4) for each present patient.

Monitors measure signs by themselves; consciousness and oxygen are a person's. Chart 4 leaves the decision to the ward;
the frequencies here are its minimum. With a score of 7 or more it demands continuous monitoring of the signs, and the
person's part stays hourly.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from cloud.alarm.query.answers import News2Now, PatientNow
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.engine.constants import NEWS2_PROFILES

HOUR_MS: Final = 3_600_000
RED: Final = 3
"""Score of a single input with the frequency of a total of 5."""
URGENT, EMERGENCY = 5, 7
CALM_H, LOW_H, URGENT_H = 12, 4, 1
BY_PERSON: Final = frozenset(("consciousness", "oxygen"))


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One patient's next observation.

    Attributes:
        patient: Patient id.
        bed: Bed.
        name: Name.
        score: NEWS2 of the fresh inputs; None without one.
        risk: Risk of that score; None without one.
        incomplete: Whether inputs are missing, so that the score may be falsely low.
        every_h: Hours between two observations; None for a patient whose profile has no NEWS2.
        continuous: Whether chart 4 demands continuous monitoring.
        charted: Time of the last charted consciousness, UTC epoch ms; None for never in this stay.
        due: Time at which the next one is due, UTC epoch ms; None if `every_h` is.
        measure: Inputs without a fresh value: rr, spo2, sbp, pulse or temp.
        oxygen: Whether the patient breathes supplemental oxygen.
        consciousness: As charted; None if never.
    """

    patient: str
    bed: str
    name: str
    score: int | None
    risk: str | None
    incomplete: bool
    every_h: int | None
    continuous: bool
    charted: int | None
    due: int | None
    measure: tuple[str, ...]
    oxygen: bool
    consciousness: str | None


def every_h(total: int, highest: int, *, complete: bool) -> int:
    """Returns the hours between two observations.

    Args:
        total: NEWS2.
        highest: Highest score of a single input.
        complete: Whether each input is fresh: without one a score of 0 may be falsely low.
    """
    if total >= URGENT or highest >= RED:
        return URGENT_H
    return CALM_H if complete and total == 0 else LOW_H


def observations(
    admissions: Iterable[Admission], patients: Mapping[str, PatientNow], actions: Iterable[Action], clock: int
) -> list[Observation]:
    """Returns a ward's observations, the most overdue first; patients without a frequency come last.

    Args:
        admissions: Present patients; canaries are left out.
        patients: State of the alarm engine by patient.
        actions: Recent actions: they count before the engine has applied them, so that their author sees them.
        clock: Log time of the engine's answer, against which its ages count; UTC epoch ms.
    """
    charted: dict[str, Action] = {}
    for action in actions:
        if action.act is Act.CHART and action.consciousness is not None:
            known = charted.get(action.patient)
            if known is None or known.t < action.t:
                charted[action.patient] = action
    found = [
        _of(one, patients.get(one.patient), charted.get(one.patient), clock) for one in admissions if not one.canary
    ]
    return sorted(found, key=lambda each: (each.due is None, each.due or 0, each.bed))


def _of(admission: Admission, seen: PatientNow | None, action: Action | None, clock: int) -> Observation:
    score = seen.news2 if seen else None
    mind = seen.consciousness if seen else None
    charted = _charted(score, clock)
    if action is not None and action.t >= admission.since and action.t > (charted or 0):
        charted, mind = action.t, action.consciousness
    missing = set(score.missing) - BY_PERSON if score else set()
    hours = LOW_H if admission.profile in NEWS2_PROFILES else None
    if score:
        hours = every_h(score.total, max(score.parts.values(), default=0), complete=not missing)
    # The first observation of a stay is due at the admission.
    due = None if hours is None else admission.since if charted is None else charted + hours * HOUR_MS
    return Observation(
        patient=admission.patient,
        bed=admission.bed,
        name=admission.name,
        score=score.total if score else None,
        risk=score.risk if score else None,
        incomplete=bool(missing or (score and charted is None)),
        every_h=hours,
        continuous=bool(score and score.total >= EMERGENCY),
        charted=charted,
        due=due,
        measure=tuple(sorted(missing)),
        oxygen=seen.oxygen if seen else admission.oxygen,
        consciousness=mind,
    )


def _charted(score: News2Now | None, clock: int) -> int | None:
    age = score.ages_s.get("consciousness") if score else None
    return None if age is None else clock - age * 1000
