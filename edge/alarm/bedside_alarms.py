"""Alarms at the bed: the same engine as in the cloud, on the same readings, with or without an uplink."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.alarm import bed_standby
from edge.devices.alarm_signal import Signal, signal
from edge.ingest.roster import AssignmentTable
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority
from vitals.engine.constants import UNMONITORED
from vitals.readings import Readings
from vitals.status import Status

log = logging.getLogger(__name__)
COUNT_MS: Final = 10_000
"""Interval at which a light's countdown of a standby is published."""
KEPT_MS: Final = 900_000
"""Age from which a reading that its device stored no longer shows the patient's state, and starts no alarm."""


def live(readings: Readings) -> NDArray[np.bool_]:
    """Returns (n,) whether each reading is recent enough to show the patient's state."""
    fresh: NDArray[np.bool_] = readings.t_gw - readings.t <= KEPT_MS
    return fresh


@dataclass(slots=True)
class BedsideAlarms:
    """State of the alarm engine, and the lights to update because their signal changed."""

    state: engine.State
    _changed: set[str]
    assignments: AssignmentTable
    _shown: dict[str, dict[str, Priority]] = field(default_factory=dict)
    """Alarms that each light shows, with the priority of each."""
    _counted: dict[str, bed_standby.Countdown] = field(default_factory=dict)
    """Standbys that the lights show, and when they were counted down last."""
    _counted_at: int = 0
    _around: tuple[bool, frozenset[str]] = False, frozenset()
    passed_over: int = 0
    """Number of readings and messages that the engine skipped since the start."""
    dirty: bool = False
    """True if the state changed since the last snapshot in a way that a replay of the readings does not repeat."""

    @classmethod
    def begin(cls, book: AssignmentTable, state: engine.State, now: int) -> "BedsideAlarms":
        """Starts from an engine's state; every bed's signal is then due."""
        alarms = cls(state, set(), book)
        alarms.place(book, now)
        alarms._changed = book.lights()
        return alarms

    def place(self, book: AssignmentTable, now: int) -> None:
        """Applies a roster: new and changed patients are admitted, those no longer on it discharged."""
        gone = self.assignments.patients() - book.patients()
        # The light of a left bed goes dark, even if its last alarm was not acknowledged.
        self._changed |= self.assignments.lights() | book.lights()
        self.assignments = book
        self.state, events = engine.place(self.state, book.roster.placements, now, book.roster.gateway)
        self._note(events)
        for patient in sorted(gone):
            self.state, events = engine.discharge(self.state, patient, now)
            self._note(events)
        self._passed_over()
        self.dirty = True

    def advance(self, readings: Readings, now: int) -> bool:
        """Applies readings, except those that a device stored for long; returns whether an alarm began or changed.

        Without readings only time advances.
        """
        fresh = live(readings)
        readings = readings if fresh.all() else readings.take(fresh)
        self.state, events = engine.advance(self.state, readings, now)
        self._note(events)
        self._passed_over()
        return bool(events)

    def rebase(self, jump_ms: int) -> None:
        """Shifts the engine's times after the gateway's own time was set, so that no condition begins or ends."""
        self.state = engine.rebase(self.state, jump_ms)
        self._changed |= self.assignments.lights()
        self.dirty = True

    def act(self, action: Action, now: int) -> bool:
        """Applies a person's action; returns whether it changed an alarm."""
        self.state, events = engine.act(self.state, action, now)
        self._passed_over()
        self.dirty |= bool(events) or action.act in {Act.STANDBY, Act.STANDBY_END}
        self._note(events)
        return bool(events)

    def report(self, status: Status, now: int) -> None:
        """Applies the gateway's status of its devices."""
        self.state, events = engine.report(self.state, status, now)
        self._note(events)
        self._passed_over()

    def pass_over(self, device: str, t: int, now: int) -> None:
        """Marks a device's patient as not judged, because a reading raised an error."""
        placement = self.assignments.by_device.get(device)
        if placement is not None:
            self.state, events = engine.pass_over(self.state, placement.patient, placement.ward, t, now)
            self._note(events)

    def _passed_over(self) -> None:
        """Counts skipped readings and messages; their patients are marked not judged, and the cloud gets the data."""
        self.passed_over += len(engine.take_passed_over(self.state))

    def pending(self, patients: Iterable[str]) -> bool:
        """Returns whether any patient has a pending or active condition."""
        return any(engine.pending(self.state, patient) for patient in patients)

    def awaited(self) -> dict[str, engine.Awaited]:
        """Returns the values that may begin or raise an alarm, by device; only of patients with a condition."""
        placements = self.assignments.by_device
        found = engine.awaited(self.state, (placement.patient for placement in placements.values()))
        return {d: found[placement.patient] for d, placement in placements.items() if placement.patient in found}

    def active(self) -> tuple[AlarmEvent, ...]:
        """Returns every alarm that has not ended."""
        return engine.active(self.state)

    def pressed(self, bed: str, action_id: str, now: int) -> list[Action]:
        """Acknowledges the alarms that the light shows; returns one action for each.

        An alarm that began or became more urgent since the light was updated is not acknowledged: it was not visible.
        """
        done = []
        shown = self._shown.get(bed, {})
        for i, alarm in enumerate(self.active()):
            seen = alarm.id in shown and alarm.priority <= shown[alarm.id] and self._light(alarm) == bed
            if seen and alarm.inactivation is not Inactivation.ACKNOWLEDGED:
                action = Action(
                    id=f"{action_id}.{i}",
                    act=Act.ACKNOWLEDGE,
                    patient=alarm.subject,
                    t=now,
                    by=f"bed {bed}",
                    alarm=alarm.id,
                )
                self.act(action, now)
                done.append(action)
        return done

    def stand_by(self, bed: str, payload: bytes, action_id: str, now: int) -> list[Action]:
        """Applies a press of a bed's standby button; returns its action, or none if it is refused."""
        action = bed_standby.pressed(self.assignments, bed, payload, action_id, now)
        if action is None:
            log.warning("standby is refused: no length, or no patient", extra={"data": {"bed": bed}})
            return []
        before = engine.standby(self.state, action.patient)
        self.act(action, now)
        kept = engine.standby(self.state, action.patient)
        if kept == before or (kept is not None and kept.id != action.id):
            log.warning("standby is refused", extra={"data": {"bed": bed, "act": action.act.value}})
            return []
        return [action]

    def standbys_of_beds(self) -> list[Action]:
        """Returns the actions of standbys that began at a bed and last; for a start, when none is queued."""
        return list(bed_standby.again(self.state, self.assignments))

    def countdowns(self) -> dict[str, bed_standby.Countdown]:
        """Returns the standbys by light, those included that are over without a value of the patient."""
        return bed_standby.countdowns(self.state, self.assignments)

    def _count_down(self, now: int) -> None:
        """Marks the light of each standby that began or ended, and of one that lasts each `COUNT_MS`."""
        counted = self.countdowns()
        if counted != self._counted or (counted and now - self._counted_at >= COUNT_MS):
            self._changed |= counted.keys() | self._counted.keys()
            self._counted, self._counted_at = counted, now

    def signals(self, now: int, *, paged: bool, twice: frozenset[str] = frozenset()) -> list[Signal]:
        """Returns the signals that changed since the last call.

        Args:
            now: UTC epoch ms.
            paged: Whether the notifier's heartbeat arrives, so that contacts are paged.
            twice: Names that two devices share: the patient of such a reading is unknown.
        """
        if (paged, twice) != self._around:
            self._around = paged, twice
            self._changed |= self.assignments.lights()
        self._count_down(now)
        if not self._changed:
            return []
        by_light: dict[str, list[AlarmEvent]] = {light: [] for light in self._changed}
        for alarm in self.active():
            light = self._light(alarm)
            if light in by_light:
                by_light[light].append(alarm)
        self._changed = set()
        watched = self.assignments.watched(twice)
        found = []
        for light, alarms in sorted(by_light.items()):
            until = self._counted[light].until if light in self._counted else 0
            monitored = light in watched and not until and not any(a.condition in UNMONITORED for a in alarms)
            found.append(signal(light, alarms, now, monitored=monitored, paged=paged, standby_until=until))
            self._shown[light] = {a.id: a.priority for a in alarms}
            if not alarms:
                del self._shown[light]
        return found

    def snapshot(self) -> bytes:
        """Returns the engine's state for the outbox."""
        self.dirty = False
        return engine.snapshot(self.state)

    def _note(self, events: tuple[AlarmEvent, ...]) -> None:
        for event in events:
            light = self._light(event)
            if light is not None:
                self._changed.add(light)
            if event.phase in {Phase.START, Phase.ESCALATE, Phase.END}:
                data = {"alarm": event.id, "priority": event.priority.label, "phase": event.phase.value}
                log.info("local alarm", extra={"data": data})

    def _light(self, event: AlarmEvent) -> str | None:
        """Returns the light of an alarm: that of its patient's present bed, which may differ from the first one."""
        placement = self.assignments.of_patient(event.patient) if event.patient is not None else None
        if placement is None and event.patient is None:
            placement = self.assignments.by_device.get(event.device or event.subject)
        return self.assignments.light(placement) if placement else None
