"""What the state tier knows of every patient at one moment, and the port by which the page asks for it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from cloud.alarm.query.answers import PatientNow
from vitals.alarm_events import AlarmEvent


class StateDownError(RuntimeError):
    """The state tier does not answer; the message says what was asked and what to do."""


class AlarmStateSnapshot(msgspec.Struct, frozen=True):
    """Everything at one moment.

    Attributes:
        patients: By patient id.
        alarms: Last event of every alarm that has not ended, technical ones included.
        clock: Newest log time, UTC epoch ms; 0 before there is one.
    """

    patients: Mapping[str, PatientNow]
    alarms: tuple[AlarmEvent, ...]
    clock: int


NOTHING = AlarmStateSnapshot({}, (), 0)


class StatePort(Protocol):
    """The state tier, as the page sees it."""

    def fetch(self) -> AlarmStateSnapshot:
        """Returns this moment.

        Raises:
            StateDownError: It does not answer in time, wholly or in part.
        """

    def close(self) -> None:
        """Lets go of it."""


class MemoryState:
    """A state tier in memory: for tests, benchmarks and pictures."""

    def __init__(self, sight: AlarmStateSnapshot = NOTHING) -> None:
        self.sight = sight
        self.down: str | None = None

    def fetch(self) -> AlarmStateSnapshot:
        """See `State`."""
        if self.down is not None:
            raise StateDownError(self.down)
        return self.sight

    def close(self) -> None:
        """See `State`."""
