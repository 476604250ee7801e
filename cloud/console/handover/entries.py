"""Signs, changed limits and standbys of a patient, as entries of the report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from cloud.alarm.query.answers import PatientNow, SignNow
from cloud.console.handover.contents import LimitChange, Present, SignRow, StandbySpan
from cloud.console.handover.measured import Extreme
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.engine.constants import FRESH_SPOT_MS, TRUSTED
from vitals.signs import FIELDS, SIGNS, Sign

STALE: Final = 3
"""Cadences after which a continuous sign's value is old."""


def limit_changes(versions: Sequence[tuple[int, Admission]], begin: int) -> list[LimitChange]:
    """Returns the changes of limits since `begin`, oldest first, of versions of one stay after another."""
    found = []
    for (_, before), (t, after) in pairwise(versions):
        if t < begin or before.discharged is not None:
            continue
        if before.profile != after.profile:
            found.append(LimitChange(t, "", before.profile, after.profile))
        pairs = zip(FIELDS, before.limits.limits, after.limits.limits, strict=True)
        found += [LimitChange(t, name, old, new) for name, old, new in pairs if old != new]
    return found


def standbys(acts: Sequence[Action], begin: int) -> Iterable[StandbySpan]:
    """Yields the standbys that were entered, each until its planned end or until a person ended it."""
    ends = [a.t for a in acts if a.act is Act.STANDBY_END]
    for a in acts:
        if a.act is Act.STANDBY and a.t >= begin:
            planned = a.t + 1000 * a.pause_s
            yield StandbySpan(a.t, min((t for t in ends if a.t <= t < planned), default=planned), a.by)


def sign_rows(
    admission: Admission, seen: PatientNow | None, found: Mapping[str, tuple[Extreme, Extreme]] | None, present: Present
) -> Iterable[SignRow]:
    """Yields the signs with a value; the present one counts as lowest or highest, too, if there is a history."""
    for sign, limits in zip(SIGNS, admission.limits.limits, strict=True):
        now = seen.signs.get(sign.field) if seen else None
        now = None if now is None or now.value is None else now
        low, high = (found or {}).get(sign.field, (None, None))
        if now is not None and now.value is not None and now.suspect in TRUSTED and found is not None:
            own = Extreme(now.value, now.t)
            low = own if low is None or own.value < low.value else low
            high = own if high is None or own.value > high.value else high
        if now is not None or low is not None:
            yield SignRow(sign, now, now is not None and _old(admission, sign, now, present), low, high, limits)


def _old(admission: Admission, sign: Sign, now: SignNow, present: Present) -> bool:
    longest = round(STALE * 1000 * admission.cadence_s)
    if sign.sensor == "thermometer":
        longest = FRESH_SPOT_MS
    elif sign.sensor == "cuff":
        longest = max(longest, round(2000 * admission.cuff_s))
    return present.down or now.suspect not in TRUSTED or present.now - now.t > longest
