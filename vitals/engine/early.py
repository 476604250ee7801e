"""NEWS2 as a condition. The rules are told in `vitals.oracle.judge_news2`."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vitals.alarms import Kind, Priority
from vitals.engine.bedside import Bedside
from vitals.engine.rules import CONDITIONS, FRESH_MS, FRESH_SPOT_MS, NEWS2_DELAY_MS, PARTS
from vitals.engine.scribe import Scribe
from vitals.engine.signs import finish, held, move
from vitals.engine.state import CHARTED, MIND, NOT_CHARTED, OXYGEN, SCALE2, SCORED, Condition
from vitals.engine.state import PARTS as PART_MARKS
from vitals.news2 import NOT_SCORED, OXYGEN_SCORE, PART_INDEX, spo2_part

SINGLE_THREE, MEDIUM_TOTAL, HIGH_TOTAL = 3, 5, 7
_FIXED: Final = {name: PART_INDEX[name] for name in PARTS if name != "spo2"}
_SPO2: Final = PARTS.index("spo2")
SPO2_CHOICE: Final = np.array(
    [[spo2_part(scale2=bool(scale2), oxygen=bool(oxygen)) for oxygen in (0, 1)] for scale2 in (0, 1)], dtype=np.intp
)
SOURCE: Final = np.array([_FIXED.get(name, 0) for name in PARTS], dtype=np.intp)
MIND_SCORE: Final = 3
SOURCE_COLUMNS: Final = tuple(SOURCE.tolist())
CHOICE: Final = tuple(map(tuple, SPO2_CHOICE.tolist()))
BOUNDS: Final = {Priority.LOW: None, Priority.MEDIUM: float(MEDIUM_TOTAL), Priority.HIGH: float(HIGH_TOTAL)}
RISKS: Final = {Priority.LOW: "low-medium", Priority.MEDIUM: "medium", Priority.HIGH: "high"}


def horizons(pace: NDArray[np.int32]) -> NDArray[np.int64]:
    """Returns (n, 5): how long each input counts, ms, from (n, 2) cadence and cuff interval."""
    wide = pace.astype(np.int64)
    continuous = np.maximum(FRESH_MS, 2 * wide[:, 0])
    pressure = np.maximum(FRESH_MS, 2 * wide.max(axis=1))
    spot = np.full(len(wide), FRESH_SPOT_MS, dtype=np.int64)
    return np.stack([continuous, continuous, pressure, continuous, spot], axis=1)


def totals(
    t: NDArray[np.int64], times: NDArray[np.int64], marks: NDArray[np.int8], pace: NDArray[np.int32]
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Scores patients from the newest inputs.

    Args:
        t: (n,) time, ms.
        times: (n, TIMES) rows of `State.times`, brought up to this reading.
        marks: (n, MARKS) rows of `State.marks`, likewise.
        pace: (n, 2) rows of `State.pace`.

    Returns:
        (n,) level of what is fresh, (n,) level of all that was ever measured.
    """
    parts = marks[:, PART_MARKS][:, SOURCE]
    choice = SPO2_CHOICE[marks[:, SCALE2], marks[:, OXYGEN]]
    parts[:, _SPO2] = np.take_along_axis(marks[:, PART_MARKS], choice[:, None], axis=1)[:, 0]
    parts[parts == NOT_SCORED] = 0
    fresh = t[:, None] - times[:, SCORED] <= horizons(pace)
    mind = np.where(marks[:, MIND] > 0, MIND_SCORE, 0).astype(np.int8)
    mind_fresh = np.where(t - times[:, CHARTED] <= FRESH_SPOT_MS, mind, np.int8(0))
    base = marks[:, OXYGEN] * np.int8(OXYGEN_SCORE)
    now = np.where(fresh, parts, np.int8(0))
    fresh_total = now.sum(axis=1, dtype=np.int16) + base + mind_fresh
    carried = parts.sum(axis=1, dtype=np.int16) + base + mind
    return (
        level(fresh_total, np.maximum(now.max(axis=1), mind_fresh)),
        level(carried, np.maximum(parts.max(axis=1), mind)),
    )


