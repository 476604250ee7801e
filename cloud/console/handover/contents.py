"""Contents of the report, for its template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.alarm.query.answers import News2Now, PatientNow, SignNow, StandbyNow
from cloud.console.handover.due import Observation
from cloud.console.handover.incident_lines import IncidentLine
from cloud.console.handover.measured import Extreme, ScorePoint, Span
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Notification
from vitals.limits import Limit
from vitals.signs import Sign


@dataclass(frozen=True, slots=True)
class SignRow:
    """One sign: now, and its lowest and highest value; each None without one.

    Attributes:
        sign: The sign.
        now: Present value.
        old: The present value is older than three cadences, doubtful, or not known to be present.
        low: Lowest value.
        high: Highest value.
        bounds: Limits in force.
    """

    sign: Sign
    now: SignNow | None
    old: bool
    low: Extreme | None
    high: Extreme | None
    bounds: Limit

    def beyond(self, value: float) -> str:
        """Returns "extreme", "limit" or "" for a value against the limits in force."""
        x = self.bounds
        if (x.extreme_low is not None and value < x.extreme_low) or (
            x.extreme_high is not None and value > x.extreme_high
        ):
            return "extreme"
        return "limit" if (x.low is not None and value < x.low) or (x.high is not None and value > x.high) else ""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One change of limits: of a sign, or of the profile with everything in it.

    Attributes:
        t: UTC epoch ms.
        field: Sign; "" for the profile.
        before: Limits before, or name of the profile.
        after: Limits after it, or name of the profile.
    """

    t: int
    field: str
    before: Limit | str
    after: Limit | str


@dataclass(frozen=True, slots=True)
class StandbySpan:
    """One standby: begin, planned end, and person."""

    begin: int
    until: int
    by: str


@dataclass(frozen=True, slots=True)
class History:
    """Part of a patient's report that needs the warehouse.

    Attributes:
        begin: Begin of the reported time: of the shift, or of the stay if that is later.
        course: NEWS2 by the hour.
        gaps: Times without a value.
        changes: Limits changed.
        standbys: Standbys.
    """

    begin: int
    course: tuple[ScorePoint, ...]
    gaps: tuple[Span, ...]
    changes: tuple[LimitChange, ...]
    standbys: tuple[StandbySpan, ...]


@dataclass(frozen=True, slots=True)
class PatientReport:
    """One patient.

    Attributes:
        admission: Present admission.
        nurse: Name of the bed's nurse; "" if the bed is everybody's.
        seen: Present state; None without any reading.
        score: Present NEWS2; None for a patient without one.
        signs: Signs that were measured or have limits.
        incidents: Incidents; of the log alone if there is no history.
        history: None without the warehouse.
        waiting: Unacknowledged alarms.
        observation: Next round; None for a patient without NEWS2.
        standby: Present standby.
    """

    admission: Admission
    nurse: str
    seen: PatientNow | None
    score: News2Now | None
    signs: tuple[SignRow, ...]
    incidents: tuple[IncidentLine, ...]
    history: History | None
    waiting: tuple[AlarmEvent, ...]
    observation: Observation | None
    standby: StandbyNow | None


@dataclass(frozen=True, slots=True)
class Present:
    """State and log as the page has them.

    Attributes:
        now: UTC epoch ms.
        patients: Present state by patient.
        alarms: Last event of each alarm that has not ended.
        standbys: Present standbys by patient.
        down: The alarm engine does not answer, so the state is of earlier.
        events: Recent alarm events.
        messages: Recent messages.
        acts: Recent actions.
    """

    now: int
    patients: Mapping[str, PatientNow]
    alarms: Sequence[AlarmEvent]
    standbys: Mapping[str, StandbyNow]
    down: bool
    events: Sequence[AlarmEvent] = ()
    messages: Sequence[Notification] = ()
    acts: Sequence[Action] = ()
