"""What two sets of rules made of the same readings: alarms, those that appear, those that vanish, detection delays."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from cloud.replay.reference_events import Marked
from vitals.alarm_events import AlarmEvent, AlarmState, Phase, Priority

CANARY: Final = "canary-"
"""How a marked test patient's id begins; no ward chooses its limits by them."""
DAY_MS: Final = 86_400_000


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm from its start to its end.

    Attributes:
        id: Its id.
        patient: Patient id.
        ward: Ward, when known.
        bed: Bed, when known.
        condition: Sign or condition.
        priority: Highest priority that it had.
        start: Event time at which the condition began, UTC epoch ms.
        told: Log time of the first word of it, UTC epoch ms.
        over: Event time at which the condition was over, UTC epoch ms; None: it went on.
        value: The value told that was farthest from its limit.
        limit: The limit that it crossed then.
        text: What was told first.
    """

    id: str
    patient: str
    ward: str | None
    bed: str | None
    condition: str
    priority: Priority
    start: int
    told: int
    over: int | None
    value: float | None
    limit: float | None
    text: str


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What one set of rules made of the readings.

    Attributes:
        name: "in force" or "trial".
        alarms: The alarms.
        delays: For each marked event the seconds until the first alarm; None: there was none.
    """

    name: str
    alarms: tuple[Alarm, ...]
    delays: tuple[float | None, ...] = ()

    def count(self, chosen: Callable[[Alarm], bool] = lambda _: True) -> int:
        """Returns how many alarms are chosen."""
        return sum(map(chosen, self.alarms))


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What the trial changes, alarm by alarm.

    Attributes:
        appear: Alarms of the trial while in force none of the same patient and condition went on.
        vanish: The other way round.
        kept: Alarms in force that have a counterpart.
        raised: Of them, how many have a higher priority in the trial.
        lowered: Of them, how many have a lower one.
    """

    appear: tuple[Alarm, ...]
    vanish: tuple[Alarm, ...]
    kept: int
    raised: int
    lowered: int


def alarms(events: Iterable[AlarmEvent], since: int, until: int) -> tuple[Alarm, ...]:
    """Returns the alarms that were first told in a range of log time, in that order.

    Args:
        events: Events, each alarm's in order of `n`.
        since: UTC epoch ms, included.
        until: UTC epoch ms, excluded.
    """
    by_id: dict[str, list[AlarmEvent]] = defaultdict(list)
    for event in events:
        if event.patient and not event.patient.startswith(CANARY):
            by_id[event.id].append(event)
    found = [_alarm(steps) for steps in by_id.values() if steps[0].phase is Phase.START]
    return tuple(sorted((a for a in found if since <= a.told < until), key=lambda a: (a.told, a.id)))


def _alarm(steps: Sequence[AlarmEvent]) -> Alarm:
    first, last = steps[0], steps[-1]
    over = last.t if last.phase is Phase.END or last.state is AlarmState.LATCHED else None
    worst = max(
        (s for s in steps if s.value is not None and s.limit is not None and s.phase is not Phase.END),
        key=lambda s: abs((s.value or 0) - (s.limit or 0)),
        default=first,
    )
    return Alarm(
        id=first.id,
        patient=first.patient or first.subject,
        ward=first.ward,
        bed=first.bed,
        condition=first.condition,
        priority=max(s.priority for s in steps),
        start=first.start,
        told=first.log_t,
        over=over,
        value=worst.value,
        limit=worst.limit,
        text=first.text,
    )


def difference(force: Sequence[Alarm], trial: Sequence[Alarm], until: int) -> Difference:
    """Compares alarms; two are counterparts when patient and condition are the same and their times overlap."""
    vanish, kept, raised, lowered = [], 0, 0, 0
    others = _by_subject(trial)
    for alarm in force:
        met = [o for o in others.get((alarm.patient, alarm.condition), ()) if _overlap(alarm, o, until)]
        if not met:
            vanish.append(alarm)
            continue
        kept += 1
        highest = max(o.priority for o in met)
        raised += highest > alarm.priority
        lowered += highest < alarm.priority
    there = _by_subject(force)
    appear = [a for a in trial if not any(_overlap(a, o, until) for o in there.get((a.patient, a.condition), ()))]
    return Difference(appear=tuple(appear), vanish=tuple(vanish), kept=kept, raised=raised, lowered=lowered)


def _by_subject(found: Iterable[Alarm]) -> dict[tuple[str, str], list[Alarm]]:
    by: dict[tuple[str, str], list[Alarm]] = defaultdict(list)
    for alarm in found:
        by[alarm.patient, alarm.condition].append(alarm)
    return by


def _overlap(a: Alarm, b: Alarm, until: int) -> bool:
    return a.start <= (b.over or until) and b.start <= (a.over or until)


def per_day(found: Iterable[Alarm], patient_days: float) -> dict[str, dict[str, float]]:
    """Returns alarms per patient-day by condition and priority, the commonest condition first."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for alarm in found:
        counts[alarm.condition][alarm.priority.label] += 1
    ordered = sorted(counts.items(), key=lambda item: -item[1].total())
    return {
        condition: {p.label: count[p.label] / patient_days if patient_days else 0.0 for p in reversed(Priority)}
        for condition, count in ordered
    }


def delays(found: Sequence[Alarm], marked: Sequence[Marked]) -> tuple[float | None, ...]:
    """Returns for each marked event the seconds until the patient's first alarm about it; None: there was none.

    An alarm that is on already when the event begins counts as told at once.
    """
    by: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in found:
        by[alarm.patient].append(alarm)
    return tuple(_delay(by.get(event.patient, ()), event) for event in marked)


def _delay(found: Iterable[Alarm], event: Marked) -> float | None:
    told = [
        max(0, alarm.told - event.begins) / 1000
        for alarm in found
        if (not event.conditions or alarm.condition in event.conditions)
        and alarm.told < event.ends
        and (alarm.over is None or alarm.over >= event.begins)
    ]
    return min(told, default=None)


def agreement(raised: Iterable[AlarmEvent], replayed: Iterable[AlarmEvent]) -> tuple[int, int, int]:
    """Returns how many events were raised, how many the replay under the limits in force gives, and how many both."""
    was, now = (
        {(e.id, e.n, e.phase) for e in found if e.patient and not e.patient.startswith(CANARY)}
        for found in (raised, replayed)
    )
    return len(was), len(now), len(was & now)
