"""Routes calls: which contacts a call is queued for, now or once the log has been read a little further."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cloud.ack_links import number
from cloud.kafka.port import Place, Record
from cloud.notify.delivery.notification_log import told, unsent
from cloud.notify.delivery.pending import PendingOffsets
from cloud.notify.delivery.throttle import Item, RecipientQueues
from cloud.notify.follow_up.reach import next_contacts
from cloud.notify.known_records import KnownRecords
from cloud.notify.log_output import LogOutput
from cloud.notify.routing.declined import DeclinedAlarms
from cloud.notify.routing.late_calls import LateCall, LateCalls, merged_calls
from cloud.notify.routing.on_call import OWN, OnCall, all_declined, rota_empty, without_ward
from cloud.notify.routing.unrouted import UnroutedAlarms
from vitals.alarm_events import AlarmEvent
from vitals.contacts import CANARY, NOBODY, Contact, MessageKind
from vitals.engine.rules.technical_alarms import BRIDGE_DOWN, PIPELINE_STALLED

logger = logging.getLogger(__name__)
EVERYBODYS: Final = frozenset((PIPELINE_STALLED, BRIDGE_DOWN))
"""Conditions that are sent to every ward with patients, not only to technicians."""
Attempt = Callable[[Record, Callable[[Record], None]], None]
"""Applies a record by a function, and rejects the record if the function raises."""


@dataclass(slots=True)
class Router:
    """Queues each call for its contacts.

    Attributes:
        known: State by the log's records.
        output: Writes records.
        queues: Items that wait for their recipient's rate limit.
        pending: Events with pending notifications; they hold back the commit.
        late: Calls that were read late and wait.
        unrouted: Alarms for which no contact was on duty.
        declined: Alarms that every contact of their ward has declined.
    """

    known: KnownRecords
    output: LogOutput
    queues: RecipientQueues
    pending: PendingOffsets
    late: LateCalls
    unrouted: UnroutedAlarms = field(default_factory=UnroutedAlarms)
    declined: DeclinedAlarms = field(default_factory=DeclinedAlarms)

    @property
    def on_call(self) -> OnCall:
        """Rotas and default contacts."""
        return self.known.on_call

    def follow(self, event: AlarmEvent, place: Place, now: int) -> None:
        """Applies an alarm's newest event, which was read of a partition at `now`, UTC epoch ms."""
        self.known.incidents.follow(event)
        self.unrouted.follow(event, self.known.incidents.active)
        self.declined.follow(event)
        self.pending.follow(event)
        self.late.follow(event, place, now)

    def take(self, event: AlarmEvent, record: Record, now: int) -> None:
        """Routes a call; one that is late waits."""
        call = LateCall(event, record)
        if self.late.hold(call, now):
            self.pending.hold(event, record.place, record.offset)
        else:
            self._call(call, now)

    def release(self, calls: list[LateCall], now: int, attempt: Attempt) -> None:
        """Routes late calls whose incidents are not settled."""
        wanted: list[LateCall] = []
        for call in calls:
            if self.known.incidents.over(call.event, self.pending.newest[call.event.id]):
                logger.warning(
                    "alarm %s not sent: it ended or was acknowledged before any notification and is %s ms old",
                    number(call.event.id),
                    now - call.event.log_t,
                )
            else:
                wanted.append(call)

        def goes(event: AlarmEvent) -> bool:
            found = self.on_call.resolve(self.known.placed(event), now)
            return bool(found.contacts) or found.rota_empty or found.all_declined

        for call in merged_calls(wanted, self.pending.newest, goes):
            attempt(call.record, self._routing(call, now))
        for call in calls:
            self.pending.let_go(call.event, call.record.place, call.record.offset)

    def _routing(self, call: LateCall, now: int) -> Callable[[Record], None]:
        return lambda _: self._call(call, now)

    def _call(self, call: LateCall, now: int) -> None:
        event, record = self.known.placed(call.event), call.record
        self._route_once(event, record.place, record.offset, now)
        if event.condition in EVERYBODYS and event.ward is None:
            # Every ward with patients must watch them at the bedside until the pipeline works again.
            for ward in self.known.wards():
                self._route_once(msgspec.structs.replace(event, ward=ward), record.place, record.offset, now)
        if without_ward(event) and event.ward not in (None, self.on_call.technical_ward):
            self._route_once(msgspec.structs.replace(event, ward=None), record.place, record.offset, now)

    def _route_once(self, event: AlarmEvent, place: Place, offset: int, now: int) -> None:
        """Routes an event. One that was routed before goes to the recipients of that time, not to those on duty now."""
        recipients = self.known.steps.of(event)
        owed = [name for name in recipients if not self.known.was_told(event, name)]
        present = [contact for name in owed if (contact := self.on_call.on_duty(name, now)) is not None]
        for contact in present:
            self._queue(Item(event, contact, place, offset, now, recipients=recipients), now)
        if not present and not (recipients and self.known.steps.notified(event)):
            self.route(event, place, offset, now)

    def route(self, event: AlarmEvent, place: Place, offset: int, now: int) -> None:
        """Queues an event for the contacts on duty at `now`, UTC epoch ms."""
        found = self.on_call.resolve(event, now)
        if found.rota_empty and event.condition not in OWN:
            self.output.start(rota_empty(event, event.ward or self.on_call.technical_ward, now))
        if found.all_declined and event.condition not in OWN:
            ward = event.ward or self.on_call.technical_ward
            self.declined.add(event, ward)
            self.output.start(all_declined(event, ward, now))
        if found.rota_empty and not found.contacts:
            self._unreachable(event, now)
        if found.rota_empty and not self.on_call.default(event.ward or self.on_call.technical_ward):
            # The last contact on duty may be asleep by now.
            self.unrouted.add(event, place, offset)
        for kind, contacts in ((MessageKind.ALARM, found.contacts), (MessageKind.COURTESY, found.courtesy)):
            names = tuple(each.contact for each in contacts) if kind is MessageKind.ALARM else ()
            for contact in contacts:
                if not self.known.was_told(event, contact.contact):
                    self._queue(Item(event, contact, place, offset, now, kind, names), now)

    def route_unrouted(self, now: int) -> None:
        """Routes alarms for which no contact was on duty, and one is now."""
        for late, place, offset in self.unrouted.heard(lambda event: not self.on_call.resolve(event, now).rota_empty):
            self.route(late, place, offset, now)

    def pass_on(self, item: Item, now: int) -> None:
        """Queues an alarm for its next contact at once: the present one has no channel."""
        # Neither a copy nor a request for a proof is owed to another contact.
        owed = item.kind is MessageKind.ALARM and item.event.condition not in OWN
        if owed and item.contact.contact != CANARY:
            for contact in next_contacts(self.on_call, item.event, now, self.known.reach.reachable):
                if not self.known.was_told(item.event, contact.contact):
                    names = (contact.contact,)
                    self._queue(Item(item.event, contact, item.place, item.offset, now, recipients=names), now)

    def enqueue(self, event: AlarmEvent, contact: Contact, record: Record, now: int) -> Item:
        """Returns the item of an event that waits for no rate limit; it is pending."""
        item = Item(event, contact, record.place, record.offset, now)
        self._hold(item)
        return item

    def _queue(self, item: Item, now: int) -> None:
        self._hold(item)
        self.queues.add(item, now)

    def _hold(self, item: Item) -> None:
        self.pending.add(item)
        self.known.told.add(told(item.event, item.contact.contact))

    def _unreachable(self, event: AlarmEvent, now: int) -> None:
        error = "nobody is on duty and NOTIFY_DEFAULTS names nobody for this ward"
        logger.error("alarm %s reaches no contact: %s", number(event.id), error)
        if not self.known.was_told(event, NOBODY):
            self.known.told.add(told(event, NOBODY))
            self.output.notification(unsent(event, NOBODY, now, error))
