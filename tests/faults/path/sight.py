"""What a storm sees of the path while it runs: when each place has what, every alarm, every notification."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vitals import alarm_events
from vitals.alarm_events import AlarmEvent, Kind, Phase
from vitals.contacts import Notification
from vitals.engine.constants import CONDITIONS
from vitals.wire import topics

STEP_MS: Final = 250
SHARDS: Final = 2
AHEAD_MS: Final = 1_000
"""What claims to be of the future tells nothing of how fast the path is: its clock was moved."""
_notification: Final = msgspec.json.Decoder(Notification)


class _Scored(msgspec.Struct):
    """As much of a scored record as is looked at."""

    t: list[int]
    gateway: list[str | None]


_scored: Final = msgspec.json.Decoder(_Scored)


@dataclass(frozen=True, slots=True)
class Raised:
    """A physiological alarm that begins or grows.

    Attributes:
        id: The alarm's.
        n: Number of the event.
        phase: Start or escalate.
        patient: Patient.
        condition: Condition.
        start: When it began, UTC epoch ms.
        t: When the deciding reading was measured, UTC epoch ms.
        told: Kafka's time stamp in topic `alarms`, UTC epoch ms; 0 when nobody has told it.
        calls: Whether the event calls a contact. If not, another event of its incident may have called.
    """

    id: str
    n: int
    phase: str
    patient: str
    condition: str
    start: int
    t: int
    told: int = 0
    calls: bool = True

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes two the same."""
        return self.id, self.n, self.phase


def raised(event: AlarmEvent, told: int = 0) -> Raised | None:
    """Returns an event that begins or worsens a patient's condition; None for any other.

    What the engine decides by time alone and what is predicted is left out: both depend on when somebody looked.
    """
    if event.kind is not Kind.PHYSIOLOGICAL or event.phase not in {Phase.START, Phase.ESCALATE}:
        return None
    if event.seq is None or event.patient is None or event.condition not in CONDITIONS:
        return None
    calls = not event.incident or bool(event.call)
    at = (event.start, event.t, told)
    return Raised(event.id, event.n, event.phase.value, event.patient, event.condition, *at, calls=calls)


@dataclass(slots=True)
class Sight:
    """All that was seen so far.

    Attributes:
        gateways: Real gateways, looked at one by one; the others go by partition.
        places: (when it arrived, when it was measured), in order, by place: `scored …`, `alarms …` and `sns`.
        alarms: Alarms that began or grew, as often as they are in the topic.
        notifications: Records of topic `notifications`.
    """

    gateways: tuple[str, ...]
    places: defaultdict[str, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    alarms: list[Raised] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def take(self, topic: str, partition: int, value: bytes, stamped: int) -> None:
        """Looks at one record."""
        if topic == topics.SCORED:
            self._readings(partition, _scored.decode(value), stamped)
        elif topic == topics.ALARMS:
            event = raised(alarm_events.decode(value), stamped)
            if event is not None:
                self.alarms.append(event)
                self._note(f"alarms of shard {partition % SHARDS}", stamped, event.t)
        elif topic == topics.NOTIFICATIONS:
            told = _notification.decode(value)
            if told.first:
                self.notifications.append(told)
            if told.sns is not None and told.first:
                self._note("sns", told.accepted, told.t)

    def _readings(self, partition: int, record: _Scored, stamped: int) -> None:
        if not record.t:
            return
        mine = [(g, t) for g, t in zip(record.gateway, record.t, strict=True) if g in self.gateways]
        for gateway, t in mine:
            self._note(f"scored of {gateway}", stamped, t)
        if len(mine) < len(record.t):
            newest = max(t for g, t in zip(record.gateway, record.t, strict=True) if g not in self.gateways)
            self._note(f"scored in {partition}", stamped, newest)

    def _note(self, place: str, at: int, measured: int) -> None:
        series = self.places[place]
        if measured <= at + AHEAD_MS and (not series or measured >= series[-1][1] + STEP_MS):
            series.append((at, measured))
