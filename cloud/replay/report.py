"""A replay's result as one value, from which the table, the JSON and the page are rendered."""

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
    """Agreement of the replay under the limits in force with the alarms of the time, in steps (id, n, phase).

    Attributes:
        raised: Steps emitted by `cloud watch`.
        replayed: Steps emitted by the replay.
        both: Steps emitted by both.
    """

    raised: int
    replayed: int
    both: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Result of a replay.

    Attributes:
        format: Version of this format.
        since: Begin of the readings, UTC epoch ms.
        until: Their end, UTC epoch ms.
        readings: Number of readings, those of the warm-up included.
        patients: Number of patients.
        patient_days: Time in which those patients had readings, days.
        wards: Wards with alarms.
        changes: Changed limits: profile or patient, sign, and per key the profile's value and the one to try.
        sides: In force, and the trial if there was one.
        difference: Changes by the trial.
        marked: Marked events.
        agreement: Of the replay with the alarms of the time; None: the lake has no alarms of that time.
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
        trial: Limits to try; None: only those in force.
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
