"""NEWS2 risk: one alarm whose priority follows the score. Source: Royal College of Physicians, 2017; R1.

A ward without NEWS2, such as intensive care, admits with `news2` false: the score is shown and starts no alarm.

**Condition and priority.** High from a total of `HIGH_TOTAL`, medium from `MEDIUM_TOTAL`, low if a single input scores
`SINGLE_THREE`. Only the profiles in `NEWS2_PROFILES` are scored. Supplemental oxygen is from the admission or charted,
and consciousness is charted (`vitals.engine.commands`).

**Inputs.** The newest trusted value of each input. Only fresh inputs raise the priority. An input is fresh for
`FRESH_MS` or two intervals of its sign, whichever is longer; temperature and consciousness for `FRESH_SPOT_MS`. Ages
are in whole seconds. All inputs, however old, must agree before the priority falls, so that age lowers nothing. The
text names inputs that are missing or too old.

**Delay.** A new priority must last for `NEWS2_DELAY_MS` of readings; the smallest change in that time counts. A lower
priority that does not end the condition must last for `SUNK_MS`. Charting acts without delay. After a blind period
(`BLIND_MS`) the delay starts again.

**Start, change, end.** The alarm starts, escalates and de-escalates with a live reading or a charting. A high alarm
that was not acknowledged does not fall; it latches when its condition ends. A priority that only history has raised is
reported only as far as the fresh inputs of the first live reading support it.
"""

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
    ALARMS,
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
    """Returns (n,) whether neither this reading nor the age of inputs can change a patient's NEWS2 condition.

    Fresh inputs never score more than all inputs do. So if no condition is active and all inputs, however old, score
    below every threshold, none starts.

    Args:
        marks: (n, MARKS) rows of `State.marks`, updated by the reading.
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
    rests: NDArray[np.bool_] = (marks[:, SCORES] != ALARMS) | (
        idle & (total_ < MEDIUM_TOTAL) & (largest < SINGLE_THREE)
    )
    return rests


@dataclass(frozen=True, slots=True)
class News2Levels:
    """NEWS2 of one patient at one time.

    Attributes:
        fresh: Priority (0 none) of the fresh inputs; only it raises.
        carried: Priority of all inputs, however old; only it lowers, so that age never ends a condition.
        total: Total of the fresh inputs.
        missing: Inputs that are absent or too old.
    """

    fresh: int
    carried: int
    total: int
    missing: tuple[str, ...]

    @property
    def risk(self) -> str:
        """The chart's risk of this total; the alarm's priority follows after the delay."""
        return RISKS[Priority(self.fresh)] if self.fresh else "low"

    def told(self, level_told: int) -> dict[str, Any]:
        """Returns text, value and limit of an event; the text names missing inputs, which score 0."""
        note = f", incomplete: without {', '.join(self.missing)}" if self.missing else ""
        bound = BOUNDS[Priority(level_told)]
        text = f"NEWS2 {self.total}, {self.risk} risk{note}"
        return {"text": text, "value": float(self.total), "limit": bound}


def calm(marks: list[int]) -> bool:
    """Returns whether all inputs, however old, score below every threshold, and with them the fresh ones."""
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
        total: Total of the fresh inputs; with `missing` ones it may be falsely low.
        risk: "low", "low-medium", "medium" or "high", of that total.
        ages_s: Age of each input, s; None for an input without a value.
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
    """Returns (n,) whether `total` and `evaluate` would leave a patient's NEWS2 priority as it is with this reading.

    Args:
        t: (n,) time, ms.
        marks: (n, MARKS) rows of `State.marks`, updated by the reading.
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
    stays: NDArray[np.bool_] = (marks[:, SCORES] != ALARMS) | (
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


def evaluate(writer: EventWriter, r: ReadingContext, c: Condition, score: News2Levels, *, charted: bool) -> None:
    """Evaluates the NEWS2 condition.

    Args:
        writer: Collects the events.
        r: The reading, or the charting.
        c: The condition.
        score: The patient's score.
        charted: Whether a person charted an input, which acts without delay.
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
        # A small improvement of an acknowledged alarm, and the return from it, are not worth an event.
        sinks = 0 < c.target < level_now
        if charted or r.t - c.pend >= (SUNK_MS if sinks else NEWS2_DELAY_MS):
            _turn(writer, r, c)
    if not c.on or not r.live:
        return
    told = score.told(c.level)
    if c.alarm is not None:
        move(writer, r, c, told)
        return
    about = r.about
    patient, condition = str(about["patient"]), CONDITIONS[c.index]
    writer.start(c, subject=patient, condition=condition, kind=Kind.PHYSIOLOGICAL, t=r.t, **told, **about)


def _forget_history(c: Condition, score: News2Levels) -> None:
    """Lowers a priority that only history has raised, and no event has reported, to that of the fresh inputs."""
    told = c.alarm.priority if c.alarm is not None else 0
    if c.level > told and score.fresh < c.level:
        c.level, c.pend = max(told, score.fresh), 0
        c.on = c.level > 0


def _turn(writer: EventWriter, r: ReadingContext, c: Condition) -> None:
    began, c.pend = c.pend, 0
    if c.target == 0:
        finish(writer, r, c, "NEWS2 is back below its thresholds", None)
        return
    if c.on and held(c):
        c.target = Priority.HIGH
    if c.on:
        c.level = c.target
        return
    writer.set_aside(c)
    c.pend = began
    c.begin(c.target)
