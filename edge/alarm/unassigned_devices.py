"""Monitors on nobody: a patient on the way, whose admission has not come. They are judged by the device's name.

An engine of their own judges them, so that nothing of it is a patient's: no bed's light, no page, no record above but
the gateway's word that such a monitor reads beyond limits. It begins anew with the gateway and with each admission.
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
"""People elsewhere are told after this time: while a patient moves, or the uplink is new, the roster is on its way."""
SILENT_MS: Final = round(3000 * UNASSIGNED_CADENCE_S)
"""Whoever has sent nothing for so long has been switched off."""


class UnassignedDevices:
    """The monitors on nobody that send, and which of them read beyond limits."""

    def __init__(self) -> None:
        self._state = engine.empty()
        self._names: dict[str, str] = {}
        self._heard: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._profile = PROFILE_INDEX[ADULT.profile]
        self._linked_s = 0.0

    def place(self, book: AssignmentTable, now: int) -> None:
        """Takes in a roster: whoever is on it is somebody's, and judged as theirs from the next reading on.

        The limits are those of most patients on it, as nobody has said whose the others are.
        """
        common = Counter(p.profile for p in book.roster.placements).most_common(1)
        self._profile = PROFILE_INDEX[common[0][0] if common else ADULT.profile]
        for device in [d for d in self._names if d in book.by_device]:
            self._forget(device, now)

    def link(self, clock_s: float) -> None:
        """The uplink was connected."""
        self._linked_s = clock_s

    def take(self, readings: Readings, book: AssignmentTable, now: int) -> None:
        """Judges those among new readings that are of a device on nobody.

        Args:
            readings: New readings, in arrival order.
            book: The roster in force.
            now: UTC epoch ms.
        """
        if (readings.roster > 0).all():
            return
        # A reading of before the bed became its patient's is nobody's either, but its device is on somebody.
        mine = np.array([device not in book.by_device for device in readings.device.tolist()]) & live(readings)
        if not mine.any():
            return
        found = readings.take(mine)
        devices = found.device.tolist()
        for device in devices:
            self._heard[device] = now
            if device not in self._names:
                # Once on somebody, a name is not judged again by the engine: stray readings would be their ghost's.
                self._names[device] = f"{device} {next(self._numbers)}"
        patients = text([self._names[device] for device in devices])
        limits = np.full(len(found), self._profile, dtype=np.int64)
        self._advance(replace(found, patient=patients, limits=limits, limit_sets=()), now)

    def each_second(self, now: int) -> None:
        """Lets time pass."""
        if not self._names:
            return
        for device in [d for d, at in self._heard.items() if now - at > SILENT_MS]:
            self._forget(device, now)
        self._advance(columns.empty(), now)

    def rebase(self, jump_ms: int) -> None:
        """The gateway's own time was set."""
        self._state = engine.rebase(self._state, jump_ms)
        self._heard = {device: at + jump_ms for device, at in self._heard.items()}

    def beyond(self) -> dict[str, int]:
        """Returns the devices that read beyond limits, or have lost the pulse, with when that began, UTC epoch ms."""
        since: dict[str, int] = {}
        for alarm in engine.active(self._state):
            grave = alarm.kind is Kind.PHYSIOLOGICAL and alarm.priority >= Priority.MEDIUM
            # One that shows zeros and has never shown anything lies in a cupboard.
            measured = self._state.marks[self._state.index[alarm.subject], HAD].any()
            if grave and measured and alarm.state is AlarmState.ACTIVE:
                device = alarm.subject.rpartition(" ")[0]
                since[device] = min(alarm.start, since.get(device, alarm.start))
        return since

    def told(self, beyond: Mapping[str, int], now: int, clock_s: float) -> frozenset[str]:
        """Returns those of whom people elsewhere are to be told.

        Args:
            beyond: What `beyond()` has returned.
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
