"""Recipients of each alarm step, as they were when it was routed.

A step is done with for these contacts. When its event is read again, after a restart in another shift, nobody else is
notified of it, unless none of its recipients was and none is on duty any more.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from vitals.alarm_events import AlarmEvent
from vitals.contacts import CANARY, NOBODY, MessageKind, Notification


class Step(NamedTuple):
    """Identity of an alarm step on one ward; an alarm of all wards is a step on each."""

    alarm: str
    n: int
    handover: int
    ward: str | None


def step_of(event: AlarmEvent) -> Step:
    """Returns the step of an event."""
    return Step(event.id, event.n, event.handover, event.ward)


@dataclass(slots=True)
class StepRecipients:
    """Recipients of steps, and the steps of which a contact was notified."""

    _recipients: dict[Step, tuple[str, ...]] = field(default_factory=dict)
    _notified: set[Step] = field(default_factory=set)

    def take(self, made: Notification) -> None:
        """Applies the record of a notification."""
        if made.contact in {CANARY, NOBODY} or made.kind is not MessageKind.ALARM:
            return
        step = Step(made.alarm, made.n, made.handover, made.ward)
        if made.recipients:
            known = self._recipients.get(step, ())
            self._recipients[step] = tuple(dict.fromkeys((*known, *made.recipients)))
        if made.sns is not None:
            self._notified.add(step)

    def of(self, event: AlarmEvent) -> tuple[str, ...]:
        """Returns the recipients of an event's step; empty if none are recorded."""
        return self._recipients.get(step_of(event), ())

    def notified(self, event: AlarmEvent) -> bool:
        """Returns whether any contact was notified of an event's step."""
        return step_of(event) in self._notified
