"""Advice on one patient's limits: the calls that another limit would have spared in a day, and the alarms it hides.

Source: Q9. It is advice, and a person decides: nothing is changed here. The patient's own readings run through the
engine once under the limits in force and under each limit to try, so that incidents and delays count as they would.
No limit beyond a floor is tried, and one that hides an alarm of high priority is not advised.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec
import numpy as np

from cloud.lake import open_lake
from cloud.lake.schema import ACTIONS, PATIENTS
from cloud.replay.compare import Alarm, alarms, difference
from cloud.replay.lake_source import ReadingBlock, partitions, pieces, told
from cloud.replay.simulate import Control, simulate
from cloud.replay.trial_limits import Trial, TrialError
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Phase, Priority, pages
from vitals.limits import PROFILES, LimitSet
from vitals.readings import Readings
from vitals.signs import INDEX

DAY_MS: Final = 86_400_000
WARM_UP_MS: Final = 3_600_000
LEAST_ALARMS: Final = 3
"""A sign with fewer alarms in a day is no burden."""
MOST_TRIED: Final = 4
STEPS: Final[Mapping[str, float]] = {"hr": 5, "pr": 5, "rr": 2, "spo2": 1, "temp": 0.3, "sbp": 5, "map": 5}
"""Distance between two limits to try, in the sign's unit."""
FLOORS: Final[Mapping[str, tuple[float, float]]] = {
    "hr": (40, 140),
    "pr": (40, 140),
    "rr": (6, 38),
    "spo2": (86, 100),
    "temp": (34.5, 39.5),
    "sbp": (80, 180),
    "map": (55, 120),
}
"""Lowest low limit and highest high limit that are tried, by sign: a hospital's policy may set narrower ones."""


Change = Callable[[LimitSet], LimitSet]
"""Returns the limits to try for limits in force."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One limit to try, on one patient's last day.

    Attributes:
        sign: The sign.
        bound: "low" or "high".
        present: The limit in force.
        tried: The limit to try.
        alarms: Alarms of this side of the sign under the limit in force.
        spared: Calls of the patient that the tried limit spares.
        hidden: Alarms that it hides, the most urgent first.
        later_s: Longest time by which an alarm that remains starts later, s.
        advised: Whether it spares calls and hides no alarm of high priority.
    """

    sign: str
    bound: str
    present: float
    tried: float
    alarms: int
    spared: int
    hidden: tuple[Alarm, ...]
    later_s: float
    advised: bool


class NoReadingsError(ValueError):
    """The lake has no readings of the patient in that day."""


def advise(
    lake: str, patient: str, until: int, floors: Mapping[str, tuple[float, float]] = FLOORS
) -> tuple[Advice, ...]:
    """Returns every limit tried for the signs that called, by sign and distance from the limit in force.

    Args:
        lake: URL of the lake.
        patient: Patient id.
        until: End of the day that counts, in log time, UTC epoch ms.
        floors: Lowest low and highest high limit by sign; a sign without an entry is not tried.

    Raises:
        NoReadingsError: There are no readings of the patient in that day.
        LakeError: The lake cannot be read.
    """
    since = until - DAY_MS
    blocks, controls = _of_patient(lake, patient, since - WARM_UP_MS, until)
    force = _events(blocks, controls, [lambda limits: limits], until)[0]
    newest = _newest_limits(blocks)
    trials = [
        (sign, bound, present, tried, count)
        for (sign, bound), count in _burden(force, since).items()
        if count >= LEAST_ALARMS and sign in floors
        for present, tried in _candidates(newest, sign, bound, floors[sign])
    ]
    if not trials:
        return ()
    changes = [_change(patient, sign, bound, tried) for sign, bound, _, tried, _ in trials]
    events = _events(blocks, controls, changes, until)
    before, called = alarms(force, since, until), sum(pages(e) and e.log_t >= since for e in force)
    found = []
    for (sign, bound, present, tried, count), under in zip(trials, events, strict=True):
        after = alarms(under, since, until)
        changed = difference(before, after, until)
        spared = called - sum(pages(e) and e.log_t >= since for e in under)
        found.append(
            Advice(
                sign=sign,
                bound=bound,
                present=present,
                tried=tried,
                alarms=count,
                spared=spared,
                hidden=tuple(sorted(changed.vanish, key=lambda a: -a.priority)),
                later_s=_later_s(before, after),
                advised=spared > 0 and all(a.priority < Priority.HIGH for a in changed.vanish),
            )
        )
    return tuple(found)


