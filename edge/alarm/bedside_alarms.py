"""The alarm at the bedside: the same engine as the cloud's, on the same readings, with or without an uplink."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.devices.alarm_signal import Signal, signal
from edge.ingest.roster import AssignmentTable
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Inactivation, Phase, Priority
from vitals.engine.constants import UNMONITORED
from vitals.readings import Readings
from vitals.status import Status

log = logging.getLogger(__name__)
KEPT_MS: Final = 900_000
"""A reading that its device kept for longer than this says nothing of how the patient is, and lights nothing."""


def live(readings: Readings) -> NDArray[np.bool_]:
    """Returns (n,) whether each reading says anything of how the patient is."""
    fresh: NDArray[np.bool_] = readings.t_gw - readings.t <= KEPT_MS
    return fresh


@dataclass(slots=True)
class BedsideAlarms:
    """The engine's state, and which lights it has changed since they were last shown."""

    state: engine.State
    _changed: set[str]
    assignments: AssignmentTable
    _shown: dict[str, dict[str, Priority]] = field(default_factory=dict)
    """What each light shows: its alarms, and the priority of each."""
    _around: tuple[bool, frozenset[str]] = False, frozenset()
    passed_over: int = 0
    """What the engine could not apply since the start."""
    dirty: bool = False
    """Whether something happened since the last snapshot that the readings themselves do not tell again."""

    @classmethod
    def begin(cls, book: AssignmentTable, state: engine.State, now: int) -> "BedsideAlarms":
        """Takes up where an engine's state stands; every bed's signal is then to be shown."""
        alarms = cls(state, set(), book)
        alarms.place(book, now)
        alarms._changed = book.lights()
        return alarms

    def place(self, book: AssignmentTable, now: int) -> None:
        """Puts a roster in force: new and changed patients are placed, those no longer on it discharged."""
        gone = self.assignments.patients() - book.patients()
        # A bed that is left goes dark, even when its last alarm was acknowledged by nobody.
        self._changed |= self.assignments.lights() | book.lights()
        self.assignments = book
        self.state, events = engine.place(self.state, book.roster.placements, now, book.roster.gateway)
        self._note(events)
        for patient in sorted(gone):
            self.state, events = engine.discharge(self.state, patient, now)
            self._note(events)
        self._passed_over()
        self.dirty = True

    def advance(self, readings: Readings, now: int) -> None:
        """Applies readings, but not what a device kept for long; none lets time pass."""
        fresh = live(readings)
        readings = readings if fresh.all() else readings.take(fresh)
        self.state, events = engine.advance(self.state, readings, now)
        self._note(events)
        self._passed_over()

    def rebase(self, jump_ms: int) -> None:
        """The gateway's own time was set, by `jump_ms`: nothing begins, ends or waits for it."""
        self.state = engine.rebase(self.state, jump_ms)
        self._changed |= self.assignments.lights()
        self.dirty = True

    def act(self, action: Action, now: int) -> bool:
        """Applies what a person did; returns whether it changed anything here."""
        self.state, events = engine.act(self.state, action, now)
        self._passed_over()
        self.dirty |= bool(events)
        self._note(events)
        return bool(events)

    def report(self, status: Status, now: int) -> None:
        """Applies what the gateway knows of its devices."""
        self.state, events = engine.report(self.state, status, now)
        self._note(events)
        self._passed_over()

    def pass_over(self, device: str, t: int, now: int) -> None:
        """Tells, at the bed, that a reading of a device could not be taken."""
        placement = self.assignments.by_device.get(device)
        if placement is not None:
            self.state, events = engine.pass_over(self.state, placement.patient, placement.ward, t, now)
            self._note(events)

    def _passed_over(self) -> None:
        """Counts what the engine could not apply; it has told of it, and the cloud is sent it all the same."""
        self.passed_over += len(engine.take_passed_over(self.state))

    def pending(self, patients: Iterable[str]) -> bool:
        """Returns whether any of them has a pending or active condition."""
        return any(engine.pending(self.state, patient) for patient in patients)

    def watched(self) -> list[str]:
        """Returns the devices of all patients with a pending or active condition."""
        placements = self.assignments.by_device.items()
        return [device for device, placement in placements if engine.pending(self.state, placement.patient)]

    def active(self) -> tuple[AlarmEvent, ...]:
        """Returns every alarm that has not ended."""
        return engine.active(self.state)

    def pressed(self, bed: str, action_id: str, now: int) -> list[Action]:
        """Acknowledges what the light shows, each alarm by itself; returns what was done.

        What has begun or become more urgent since is not shown yet, and nobody has seen it.
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

    def signals(self, now: int, *, paged: bool, twice: frozenset[str] = frozenset()) -> list[Signal]:
        """Returns the signals that changed since the last call.

        Args:
            now: UTC epoch ms.
            paged: Whether the notifier is heard, so that somebody is paged.
            twice: Names under which two devices speak: whose readings those are nobody knows.
        """
        if (paged, twice) != self._around:
            self._around = paged, twice
            self._changed |= self.assignments.lights()
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
            monitored = light in watched and not any(a.condition in UNMONITORED for a in alarms)
            found.append(signal(light, alarms, now, monitored=monitored, paged=paged))
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
        """Returns the light of an alarm: where its patient lies now, wherever that was when it began."""
        placement = self.assignments.of_patient(event.patient) if event.patient is not None else None
        if placement is None and event.patient is None:
            placement = self.assignments.by_device.get(event.device or event.subject)
        return self.assignments.light(placement) if placement else None
