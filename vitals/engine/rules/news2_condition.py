"""NEWS2 as a condition. The rules are told in `tests.vitals.reference_engine.judge_news2`."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vitals.alarm_events import Kind, Priority
from vitals.engine.constants import CONDITIONS, FRESH_MS, FRESH_SPOT_MS, NEWS2, NEWS2_DELAY_MS, PARTS, SUNK_MS
from vitals.engine.event_writer import EventWriter
from vitals.engine.reading_view import ReadingContext
from vitals.engine.rules.sign_condition import finish, held, move
from vitals.engine.state import (
    CADENCE,
    CALM,
    CHARTED,
    CUFF,
    MIND,
    NOT_CHARTED,
    OXYGEN,
    SCALE2,
    SCORED,
    SCORES,
    SINCE_2020_S,
    Condition,
    seconds,
)
from vitals.news2 import OXYGEN_SCORE, PART_INDEX, spo2_part

SINGLE_THREE, MEDIUM_TOTAL, HIGH_TOTAL = 3, 5, 7
_FIXED: Final = {name: PART_INDEX[name] for name in PARTS if name != "spo2"}
_SPO2, _SBP, _TEMP = PARTS.index("spo2"), PARTS.index("sbp"), PARTS.index("temp")
SPO2_CHOICE: Final = np.array(
    [[spo2_part(scale2=bool(scale2), oxygen=bool(oxygen)) for oxygen in (0, 1)] for scale2 in (0, 1)], dtype=np.intp
)
MIND_SCORE: Final = 3
SOURCE_COLUMNS: Final = tuple(_FIXED.get(name, PART_INDEX["spo2_scale1"]) for name in PARTS)
_COLUMNS: Final = np.array(SOURCE_COLUMNS, dtype=np.intp)
CHOICE: Final = tuple(map(tuple, SPO2_CHOICE.tolist()))
BOUNDS: Final = {Priority.LOW: None, Priority.MEDIUM: float(MEDIUM_TOTAL), Priority.HIGH: float(HIGH_TOTAL)}
CALM_NEWS2: Final = CALM.start + NEWS2
RISKS: Final = {Priority.LOW: "low-medium", Priority.MEDIUM: "medium", Priority.HIGH: "high"}


def at_rest(marks: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Finds the patients whose NEWS2 condition no age and no reading of this moment can change.

    What is fresh never scores more than everything does, so where all inputs, however old, give no level and none
    holds, nothing begins.

    Args:
        marks: (n, MARKS) rows of `State.marks`, brought up to the reading.
    """
    spo2 = marks[:, SOURCE_COLUMNS[_SPO2]]
    scale2, oxygen = marks[:, SCALE2], marks[:, OXYGEN]
    special = np.flatnonzero(scale2 | oxygen)
    if len(special):
        spo2 = spo2.copy()
        spo2[special] = marks[special, SPO2_CHOICE[scale2[special], oxygen[special]]]
    mind = np.where(marks[:, MIND] > 0, np.int8(MIND_SCORE), np.int8(0))
    total_ = oxygen * np.int8(OXYGEN_SCORE) + mind
    largest = mind
    for k, column in enumerate(SOURCE_COLUMNS):
        part = spo2 if k == _SPO2 else marks[:, column]
        total_ += part
        largest = np.maximum(largest, part)
    idle = marks[:, CALM_NEWS2] == 0
    rests: NDArray[np.bool_] = (marks[:, SCORES] == 0) | (idle & (total_ < MEDIUM_TOTAL) & (largest < SINGLE_THREE))
    return rests


@dataclass(frozen=True, slots=True)
class News2Levels:
    """NEWS2 of one patient at one time.

    Attributes:
        fresh: Level (0 none) of what is fresh: it alone can raise.
        carried: Level of everything, however old: it alone can lower, so that age never ends a condition.
        total: Total of what is fresh.
        missing: Inputs that are absent or too old.
    """

    fresh: int
    carried: int
    total: int
    missing: tuple[str, ...]

    @property
    def risk(self) -> str:
        """The chart's risk of this total, which the alarm's level follows a minute later."""
        return RISKS[Priority(self.fresh)] if self.fresh else "low"

    def told(self, level_told: int) -> dict[str, Any]:
        """Returns text, value and limit of an event; what is missing is named, never counted as 0 in silence."""
        note = f", incomplete: without {', '.join(self.missing)}" if self.missing else ""
        bound = BOUNDS[Priority(level_told)]
        text = f"NEWS2 {self.total}, {self.risk} risk{note}"
        return {"text": text, "value": float(self.total), "limit": bound}


