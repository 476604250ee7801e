"""What the alarm tier has passed over (topic `skipped`): a replay obeys it, also one with mended code.

Alarm ids and numbers follow from what was judged. Were a record that raised judged after all in a replay, by code that
no longer raises, the alarms told since would have other ids. So it stays passed over, until a person has it replayed as
a new record (`python -m cloud skipped replay`).
"""

from enum import StrEnum

import msgspec

from vitals.bounds import Count, Line, Time, Words


class Why(StrEnum):
    """Why a record is on the list."""

    UNREADABLE = "unreadable"
    """Its bytes are none of the topic's."""
    RAISED = "raised"
    """Judging or applying it raised an exception."""
    SUSPECT = "suspect"
    """A process ended by an exception of its own while it applied this; it is tried again, by itself."""
    REPLAYED = "replayed"
    """A person has had it written again as a new record."""


class Skipped(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A record, or one reading of it.

    Attributes:
        topic: Its topic: of a reading `vitals`, also where the scored record raised.
        partition: Its partition.
        offset: Its offset.
        row: Place of the reading in its record; None for the record as a whole.
        last: Last offset of a range of suspect records; None for one.
        why: Why it is here.
        slice: Slice that passed it over; "" for every one.
        subject: Patient, device or gateway that it concerns, where that is known.
        kind: Name of the exception.
        reason: Exception with its message.
        trace: Its traceback.
        t: When, UTC epoch ms by the log.
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
        """Names what was passed over: topic[partition]@offset#row."""
        row = "" if self.row is None else f"#{self.row}"
        return f"{self.topic}[{self.partition}]@{self.offset}{row}"
