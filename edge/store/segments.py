"""Readings of the next commit in segments, with the acknowledgements due after it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from edge.devices.driver import DeviceMessage, acknowledge
from edge.ingest.device_clock import moved
from edge.store.outbox import Outbox
from edge.store.unconfirmed import UnconfirmedBatches
from vitals import readings as columns
from vitals.readings import Readings

UNKEPT: Final = 1_500
"""Most unacknowledged messages while the card cannot be written: a broker delivers up to 2,000."""


@dataclass(slots=True)
class Segment:
    """Readings of a future row of the journal, and the acknowledgements due after its commit.

    Attributes:
        row: Row of the journal.
        readings: New readings.
        pending_acks: Messages to acknowledge.
        batches: Numbers of the batches of its readings, once they are sealed.
    """

    row: int
    readings: list[Readings] = field(default_factory=list)
    pending_acks: list[DeviceMessage] = field(default_factory=list)
    batches: tuple[int, ...] = ()


class Segments:
    """Segments of the next commit, oldest first; each becomes a row of the journal.

    Args:
        outbox: Outbox.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._segments: list[Segment] = []

    def __bool__(self) -> bool:
        return bool(self._segments)

    @property
    def row(self) -> int:
        """Row of the newest segment; the newest row of the journal if there is none."""
        return self._segments[-1].row if self._segments else self._outbox.row

    @property
    def readings(self) -> int:
        """Number of readings."""
        return sum(len(part) for segment in self._segments for part in segment.readings)

    @property
    def pending_acks(self) -> int:
        """Number of messages to acknowledge."""
        return sum(len(segment.pending_acks) for segment in self._segments)

    def add(self, readings: Readings, owed: Iterable[DeviceMessage]) -> None:
        """Adds readings and their messages to the segment that is not sealed."""
        if not self._segments or self._segments[-1].batches:
            self._segments.append(Segment(self.row + 1))
        self._segments[-1].pending_acks.extend(owed)
        if len(readings):
            self._segments[-1].readings.append(readings)

    def sealed(self, numbers: tuple[int, ...]) -> None:
        """Notes the batches of all segments that had none."""
        for segment in self._segments:
            segment.batches = segment.batches or numbers

    def rebase(self, jump_ms: int) -> None:
        """Shifts the times of all readings."""
        for segment in self._segments:
            segment.readings = [moved(part, jump_ms) for part in segment.readings]

    def write(self) -> None:
        """Appends each segment to the journal, inside a transaction."""
        for segment in self._segments:
            if segment.readings:
                self._outbox.append(segment.row, columns.concat(segment.readings))
            self._outbox.remember([message for message in segment.pending_acks if message.entry])

    def committed(self) -> None:
        """Removes and acknowledges all segments, after their commit."""
        self._outbox.row = self.row
        owed = [delivery for segment in self._segments for delivery in segment.pending_acks]
        self._segments = []
        acknowledge(owed)

    def release(self, unconfirmed: UnconfirmedBatches) -> None:
        """Acknowledges messages that the cloud has confirmed, even without the card: the cloud stores them."""
        while self._segments and (batches := self._segments[0].batches) and not unconfirmed.holds(batches):
            self._drop_oldest()

    def forget(self) -> None:
        """Acknowledges the oldest messages beyond `UNKEPT`, which neither card nor cloud has stored.

        Their readings are in memory only. But a broker with a full window would deliver no other reading, and no bed
        would have an alarm, which is worse.
        """
        while len(self._segments) > 1 and self.pending_acks > UNKEPT:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        segment = self._segments.pop(0)
        self._outbox.row = segment.row
        acknowledge(segment.pending_acks)
