"""Records that the alarm tier has skipped (topic `skipped`): a replay skips them as well, also one with corrected code.

Alarm ids and numbers depend on the evaluated readings. If a replay with corrected code evaluated a record that raised
before, later alarms would have other ids. So the record stays skipped until a person replays it as a new record
(`python -m cloud skipped replay`).
"""

from enum import StrEnum

import msgspec

from vitals.bounds import Count, Line, Time, Words


class Why(StrEnum):
    """Reason for which a record is on the list."""

    UNREADABLE = "unreadable"
    """Its bytes do not decode as a record of the topic."""
    RAISED = "raised"
    """Evaluating or applying it raised an exception."""
    SUSPECT = "suspect"
    """A process ended by an exception while it applied this record; it is tried again, by itself."""
    REPLAYED = "replayed"
    """A person has replayed it as a new record."""


class Skipped(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A record, or one reading of it.

    Attributes:
        topic: Topic; for a reading `vitals`, also if the scored record raised.
        partition: Partition of the record.
        offset: Offset of the record.
        row: Index of the reading in its record; None for the whole record.
        last: Last offset of a range of suspect records; None for one.
        why: Reason.
        slice: Slice that skipped it; "" for all.
        subject: Patient, device or gateway that it concerns, if known.
        kind: Name of the exception.
        reason: Exception with its message.
        trace: Its traceback.
        t: Log time, UTC epoch ms.
    """

    topic: Line
    partition: Count
    offset: Count
    row: Count | None = None
    last: Count | None = None
    why: Why = Why.RAISED
    slice: Line = ""
    subject: Line = ""
    kind: Line = ""
    reason: Words = ""
    trace: Words = ""
    t: Time

    @property
    def key(self) -> str:
        """Name of the skipped record or reading: topic[partition]@offset#row."""
        row = "" if self.row is None else f"#{self.row}"
        return f"{self.topic}[{self.partition}]@{self.offset}{row}"