def calm(marks: list[int]) -> bool:
    """Whether all inputs, however old, give no level, so that what is fresh gives none either."""
    spo2 = CHOICE[marks[SCALE2]][marks[OXYGEN]]
    parts = [marks[spo2 if k == _SPO2 else column] for k, column in enumerate(SOURCE_COLUMNS)]
    if marks[OXYGEN] or marks[MIND] > 0 or SINGLE_THREE in parts:
        return False
    return sum(parts) < MEDIUM_TOTAL


def total(t: int, marks: list[int], pace: list[int]) -> News2Levels:
    """Scores one patient from the newest inputs.

    Args:
        t: Time, ms.
        marks: The patient's row of `State.marks`.
        pace: The patient's row of `State.pace`.
    """
    now = seconds(t)
    continuous = max(FRESH_MS, 2 * pace[CADENCE])
    horizon = (continuous, continuous, max(continuous, 2 * pace[CUFF]), continuous, FRESH_SPOT_MS)
    columns = (*SOURCE_COLUMNS[:_SPO2], CHOICE[marks[SCALE2]][marks[OXYGEN]], *SOURCE_COLUMNS[_SPO2 + 1 :])
    parts = [marks[column] for column in columns]
    counted = [(now - at) * 1000 <= limit for at, limit in zip(pace[SCORED], horizon, strict=True)]
    absent = [name for name, counts in zip(PARTS, counted, strict=True) if not counts]
    mind = MIND_SCORE if marks[MIND] > 0 else 0
    mind_counts = (now - pace[CHARTED]) * 1000 <= FRESH_SPOT_MS
    if marks[MIND] == NOT_CHARTED or not mind_counts:
        absent.append("consciousness")
    fresh = [part for part, counts in zip(parts, counted, strict=True) if counts]
    fresh.append(mind if mind_counts else 0)
    every = [*parts, mind]
    base = OXYGEN_SCORE if marks[OXYGEN] else 0
    return News2Levels(
        _level(sum(fresh) + base, fresh), _level(sum(every) + base, every), sum(fresh) + base, tuple(absent)
    )


@dataclass(frozen=True, slots=True)
class News2Status:
    """A patient's NEWS2 as a page shows it.

    Attributes:
        total: Total of the inputs that are fresh; with `missing` ones it may be falsely low.
        risk: "low", "low-medium", "medium" or "high", of that total.
        ages_s: Age of each input, s; None when it was never there.
        missing: Inputs that are absent or too old to count; empty when the total is complete.
        parts: Score of each input that counts, oxygen among them.
    """

    total: int
    risk: str
    ages_s: dict[str, int | None]
    missing: tuple[str, ...]
    parts: dict[str, int]


def standing(t: int, marks: list[int], pace: list[int]) -> News2Status:
    """Returns a patient's NEWS2 at a time, with the age of each input.

    Args:
        t: Time, ms.
        marks: The patient's row of `State.marks`.
        pace: The patient's row of `State.pace`.
    """
    score = total(t, marks, pace)
    times = dict(zip((*PARTS, "consciousness"), (*pace[SCORED], pace[CHARTED]), strict=True))
    ages = {name: max(0, seconds(t) - at) if at else None for name, at in times.items()}
    columns = (*SOURCE_COLUMNS[:_SPO2], CHOICE[marks[SCALE2]][marks[OXYGEN]], *SOURCE_COLUMNS[_SPO2 + 1 :])
    scores = dict(zip(PARTS, (marks[column] for column in columns), strict=True))
    scores |= {"consciousness": MIND_SCORE if marks[MIND] > 0 else 0}
    parts = {name: part for name, part in scores.items() if name not in score.missing}
    return News2Status(
        score.total, score.risk, ages, score.missing, parts | {"oxygen": OXYGEN_SCORE if marks[OXYGEN] else 0}
    )


