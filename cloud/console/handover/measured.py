"""Lowest and highest values, gaps, and the course of NEWS2, from a patient's minutes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloud.console.ward_rows import MINUTE_MS, Minute
from vitals import news2
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.engine.constants import FRESH_MS, FRESH_SPOT_MS, INTERVALS, NEWS2_PROFILES

GAP_MS: Final = 180_000
"""Shortest gap that is listed; at a cadence above a minute it is as many intervals as the alarm engine waits."""
HOUR_MS: Final = 3_600_000
Versions = Sequence[tuple[int, Admission]]


@dataclass(frozen=True, slots=True)
class Extreme:
    """A value and its minute, UTC epoch ms."""

    value: float
    t: int


@dataclass(frozen=True, slots=True)
class Span:
    """A time without a trusted value, UTC epoch ms."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """NEWS2 at one time.

    Attributes:
        t: UTC epoch ms.
        total: Sum of the fresh inputs; with `missing` ones it may be falsely low.
        risk: "low", "low-medium", "medium" or "high", of that total.
        missing: Inputs that are absent or too old.
    """

    t: int
    total: int
    risk: str
    missing: tuple[str, ...]


def extremes(minutes: Sequence[Minute], begin: int) -> dict[str, tuple[Extreme, Extreme]]:
    """Returns the lowest and the highest trusted value of each sign since `begin`, each at its first minute."""
    found: dict[str, tuple[Extreme, Extreme]] = {}
    for minute in minutes:
        if minute.t + MINUTE_MS <= begin:
            continue
        for name, (_, low, high) in minute.values.items():
            lowest, highest = found.get(name, (Extreme(low, minute.t), Extreme(high, minute.t)))
            found[name] = (
                Extreme(low, minute.t) if low < lowest.value else lowest,
                Extreme(high, minute.t) if high > highest.value else highest,
            )
    return found


def gaps(minutes: Sequence[Minute], begin: int, end: int, cadence_s: float) -> list[Span]:
    """Returns the times from `begin` to `end` without a trusted value of any sign, to the minute."""
    longest = max(GAP_MS, round(INTERVALS * cadence_s * 1000))
    found, reached = [], begin
    for minute in minutes:
        if minute.values and reached < minute.t + MINUTE_MS and minute.t < end:
            if minute.t - reached >= longest:
                found.append(Span(reached, minute.t))
            reached = minute.t + MINUTE_MS
    return [*found, Span(reached, end)] if end - reached >= longest else found


def stay_begin(versions: Versions, now: Admission) -> int:
    """Returns the begin of the patient's present stay, in whichever bed, UTC epoch ms."""
    begin = now.since
    for _, version in versions:
        begin = now.since if version.discharged is not None else min(begin, version.since)
    return begin


def in_force(versions: Versions, now: Admission, t: int) -> Admission:
    """Returns the version of the admission at a time, the first one before it."""
    past = [version for log_t, version in versions if log_t <= t]
    return past[-1] if past else versions[0][1] if versions else now


def course(
    minutes: Sequence[Minute], versions: Versions, now: Admission, acts: Sequence[Action], times: Sequence[int]
) -> list[ScorePoint]:
    """Returns NEWS2 at each of some ascending times, UTC epoch ms, of the inputs that were fresh then.

    Each input is the mean of its newest minute, and counts for as long as in `vitals.engine.rules.news2_condition`.
    A time at which the patient's profile was not scored is left out.
    """
    found, place = [], 0
    newest: dict[str, tuple[int, float]] = {}
    for t in times:
        while place < len(minutes) and minutes[place].t < t:
            newest |= {name: (minutes[place].t, mean) for name, (mean, _, _) in minutes[place].values.items()}
            place += 1
        admission = in_force(versions, now, t)
        if admission.profile in NEWS2_PROFILES:
            found.append(_score(newest, admission, versions, acts, t))
    return found


def _score(
    newest: Mapping[str, tuple[int, float]], admission: Admission, versions: Versions, acts: Sequence[Action], t: int
) -> ScorePoint:
    interval = round(2000 * admission.cadence_s)
    ages = {"temp": FRESH_SPOT_MS, "sbp": max(FRESH_MS, interval, round(2000 * admission.cuff_s))}

    def fresh(name: str) -> float | None:
        at, value = newest.get(name, (0, 0.0))
        return value if t - at <= ages.get(name, max(FRESH_MS, interval)) else None

    pulse = fresh("pr")
    if pulse is None or newest.get("hr", (0, 0.0))[0] > newest["pr"][0]:
        heart = fresh("hr")
        pulse = pulse if heart is None else heart
    score = news2.score(
        rr=fresh("rr"),
        spo2=fresh("spo2"),
        sbp=fresh("sbp"),
        temp=fresh("temp"),
        pulse=pulse,
        scale2=admission.scale2,
        oxygen=oxygen_at(versions, admission, acts, t),
        consciousness=consciousness_at(acts, t)[0],
    )
    return ScorePoint(t, score.total, score.risk, score.missing)


def consciousness_at(acts: Sequence[Action], t: int) -> tuple[str | None, int]:
    """Returns the consciousness that counts at a time, and the time of the last charting; (None, 0) without one."""
    charted = [(a.t, a.consciousness) for a in acts if a.act is Act.CHART and a.consciousness and a.t <= t]
    at, level = max(charted, default=(0, None))
    return (level if t - at <= FRESH_SPOT_MS else None), at


def oxygen_at(versions: Versions, now: Admission, acts: Sequence[Action], t: int) -> bool:
    """Returns whether the patient breathes oxygen at a time: as charted, until the admission's own entry changes."""
    told = [(a.t, a.oxygen) for a in acts if a.act is Act.CHART and a.oxygen is not None]
    before: bool | None = None
    for log_t, version in versions:
        if version.oxygen != before:
            told.append((log_t, version.oxygen))
        before = version.oxygen
    past = [(at, oxygen) for at, oxygen in told if at <= t]
    return max(past)[1] if past else now.oxygen