def _of_patient(lake: str, patient: str, since: int, until: int) -> tuple[list[ReadingBlock], list[Control]]:
    """Returns the patient's readings, and the patient's admissions and actions, which act at the begin if earlier."""
    store = open_lake(lake)
    admissions = [(p, t, a) for p, t, a in told(store, PATIENTS, Admission, 0, until) if a.patient == patient]
    controls: list[Control] = [(max(t, since - 1), admission) for _, t, admission in admissions]
    acted = ((t, action) for _, t, action in told(store, ACTIONS, Action, since, until) if action.patient == patient)
    controls += acted
    found = []
    for partition, held in partitions(store, since, until).items():
        if partition in {p for p, _, _ in admissions}:
            found += [_only(piece, patient) for piece in pieces(store, held, since, until, None)]
    blocks = [block for block in found if len(block.log_t)]
    if not blocks:
        raise NoReadingsError(f"the lake has no readings of patient {patient} in that day")
    return blocks, controls


def _only(piece: ReadingBlock, patient: str) -> ReadingBlock:
    index = np.flatnonzero(piece.readings[0].patient == patient)
    readings = tuple(readings.take(index) for readings in piece.readings)
    return ReadingBlock(readings, piece.log_t[index], piece.pair[index], piece.pairs)


def _events(
    blocks: Iterable[ReadingBlock], controls: Iterable[Control], changes: Sequence[Change], until: int
) -> list[list[AlarmEvent]]:
    """Returns the alarm events under each change of the limits."""
    judging = simulate(controls, len(changes))
    newest = 0
    for block in blocks:
        readings = tuple(_under(block.readings[0], change) for change in changes)
        judging.take(replace(block, readings=readings))
        newest = int(block.log_t[-1])
    judging.finish(min(until, newest))
    return judging.events


def _under(readings: Readings, change: Change) -> Readings:
    """Returns the readings under changed limits."""
    kinds, place = np.unique(readings.limits, return_inverse=True)
    force = [PROFILES[k] if k >= 0 else readings.limit_sets[-1 - k] for k in kinds.tolist()]
    return replace(readings, limits=-1 - place.astype(np.int64), limit_sets=tuple(map(change, force)))


def _newest_limits(blocks: Sequence[ReadingBlock]) -> LimitSet:
    readings = blocks[-1].readings[0]
    k = int(readings.limits[-1])
    return PROFILES[k] if k >= 0 else readings.limit_sets[-1 - k]


def _burden(events: Iterable[AlarmEvent], since: int) -> dict[tuple[str, str], int]:
    """Returns the number of alarms by sign and bound, the most frequent first."""
    counts = Counter(
        (event.condition, "low" if event.side < 0 else "high")
        for event in events
        if event.condition in INDEX and event.log_t >= since and event.phase is Phase.START
    )
    return dict(counts.most_common())


def _candidates(limits: LimitSet, sign: str, bound: str, floor: tuple[float, float]) -> Iterable[tuple[float, float]]:
    """Yields the limit in force with each limit to try: up to the floor, and never beyond the extreme limit."""
    limit = limits.limits[INDEX[sign]]
    present = limit.low if bound == "low" else limit.high
    extreme = limit.extreme_low if bound == "low" else limit.extreme_high
    if present is None:
        return
    for k in range(1, MOST_TRIED + 1):
        tried = round(present + (-k if bound == "low" else k) * STEPS[sign], 1)
        most = (floor[0], extreme) if bound == "low" else (floor[1], extreme)
        beyond = [tried < m if bound == "low" else tried > m for m in most if m is not None]
        if any(beyond):
            return
        yield present, tried


def _change(patient: str, sign: str, bound: str, tried: float) -> Change:
    trial = Trial(patients={patient: {sign: {bound: tried}}})

    def change(limits: LimitSet) -> LimitSet:
        try:
            return trial.of(limits, patient)
        except TrialError:
            # Earlier that day other limits were in force, which this one contradicts.
            return limits

    return change


def _later_s(before: Sequence[Alarm], after: Sequence[Alarm]) -> float:
    """Returns the longest time by which an alarm that remains was announced later, s."""
    later = [
        max(0, min(o.told for o in met) - alarm.told)
        for alarm in before
        if (met := [o for o in after if o.condition == alarm.condition and o.start <= (alarm.over or o.start)
                    and alarm.start <= (o.over or alarm.start)])
    ]  # fmt: skip
    return max(later, default=0) / 1000
