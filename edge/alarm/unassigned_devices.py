"""Alarm engine for unassigned devices: a patient may be on a transport monitor before the admission arrives.

The engine is separate from the patients' engine, so no bed's indicator and no sign's alarm results from it. The status
message reports each unassigned device with a reading beyond limits. The state is lost at a restart.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import numpy as np

from edge.alarm.bedside_alarms import live
from edge.ingest.roster import UNASSIGNED_CADENCE_S, AssignmentTable
from vitals import engine
from vitals import readings as columns
from vitals.alarm_events import AlarmState, Kind, Priority
from vitals.engine.state import HAD
from vitals.limits import ADULT, PROFILE_INDEX
from vitals.readings import Readings, text

GRACE_S: Final = 30.0
"""Delay of the report in the status, after the breach and after a connection: the roster may still arrive."""
SILENT_MS: Final = round(3000 * UNASSIGNED_CADENCE_S)
"""Silence after which an unassigned device counts as switched off."""


class UnassignedDevices:
    """Unassigned devices that send, each under a patient id of its own."""

    def __init__(self) -> None:
        self._state = engine.empty()
        self._names: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._profile = PROFILE_INDEX[ADULT.profile]
        self._linked_s = 0.0

    def place(self, assignments: AssignmentTable, now: int) -> None:
        """Applies a roster: devices on it are assigned from the next reading on.

        The limits of the others are the most frequent profile on the roster, because they have no admission.
        """
        common = Counter(p.profile for p in assignments.roster.placements).most_common(1)
        self._profile = PROFILE_INDEX[common[0][0] if common else ADULT.profile]
        for device in [d for d in self._names if d in assignments.by_device]:
            self._forget(device, now)

    def link(self, clock_s: float) -> None:
        """Records that the uplink was connected."""
        self._linked_s = clock_s

    def take(self, readings: Readings, assignments: AssignmentTable, now: int) -> None:
        """Evaluates the readings of unassigned devices.

        Args:
            readings: New readings, in arrival order.
            assignments: Roster in force.
            now: UTC epoch ms.
        """
        if (readings.roster > 0).all():
            return
        # A reading from before the admission is unassigned, but its device is not.
        mine = np.array([device not in assignments.by_device for device in readings.device.tolist()]) & live(readings)
        if not mine.any():
            return
        found = readings.take(mine)
        devices = found.device.tolist()
        for device in devices:
            self._heard[device] = now
            if device not in self._names:
                # The engine drops readings of a discharged id, so each assignment uses up one.
                self._names[device] = f"{device} {next(self._numbers)}"
        patients = text([self._names[device] for device in devices])
        limits = np.full(len(found), self._profile, dtype=np.int64)
        self._advance(replace(found, patient=patients, limits=limits, limit_sets=()), now)

    def each_second(self, now: int) -> None:
        """Advances the engine without readings and drops silent devices."""
        if not self._names:
            return
        for device in [d for d, at in self._heard.items() if now - at > SILENT_MS]:
            self._forget(device, now)
        self._advance(columns.empty(), now)

    def rebase(self, jump_ms: int) -> None:
        """Shifts all times after the gateway's own time was set."""
        self._state = engine.rebase(self._state, jump_ms)
        self._heard = {device: at + jump_ms for device, at in self._heard.items()}

    def beyond(self) -> dict[str, int]:
        """Returns the start of the earliest breach or signal loss of each device, UTC epoch ms."""
        since: dict[str, int] = {}
        for alarm in engine.active(self._state):
            grave = alarm.kind is Kind.PHYSIOLOGICAL and alarm.priority >= Priority.MEDIUM
            # A device that has sent only zeros is not on a patient.
            measured = self._state.marks[self._state.index[alarm.subject], HAD].any()
            if grave and measured and alarm.state is AlarmState.ACTIVE:
                device = alarm.subject.rpartition(" ")[0]
                since[device] = min(alarm.start, since.get(device, alarm.start))
        return since

    def told(self, beyond: Mapping[str, int], now: int, clock_s: float) -> frozenset[str]:
        """Returns the devices to report in the status.

        Args:
            beyond: Result of `beyond()`.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        if clock_s - self._linked_s < GRACE_S:
            return frozenset()
        return frozenset(device for device, since in beyond.items() if now - since >= 1000 * GRACE_S)

    def _advance(self, readings: Readings, now: int) -> None:
        self._state, _ = engine.advance(self._state, readings, now)
        engine.take_passed_over(self._state)

    def _forget(self, device: str, now: int) -> None:
        self._heard.pop(device, None)
        name = self._names.pop(device, None)
        if name is not None:
            self._state, _ = engine.discharge(self._state, name, now)
