"""Actions of people, such as acknowledge, chart, standby and coming: the value of a record of topic `actions`."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from vitals.bounds import Line, Name, Time, TimeOrNone
from vitals.news2 import CONSCIOUSNESS

MAX_PAUSE_S: Final = 600
"""A pause longer than ten minutes would be an alarm that is switched off."""
MIN_STANDBY_S: Final = 300
MAX_STANDBY_S: Final = 3_600
"""Shortest and longest standby (Q3)."""


class Act(StrEnum):
    """Kind of action."""

    ACKNOWLEDGE = "acknowledge"
    AUDIO_PAUSE = "audio-pause"
    CHART = "chart"
    STANDBY = "standby"
    """Suspends monitoring of a patient for a stated time."""
    STANDBY_END = "standby-end"
    COMING = "coming"
    """The person is on the way: the handover waits for a time (Q8)."""
    CANNOT = "cannot"
    """The person cannot come: the alarm passes to the next one at once."""
    NOT_ACTIONABLE = "not-actionable"
    """The alarm, with its incident, needed no action of a person: evidence alone, and no alarm changes by it."""


OF_AN_ALARM: Final = frozenset((Act.ACKNOWLEDGE, Act.AUDIO_PAUSE, Act.COMING, Act.CANNOT, Act.NOT_ACTIONABLE))
"""Actions on one alarm, by its id."""


class Action(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One action of one person on one patient.

    Attributes:
        id: Random id of the action, by which a repeated record is recognised.
        act: Kind of action.
        patient: Patient id, or a technical alarm's subject.
        t: Time of the action, UTC epoch ms.
        by: Name of the person; for an answer to a message the contact id.
        alarm: Id of the alarm, for acknowledge, audio-pause, coming, cannot and not-actionable.
        incident: Of acknowledge and coming: also every alarm of this incident that had not risen since `shown`; "" for
            one alarm.
        shown: Log time of the newest event that the person saw, UTC epoch ms; 0 if the page did not say so.
        pause_s: Length of an audio pause or standby, s. A standby ends at `t` plus this, in every engine.
        bed: Bed of a standby, or of its end: it has no effect in another bed.
        oxygen: Charted: whether the patient breathes supplemental oxygen; None does not change it.
        consciousness: Charted: A, C, V, P or U; None does not change it.
    """

    id: Annotated[Line, msgspec.Meta(min_length=1)]
    act: Act
    patient: Name
    t: Time
    by: Line
    alarm: Line | None = None
    incident: Line = ""
    shown: TimeOrNone = 0
    pause_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_STANDBY_S)] = 120
    bed: Name | None = None
    oxygen: bool | None = None
    consciousness: str | None = None

    def __post_init__(self) -> None:
        if self.act in {Act.STANDBY, Act.STANDBY_END} and not self.bed:
            raise ValueError(f"{self.act.value} needs a bed")
        if self.act in OF_AN_ALARM and not self.alarm:
            raise ValueError(f"{self.act.value} needs the id of an alarm")
        if self.incident and self.act not in (Act.ACKNOWLEDGE, Act.COMING):
            raise ValueError(f"{self.act.value} is of one alarm, not of an incident")
        if self.act is Act.STANDBY:
            if not MIN_STANDBY_S <= self.pause_s <= MAX_STANDBY_S:
                raise ValueError(f"a standby lasts {MIN_STANDBY_S} to {MAX_STANDBY_S} s, not {self.pause_s}")
        elif not 0 < self.pause_s <= MAX_PAUSE_S:
            raise ValueError(f"an audio pause lasts 1 to {MAX_PAUSE_S} s, not {self.pause_s}")
        if self.consciousness is not None and self.consciousness not in CONSCIOUSNESS:
            raise ValueError(f"consciousness {self.consciousness!r} is none of {', '.join(CONSCIOUSNESS)}")
