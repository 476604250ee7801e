"""A small ward for clinical stories: one call per minute of a patient's life, and what was told of it."""

from collections.abc import Mapping

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, Phase
from vitals.engine.rules.not_judged import WATCH
from vitals.limits import PROFILE_INDEX
from vitals.signs import Suspect


class Ward:
    """Patients on one engine; log time follows event time unless a story says otherwise."""

    def __init__(self, **changes: object) -> None:
        self.state = engine.empty()
        self.t = T0
        self.seq = 0
        self.told: list[AlarmEvent] = []
        # Stories of signs leave out that nobody is judged while they wait; those of silence ask for it.
        self.watched = False
        self.profile = PROFILE_INDEX[str(changes.get("profile", "adult"))]
        self.cadence_ms = round(float(changes.get("cadence_s", 1.0)) * 1000)
        self.admit(**changes)

    def admit(self, patient: str = "p1", **changes: object) -> None:
        self._keep(engine.place(self.state, [placement(patient, **changes)], self.t))

    def _keep(self, outcome: engine.Outcome) -> list[AlarmEvent]:
        self.state, events = outcome
        self.told += events
        return [event for event in events if self.watched or event.condition not in WATCH]

    def send(
        self,
        changes: Mapping[str, float | None] | None = None,
        codes: Mapping[str, Suspect] | None = None,
        *,
        patient: str = "p1",
        t: int | None = None,
        now: int | None = None,
    ) -> list[AlarmEvent]:
        """One reading: well but for the changes; None is absent."""
        self.seq += 1
        values = {k: v for k, v in {**WELL, **(changes or {})}.items() if v is not None}
        values = {k: v for k, v in values.items() if k not in (codes or {}) or (codes or {})[k] not in (2, 3)}
        at = self.t if t is None else t
        row = One(at, values, codes or {}, patient, "d1", self.seq, self.profile)
        return self._keep(engine.advance(self.state, columns([row]), self.t if now is None else now))

    def live(
        self,
        seconds: float,
        changes: Mapping[str, float | None] | None = None,
        codes: Mapping[str, Suspect] | None = None,
        *,
        patient: str = "p1",
    ) -> list[AlarmEvent]:
        """Readings at the ward's cadence for so long."""
        events = []
        for _ in range(max(1, round(seconds * 1000 / self.cadence_ms))):
            self.t += self.cadence_ms
            events += self.send(changes, codes, patient=patient)
        return events

    def wait(self, seconds: float) -> list[AlarmEvent]:
        """Log time passes without readings."""
        events = []
        for _ in range(round(seconds)):
            self.t += 1000
            events += self._keep(engine.advance(self.state, columns([]), self.t))
        return events

    def act(self, act: Act, alarm: str | None = None, *, patient: str = "p1", **fields: object) -> list[AlarmEvent]:
        action = Action(id=f"a{self.seq}", act=act, patient=patient, t=self.t, by="nurse", alarm=alarm, **fields)
        return self._keep(engine.act(self.state, action, self.t))

    def active(self) -> dict[str, AlarmEvent]:
        return {event.condition: event for event in engine.active(self.state)}


def starts(events: list[AlarmEvent]) -> list[str]:
    return [event.condition for event in events if event.phase is Phase.START]