def level(total: NDArray[np.int16], largest: NDArray[np.int8]) -> NDArray[np.int8]:
    """Returns the priority (0 none) of totals whose largest single part is `largest`."""
    levels = (largest >= SINGLE_THREE).astype(np.int8)
    levels[total >= MEDIUM_TOTAL] = Priority.MEDIUM
    levels[total >= HIGH_TOTAL] = Priority.HIGH
    return levels


@dataclass(frozen=True, slots=True)
class Early:
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

    def told(self, level_told: int) -> dict[str, Any]:
        """Returns text, value and limit of an event; what is missing is named, never counted as 0 in silence."""
        note = f", incomplete: without {', '.join(self.missing)}" if self.missing else ""
        bound = BOUNDS[Priority(level_told)]
        text = f"NEWS2 {self.total}, {RISKS[Priority(level_told)]} risk{note}"
        return {"text": text, "value": float(self.total), "limit": bound}


def total(t: int, times: list[int], marks: list[int], cadence: int, cuff: int) -> Early:
    """Scores one patient from the newest inputs, as `totals` does many.

    Args:
        t: Time, ms.
        times: The patient's row of `State.times`.
        marks: The patient's row of `State.marks`.
        cadence: Time between two readings, ms.
        cuff: Time between two cuff pressures, ms; 0 when continuous.
    """
    continuous, pressure = max(FRESH_MS, 2 * cadence), max(FRESH_MS, 2 * cadence, 2 * cuff)
    horizon = (continuous, continuous, pressure, continuous, FRESH_SPOT_MS)
    columns = (*SOURCE_COLUMNS[:_SPO2], CHOICE[marks[SCALE2]][marks[OXYGEN]], *SOURCE_COLUMNS[_SPO2 + 1 :])
    parts = [0 if marks[column] == NOT_SCORED else marks[column] for column in columns]
    counted = [t - times[SCORED.start + k] <= horizon[k] for k in range(len(parts))]
    absent = [name for name, counts in zip(PARTS, counted, strict=True) if not counts]
    mind = MIND_SCORE if marks[MIND] > 0 else 0
    mind_counts = t - times[CHARTED] <= FRESH_SPOT_MS
    if marks[MIND] == NOT_CHARTED or not mind_counts:
        absent.append("consciousness")
    now = [part for part, counts in zip(parts, counted, strict=True) if counts]
    now.append(mind if mind_counts else 0)
    every = [*parts, mind]
    base = OXYGEN_SCORE if marks[OXYGEN] else 0
    return Early(_level(sum(now) + base, now), _level(sum(every) + base, every), sum(now) + base, tuple(absent))


def _level(total_: int, scores: list[int]) -> int:
    if total_ >= MEDIUM_TOTAL:
        return Priority.HIGH if total_ >= HIGH_TOTAL else Priority.MEDIUM
    return Priority.LOW if SINGLE_THREE in scores else 0


def judge(scribe: Scribe, r: Bedside, c: Condition, score: Early, *, charted: bool) -> None:
    """Judges the NEWS2 condition.

    Args:
        scribe: Where events go.
        r: The reading, or the charting.
        c: The condition.
        score: The patient's score.
        charted: Whether a person charted it, so that it needs no delay.
    """
    level_now = c.level if c.on else 0
    wanted = score.fresh if score.fresh > level_now else min(score.carried, level_now)
    if wanted == level_now:
        c.pend = 0
    else:
        if r.blind or not c.pend or (wanted > level_now) != (c.target > level_now):
            c.pend, c.target = r.t, wanted
        c.target = min(c.target, wanted) if wanted > level_now else max(c.target, wanted)
        if charted or r.t - c.pend >= NEWS2_DELAY_MS:
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


def _turn(scribe: Scribe, r: Bedside, c: Condition) -> None:
    began, c.pend = c.pend, 0
    if c.target == 0:
        c.on = False
        finish(scribe, r, c, "NEWS2 is back below its thresholds", None)
        return
    if held(c) and c.target < Priority.HIGH:
        c.target = Priority.HIGH
    if not c.on and c.alarm is None:
        c.since = began
    elif not c.on:
        c.target = Priority.HIGH
    c.on, c.level = True, c.target
