"""State of every patient at one moment, and the port by which the page queries the alarm engine for it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from cloud.alarm.query.answers import PatientNow, StandbyNow
from vitals.alarm_events import AlarmEvent


class StateDownError(RuntimeError):
    """The alarm engine does not answer; the message contains the address and the cause."""


class AlarmStateSnapshot(msgspec.Struct, frozen=True):
    """Everything at one moment.

    Attributes:
        patients: By patient id.
        alarms: Last event of every alarm that has not ended, technical ones included.
        clock: Newest log time, UTC epoch ms; 0 before there is one.
        standbys: By patient id, without those of whom there is none.
    """

    patients: Mapping[str, PatientNow]
    alarms: tuple[AlarmEvent, ...]
    clock: int
    standbys: Mapping[str, StandbyNow] = {}


NOTHING = AlarmStateSnapshot({}, (), 0)


class StatePort(Protocol):
    """The alarm engine, as seen by the page."""

    def fetch(self) -> AlarmStateSnapshot:
        """Returns the present state.

        Raises:
            StateDownError: It does not answer in time, wholly or in part.
        """

    def close(self) -> None:
        """Closes the connection."""


class MemoryState:
    """An alarm engine in memory, for tests, benchmarks and screenshots."""

    def __init__(self, sight: AlarmStateSnapshot = NOTHING) -> None:
        self.sight = sight
        self.down: str | None = None

    def fetch(self) -> AlarmStateSnapshot:
        """See `StatePort`."""
        if self.down is not None:
            raise StateDownError(self.down)
        return self.sight

    def close(self) -> None:
        """See `StatePort`."""