def goes_on(t: NDArray[np.int64], marks: NDArray[np.int8], pace: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Finds the patients whose NEWS2 condition stays at its level with this reading, as `total` and `judge` have it.

    Args:
        t: (n,) time, ms.
        marks: (n, MARKS) rows of `State.marks`, brought up to the reading.
        pace: (n, PACE) rows of `State.pace`, likewise.
    """
    now = t // 1000 - SINCE_2020_S
    continuous = np.maximum(FRESH_MS, 2 * pace[:, CADENCE].astype(np.int64))
    horizon = np.repeat(continuous[:, None], len(PARTS), axis=1)
    horizon[:, _SBP] = np.maximum(continuous, 2 * pace[:, CUFF].astype(np.int64))
    horizon[:, _TEMP] = FRESH_SPOT_MS
    parts = marks[:, _COLUMNS]
    parts[:, _SPO2] = marks[np.arange(len(t)), SPO2_CHOICE[marks[:, SCALE2], marks[:, OXYGEN]]]
    counted = np.where((now[:, None] - pace[:, SCORED]) * 1000 <= horizon, parts, np.int8(0))
    mind = np.where(marks[:, MIND] > 0, np.int8(MIND_SCORE), np.int8(0))
    mind_counted = np.where((now - pace[:, CHARTED]) * 1000 <= FRESH_SPOT_MS, mind, np.int8(0))
    base = marks[:, OXYGEN] * np.int8(OXYGEN_SCORE)
    up = _levels(counted.sum(axis=1) + mind_counted + base, np.maximum(counted.max(axis=1), mind_counted))
    down = _levels(parts.sum(axis=1) + mind + base, np.maximum(parts.max(axis=1), mind))
    held_at = marks[:, CALM_NEWS2]
    stays: NDArray[np.bool_] = (marks[:, SCORES] == 0) | (
        (held_at >= 0) & (up <= held_at) & ((held_at == 0) | (down >= held_at))
    )
    return stays


def _levels(total_: NDArray[np.int64], largest: NDArray[np.int8]) -> NDArray[np.int8]:
    levels = (largest >= SINGLE_THREE).astype(np.int8)
    levels[total_ >= MEDIUM_TOTAL] = Priority.MEDIUM
    levels[total_ >= HIGH_TOTAL] = Priority.HIGH
    return levels


def _level(total_: int, scores: list[int]) -> int:
    if total_ >= MEDIUM_TOTAL:
        return Priority.HIGH if total_ >= HIGH_TOTAL else Priority.MEDIUM
    return Priority.LOW if SINGLE_THREE in scores else 0


def evaluate(scribe: EventWriter, r: ReadingContext, c: Condition, score: News2Levels, *, charted: bool) -> None:
    """Judges the NEWS2 condition.

    Args:
        scribe: Where events go.
        r: The reading, or the charting.
        c: The condition.
        score: The patient's score.
        charted: Whether a person charted it, so that it needs no delay.
    """
    if r.live and c.on:
        _forget_history(c, score)
    level_now = c.level if c.on else 0
    wanted = score.fresh if score.fresh > level_now else min(score.carried, level_now)
    if wanted == level_now:
        c.pend = 0
    else:
        if r.blind or not c.pend or (wanted > level_now) != (c.target > level_now):
            c.pend, c.target = r.t, wanted
        c.target = min(c.target, wanted) if wanted > level_now else max(c.target, wanted)
        # Acknowledged and a little better is no news to anybody, and neither is as bad as before.
        sinks = 0 < c.target < level_now
        if charted or r.t - c.pend >= (SUNK_MS if sinks else NEWS2_DELAY_MS):
            _turn(scribe, r, c)
    if not c.on or not r.live:
        return
    told = score.told(c.level)
    if c.alarm is not None:
        move(scribe, r, c, told)
        return
    about = r.about
    patient, condition = str(about["patient"]), CONDITIONS[c.index]
    scribe.start(c, subject=patient, condition=condition, kind=Kind.PHYSIOLOGICAL, t=r.t, **told, **about)


def _forget_history(c: Condition, score: News2Levels) -> None:
    """Lowers a level that only history has raised and no event has reported, to the level of the fresh inputs."""
    told = c.alarm.priority if c.alarm is not None else 0
    if c.level > told and score.fresh < c.level:
        c.level, c.pend = max(told, score.fresh), 0
        c.on = c.level > 0


def _turn(scribe: EventWriter, r: ReadingContext, c: Condition) -> None:
    began, c.pend = c.pend, 0
    if c.target == 0:
        finish(scribe, r, c, "NEWS2 is back below its thresholds", None)
        return
    if c.on and held(c):
        c.target = Priority.HIGH
    if c.on:
        c.level = c.target
        return
    scribe.set_aside(c)
    c.pend = began
    c.begin(c.target)
