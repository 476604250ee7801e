"""State of the notifier by the log's records: duties, admissions, notifications, channels and active alarms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cloud.duty.house import addresses_of
from cloud.duty.records import contacts_of, kind_of
from cloud.kafka.port import Record
from cloud.notify.delivery.attempts import Delivery
from cloud.notify.delivery.notification_log import read, told
from cloud.notify.follow_up.reach import Reach
from cloud.notify.routing.incident_alarms import IncidentAlarms
from cloud.notify.routing.on_call import NotificationKey, OnCall
from cloud.notify.routing.step_recipients import StepRecipients
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import NOBODY, Contact, Notification
from vitals.status import Rejected
from vitals.wire import topics

KINDS: Final[Mapping[str, type[Admission | Notification]]] = {
    topics.PATIENTS: Admission,
    topics.NOTIFICATIONS: Notification,
}


@dataclass(slots=True)
class KnownRecords:
    """State that the log's records give.

    Attributes:
        on_call: Rotas and default contacts.
        reach: Standing of the contacts' channels.
        incidents: Active alarms of each incident.
        steps: Recipients of the alarm steps on record.
        told: Notifications that are sent, in flight or queued.
        failed: Notifications recorded as not sent.
        patients: Newest admission of each patient.
    """

    on_call: OnCall
    reach: Reach
    incidents: IncidentAlarms = field(default_factory=IncidentAlarms)
    steps: StepRecipients = field(default_factory=StepRecipients)
    told: set[NotificationKey] = field(default_factory=set)
    failed: set[NotificationKey] = field(default_factory=set)
    patients: dict[str, Admission] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)

    def apply(self, record: Record, now: int, put_aside: Callable[[Rejected], None]) -> None:
        """Applies a record of any topic but `alarms`.

        Args:
            record: The record.
            now: UTC epoch ms.
            put_aside: Receives the dead letter of an invalid record.
        """
        if record.topic == topics.CONTACTS:
            # The alarm engine rejects invalid records of the other topics; only the notifier reads this one.
            entry = read(record, kind_of(record.key), put_aside)
            if entry is not None:
                self.on_call.set(entry)
                self._changed |= contacts_of(entry)
            return
        if record.topic == topics.CHANNELS:
            self.reach.take(record)
            return
        kind = KINDS.get(record.topic)
        value = read(record, kind) if kind else None
        if isinstance(value, Admission):
            self.patients[value.patient] = value
        elif isinstance(value, Notification):
            # A failed notification reached no contact, so its event is still sent. The NOBODY placeholder counts as
            # reached.
            self.reach.sent(value, None, now)
            self.steps.take(value)
            reached = value.sns is not None or value.contact == NOBODY
            (self.told if reached else self.failed).add(
                NotificationKey(value.alarm, value.n, value.contact, value.handover)
            )

    def open_channels(self, delivery: Delivery) -> None:
        """Prepares the channels of contacts with a changed entry or duty, and removes those of former contacts.

        The directory decides on the addresses, so this waits until every record that was read has been applied.
        """
        changed, self._changed = self._changed, set()
        for contact in sorted(changed):
            person = self.on_call.house.person(contact)
            if person is not None and person.left:
                delivery.release(contact)
            elif person is not None and self.on_call.house.wards_of(contact):
                delivery.prepare(Contact(contact=contact, start=0, end=1, **addresses_of(person)))

    def was_told(self, event: AlarmEvent, contact: str) -> bool:
        """Returns whether a contact's notification of an event is sent, in flight or queued."""
        return told(event, contact) in self.told

    def placed(self, event: AlarmEvent) -> AlarmEvent:
        """Returns an event with the present ward and bed of its patient, who may have been moved since."""
        admission = self.patients.get(event.patient or "")
        if admission is None or event.ward is None:
            return event
        return msgspec.structs.replace(event, ward=admission.ward, bed=admission.bed)

    def canary(self, event: AlarmEvent) -> bool:
        """Returns whether an event is of a canary."""
        admission = self.patients.get(event.patient or "")
        return admission is not None and admission.canary

    def wards(self) -> list[str]:
        """Returns the wards with patients."""
        return sorted({a.ward for a in self.patients.values() if a.discharged is None and not a.canary})
