"""A replay's result as one value: what the table, the JSON and the page are made from."""

from collections.abc import Sequence
from typing import Final

import msgspec

from cloud.replay.compare import DAY_MS, Difference, Side, agreement, alarms, delays, difference
from cloud.replay.reference_events import Marked
from cloud.replay.simulate import SLOT_MS
from cloud.replay.trial_limits import Trial
from vitals.alarm_events import AlarmEvent

FORCE, TRIAL = "in force", "trial"
FORMAT: Final = 1


class Agreement(msgspec.Struct, frozen=True):
    """How well the replay under the limits in force gives what was raised, in steps of alarms (id, n, phase).

    Attributes:
        raised: Steps that `cloud watch` told.
        replayed: Steps that the replay tells.
        both: Steps that both tell.
    """

    raised: int
    replayed: int
    both: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a replay.

    Attributes:
        format: Version of this form.
        since: Begin of the readings, UTC epoch ms.
        until: Their end, UTC epoch ms.
        readings: How many there were, those of the warm-up included.
        patients: How many patients they are of.
        patient_days: Time in which those patients had readings, days.
        wards: Wards with alarms.
        changes: What was tried: who, sign, and per key the profile's value and the one to try.
        sides: In force, and the trial if there was one.
        difference: What the trial changes.
        marked: Marked events.
        agreement: Of the replay with what was raised; None: the lake has no alarms of that time.
    """

    format: int = FORMAT
    since: int
    until: int
    readings: int
    patients: int
    patient_days: float
    wards: tuple[str, ...]
    changes: tuple[tuple[str, str, dict[str, tuple[float | None, float | None]]], ...]
    sides: tuple[Side, ...]
    difference: Difference | None
    marked: tuple[Marked, ...]
    agreement: Agreement | None

    def rate(self, side: Side, priority: int = 0) -> float:
        """Returns alarms per patient-day, of one priority or (0) of all."""
        found = side.count(lambda alarm: priority in {0, int(alarm.priority)})
        return found / self.patient_days if self.patient_days else 0.0


def build(
    told: Sequence[Sequence[AlarmEvent]],
    raised: Sequence[AlarmEvent],
    watched: set[tuple[str, int]],
    trial: Trial | None,
    marked: tuple[Marked, ...],
    *,
    span: tuple[int, int],
    readings: int,
) -> Report:
    """Builds the report.

    Args:
        told: Events under each set of rules: those in force, then the trial.
        raised: Events that were raised at the time.
        watched: Patients and five-minute slots of event time with readings.
        trial: What was tried; None: nothing.
        marked: Marked events.
        span: Begin and end in log time, UTC epoch ms.
        readings: Readings judged.
    """
    since, until = span
    sides = []
    for name, events in zip((FORCE, TRIAL), told, strict=False):
        found = alarms(events, since, until)
        sides.append(Side(name=name, alarms=found, delays=delays(found, marked)))
    inside = {(p, slot) for p, slot in watched if since <= slot * SLOT_MS < until}
    within = [[e for e in events if since <= e.log_t < until] for events in (raised, told[0])]
    return Report(
        since=since,
        until=until,
        readings=readings,
        patients=len({patient for patient, _ in inside}),
        patient_days=len(inside) * SLOT_MS / DAY_MS,
        wards=tuple(sorted({a.ward for side in sides for a in side.alarms if a.ward})),
        changes=tuple(trial.told()) if trial else (),
        sides=tuple(sides),
        difference=difference(sides[0].alarms, sides[1].alarms, until) if trial else None,
        marked=marked,
        agreement=Agreement(*agreement(*within)) if raised else None,
    )
