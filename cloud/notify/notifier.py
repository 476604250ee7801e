"""The notifier's loop: reads alarms, notifies contacts, and records each notification before it commits.

A notification is acknowledged by all replicas before the alarm's offset is committed, and an event that is read again
is recognised by that record. So no contact is notified twice, unless a crash falls between SNS's answer and the record.
That window cannot be closed, as SNS standard topics have no idempotency key. It holds at most NOTIFY_THREADS messages.

A message that no channel accepted is recorded as failed and remains pending. It is retried, also by the next run, until
SNS accepts it, or until its alarm has ended or was acknowledged, and is old. An alarm of an incident counts as ended
with the last active alarm of that incident, since the message is about all of them. After an outage (`late_calls`) the
same holds for an alarm that is read late.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from cloud.ack_links import number
from cloud.alarm.skipped_records import unreadable
from cloud.duty.house import addresses_of
from cloud.duty.records import contacts_of, kind_of
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import CommittingReader, KafkaUnavailableError, Place, Record, Writer, read_to_end
from cloud.notify.canary import NOBODY as CANARY_CONTACT
from cloud.notify.delivery.attempts import Delivered, Delivery
from cloud.notify.delivery.notification_log import (
    NOTIFIER,
    UNREADABLE,
    alarm_event,
    notifications,
    own_ids,
    read,
    told,
    unsent,
)
from cloud.notify.delivery.pending import PendingOffsets
from cloud.notify.delivery.retry import RetryQueue, merged, newest_items
from cloud.notify.delivery.throttle import Item, Message, RecipientQueues
from cloud.notify.follow_up.reach import Effects, Reach, next_contacts
from cloud.notify.messages.copies import marked
from cloud.notify.messages.lateness import late_words, said_late
from cloud.notify.messages.proof_messages import ProofMessages, render, wanted
from cloud.notify.messages.templates import Links, compose, plain
from cloud.notify.routing.declined import DeclinedAlarms
from cloud.notify.routing.incident_alarms import IncidentAlarms
from cloud.notify.routing.late_calls import LateCall, LateCalls, merged_calls
from cloud.notify.routing.on_call import (
    OWN,
    NotificationKey,
    OnCall,
    all_declined,
    not_notified,
    rota_empty,
    without_ward,
)
from cloud.notify.routing.self_alarms import SelfAlarms
from cloud.notify.routing.step_recipients import StepRecipients
from cloud.notify.routing.unrouted import UnroutedAlarms
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Phase, encode, pages
from vitals.conditions import NOT_NOTIFIED
from vitals.contact_standing import ContactStanding, standing_key
from vitals.contacts import CANARY, NOBODY, Contact, MessageKind, Notification
from vitals.engine.rules.technical_alarms import BRIDGE_DOWN, PIPELINE, PIPELINE_STALLED
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.signs import INDEX
from vitals.status import Health, Rejected, Status
from vitals.wire import topics

logger = logging.getLogger(__name__)
LEARNT: Final[Mapping[str, type[Admission | Notification]]] = {
    topics.PATIENTS: Admission,
    topics.NOTIFICATIONS: Notification,
}
HOLD_BEATS: Final = 2
"""Intervals after a heartbeat for which the notifier may send; less than `cloud.notify.lease.BEATS`."""
EVERYBODYS: Final = frozenset((PIPELINE_STALLED, BRIDGE_DOWN))
"""Conditions that are sent to every ward with patients, not only to technicians."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Settings of the deployment that the loop needs.

    Attributes:
        layout: Lanes and partitions of the deployment.
        links: Links in messages.
        stale_ms: Age from which an alarm is late: sent only if it has not ended and is not acknowledged.
        heartbeat_ms: Interval of heartbeats.
    """

    layout: Partitioning
    links: Links
    stale_ms: int
    heartbeat_ms: int


@dataclass(slots=True)
class Notifier:
    """Reads alarms, queues and sends messages, and keeps the state that this needs.

    Attributes:
        terms: Settings of the deployment.
        reader: Reads alarms, patients, contacts and notifications.
        writer: Writes notifications, technical alarms and the heartbeat.
        on_call: Rotas and default contacts.
        queues: Items that wait for their recipient's rate limit.
        delivery: Messages in flight.
        clock: Wall clock, UTC epoch ms.
        heart: Writer of the heartbeat, which Kafka fences; None: `writer`.
        holder: This process as the holder of the lease (`cloud.notify.lease`).
        status: Newest heartbeat.
        arrived: Called with every notification that SNS accepted.
        reach: Standing of the contacts' channels.
        self_alarms: The notifier's own technical alarms.
        pending: Events with pending notifications; they hold back the commit.
        retries: Items that no channel accepted.
        unrouted: Alarms for which no contact was on duty.
        proofs: Requests for a proof at the begin of a duty.
        declined: Alarms that every contact of their ward has declined.
        incidents: Active alarms of each incident.
        steps: Recipients of the alarm steps on record.
        late: Calls that were read late and wait.
        told: Notifications that are sent, in flight or queued.
        failed: Notifications recorded as not sent.
        patients: Newest admission of each patient.
        stalled: Ids of active *pipeline stalled* alarms.
    """

    terms: Terms
    reader: CommittingReader
    writer: Writer
    on_call: OnCall
    queues: RecipientQueues
    delivery: Delivery
    clock: Callable[[], int]
    heart: Writer | None = None
    holder: str = ""
    status: Status | None = None
    arrived: Callable[[Notification], None] = lambda _: None
    reach: Reach = field(default_factory=Reach)
    self_alarms: SelfAlarms = field(default_factory=SelfAlarms)
    pending: PendingOffsets = field(default_factory=PendingOffsets)
    retries: RetryQueue = field(default_factory=RetryQueue)
    unrouted: UnroutedAlarms = field(default_factory=UnroutedAlarms)
    proofs: ProofMessages = field(default_factory=ProofMessages)
    declined: DeclinedAlarms = field(default_factory=DeclinedAlarms)
    incidents: IncidentAlarms = field(default_factory=IncidentAlarms)
    steps: StepRecipients = field(default_factory=StepRecipients)
    late: LateCalls = field(init=False)
    told: set[NotificationKey] = field(default_factory=set)
    failed: set[NotificationKey] = field(default_factory=set)
    patients: dict[str, Admission] = field(default_factory=dict)
    stalled: set[str] = field(default_factory=set)
    _changed: set[str] = field(default_factory=set)
    _read: dict[Place, int] = field(default_factory=dict)
    _committed: dict[Place, int] = field(default_factory=dict)
    _beat: int = 0

    def __post_init__(self) -> None:
        self.late = LateCalls(self.terms.stale_ms)

    def start(self) -> None:
        """Rebuilds notifications, admissions and rotas from the log, then processes uncommitted alarms.

        Raises:
            KafkaUnavailableError: The log cannot be read.
        """
        known = [*self.terms.layout.places(topics.PATIENTS), (topics.CONTACTS, 0), (topics.CHANNELS, 0)]
        once = [*self.terms.layout.places(topics.NOTIFICATIONS), (topics.STATUS, 0)]
        past = read_to_end(self.reader, dict.fromkeys([*known, *once], 0))
        self.self_alarms.restore(own_ids(past))
        starts = dict.fromkeys(known, 0)
        for record in past:
            self._attempt(record, self._update_state)
            if record.place in starts:
                starts[record.place] = record.offset + 1
        self._open_channels()
        self._committed = self.reader.committed(self.terms.layout.places(topics.ALARMS))
        backlog = read_to_end(self.reader, self._committed)
        self._read = dict(self._committed)
        for record in backlog:
            self._attempt(record, self._take)
        self._release(self.late.all(), self.clock())
        self.reader.assign(starts | self._read)
        logger.info("notifier ready", extra={"data": {"told": len(self.told), "backlog": len(backlog)}})

    def step(self, timeout_s: float) -> None:
        """Reads new records, sends due messages and records accepted ones.

        Raises:
            KafkaUnavailableError: The log cannot be read or written.
        """
        # Alarms last, so that they are routed by the newest rota and admissions.
        for record in sorted(self.reader.read(timeout_s), key=lambda r: r.topic == topics.ALARMS):
            self._attempt(record, self._take if record.topic == topics.ALARMS else self._update_state)
        self._open_channels()
        now = self.clock()
        self._release(self.late.due(now), now)
        for message in self.queues.due(now):
            self._begin(message, now)
        self._repeat(now)
        for request in self.proofs.due(now, self.delivery.limit // 2 - len(self.delivery)):
            self._begin(request, now)
        done = list(self.delivery.collect(now))
        for delivered in done:
            self._record(delivered, now)
        beat = now - self._beat >= self.terms.heartbeat_ms
        if beat:
            self.reach.review(self.on_call, now, self._effects(now))
            for event in self.self_alarms.review(self.on_call, self.declined.wards(), now):
                self._tell(event)
            for late, place, offset in self.unrouted.heard(
                lambda event: not self.on_call.resolve(event, now).rota_empty
            ):
                self._route(late, place, offset, now)
            if self.terms.links.key is not None:
                self.proofs.review(self.on_call.house, self.told, now)
            self._live(now)
        if done or beat:
            self.writer.flush()
        for delivered in done:
            if delivered.sent is not None:
                self.pending.close(delivered.message.items)
        if done or beat:
            self._commit()
        self._launch(now)

    def _launch(self, now: int) -> None:
        # One that was stopped for a while is fenced by now: it must not send before Kafka has accepted a heartbeat.
        if abs(self.clock() - self._beat) >= HOLD_BEATS * self.terms.heartbeat_ms:
            self._live(self.clock())
        self.delivery.launch(now)

    def _effects(self, now: int) -> Effects:
        def end(contact: str) -> None:
            self._end(contact, now)

        def forget(key: str) -> None:
            self.writer.write((topics.CHANNELS, 0), key.encode(), None)

        def repeat(item: Item) -> None:
            self.pending.add(item)
            self._begin(Message(self.on_call.on_duty(item.contact.contact, now) or item.contact, (item,)), now)

        return Effects(
            record=self._keep,
            write=self._write,
            start=self._raise,
            end=end,
            pass_on=lambda item: self._pass_on(item, now),
            repeat=repeat,
            forget=forget,
        )

    def _live(self, now: int) -> None:
        self._beat = now
        # Gateways receive only the health *up* of a notifier that pages: while no reading is judged, no page is sent.
        health = Health.SILENT if self.stalled else Health.UP
        self.status = Status(
            id=NOTIFIER, kind=NOTIFIER, health=health, t=now, alarms=self.self_alarms.ids, holder=self.holder
        )
        heart = self.heart or self.writer
        heart.write((topics.STATUS, 0), NOTIFIER.encode(), msgspec.json.encode(self.status))
        if self.heart is not None:
            self.heart.flush()

    def _update_state(self, record: Record) -> None:
        if record.topic == topics.CONTACTS:
            # The alarm engine rejects invalid records of the other topics; only the notifier reads this one.
            entry = read(record, kind_of(record.key), self._put_aside)
            if entry is not None:
                self.on_call.set(entry)
                self._changed |= contacts_of(entry)
            return
        if record.topic == topics.CHANNELS:
            self.reach.take(record)
            return
        kind = LEARNT.get(record.topic)
        value = read(record, kind) if kind else None
        if isinstance(value, Admission):
            self.patients[value.patient] = value
        elif isinstance(value, Notification):
            # A failed notification reached no contact, so its event is still sent. The NOBODY placeholder counts as
            # reached.
            self.reach.sent(value, None, self.clock())
            self.steps.take(value)
            reached = value.sns is not None or value.contact == NOBODY
            (self.told if reached else self.failed).add(
                NotificationKey(value.alarm, value.n, value.contact, value.handover)
            )

    def _open_channels(self) -> None:
        """Prepares the channels of contacts with a changed entry or duty, and removes those of former contacts.

        The directory decides on the addresses, so this waits until every record that was read has been applied.
        """
        changed, self._changed = self._changed, set()
        for contact in sorted(changed):
            person = self.on_call.house.person(contact)
            if person is not None and person.left:
                self.delivery.release(contact)
            elif person is not None and self.on_call.house.wards_of(contact):
                address = Contact(contact=contact, start=0, end=1, **addresses_of(person))
                self.delivery.prepare(address)

    def _attempt(self, record: Record, apply: Callable[[Record], None]) -> None:
        """Applies a record. If it raises unexpectedly, it is rejected, as it would end the next process, too.

        If the record is an alarm that pages, its ward is notified that it was not delivered.
        """
        try:
            apply(record)
        except (*NOT_CAUSED_BY_INPUT, KafkaUnavailableError):
            raise
        except Exception as error:
            logger.exception("%s[%s]@%s raised while it was applied; it is rejected", *record.place, record.offset)
            UNREADABLE.labels(record.topic).inc()
            self._put_aside(unreadable(record, error).rejected)
            event = alarm_event(record) if record.topic == topics.ALARMS else None
            if event is not None and pages(event):
                self._raise(not_notified(event, NOBODY, describe_exception(error), self.clock()))

    def _put_aside(self, refused: Rejected) -> None:
        self.writer.write((topics.REJECTED, 0), refused.topic.encode(), msgspec.json.encode(refused))

    def _take(self, record: Record) -> None:
        now = self.clock()
        event = alarm_event(record)
        self._read[record.place] = record.offset + 1
        if event is not None:
            self._mind_the_pipeline(event)
            self.reach.recent.follow(event)
            if event.by:
                self.reach.answered(event.by)
                self._end(event.by, now)
            self.incidents.follow(event)
            self.unrouted.follow(event, self.incidents.active)
            self.declined.follow(event)
            self.pending.follow(event)
            self.late.follow(event, record.place, now)
        if event is None:
            return
        admission = self.patients.get(event.patient or "")
        canary = admission is not None and admission.canary
        # A canary's alarms are one incident that calls once an hour, and each of them proves the path.
        if not pages(event) and not (canary and event.phase is Phase.START):
            return
        if canary:
            # Other events of a canary, such as its silent device, are sent to no contact.
            if event.condition in INDEX and told(event, CANARY) not in self.told:
                item = self._enqueue(event, CANARY_CONTACT, record.place, record.offset)
                self._begin(Message(CANARY_CONTACT, (item,)), now)
            return
        call = LateCall(event, record)
        if self.late.hold(call, now):
            self.pending.hold(event, record.place, record.offset)
        else:
            self._call(call, now)

    def _release(self, calls: list[LateCall], now: int) -> None:
        """Routes late calls whose incidents are not settled."""
        wanted: list[LateCall] = []
        for call in calls:
            if self.incidents.over(call.event, self.pending.newest[call.event.id]):
                logger.warning(
                    "alarm %s not sent: it ended or was acknowledged before any notification and is %s ms old",
                    number(call.event.id),
                    now - call.event.log_t,
                )
            else:
                wanted.append(call)

        def goes(event: AlarmEvent) -> bool:
            found = self.on_call.resolve(self._placed(event), now)
            return bool(found.contacts) or found.rota_empty or found.all_declined

        for call in merged_calls(wanted, self.pending.newest, goes):
            self._attempt(call.record, self._routing(call, now))
        for call in calls:
            self.pending.let_go(call.event, call.record.place, call.record.offset)

    def _placed(self, event: AlarmEvent) -> AlarmEvent:
        """Returns an event with the present ward and bed of its patient, who may have been moved since."""
        admission = self.patients.get(event.patient or "")
        if admission is None or event.ward is None:
            return event
        return msgspec.structs.replace(event, ward=admission.ward, bed=admission.bed)

    def _routing(self, call: LateCall, now: int) -> Callable[[Record], None]:
        return lambda _: self._call(call, now)

    def _call(self, call: LateCall, now: int) -> None:
        event, record = self._placed(call.event), call.record
        self._route_once(event, record.place, record.offset, now)
        if event.condition in EVERYBODYS and event.ward is None:
            # Every ward with patients must watch them at the bedside until the pipeline works again.
            for ward in sorted({a.ward for a in self.patients.values() if a.discharged is None and not a.canary}):
                self._route_once(msgspec.structs.replace(event, ward=ward), record.place, record.offset, now)
        if without_ward(event) and event.ward not in (None, self.on_call.technical_ward):
            self._route_once(msgspec.structs.replace(event, ward=None), record.place, record.offset, now)

    def _mind_the_pipeline(self, event: AlarmEvent) -> None:
        """Records whether the pipeline is stalled.

        The heartbeat then reports *silent*, and every bed's alarm signal shows it.
        """
        if event.condition == PIPELINE_STALLED:
            (self.stalled.discard if event.phase is Phase.END else self.stalled.add)(event.id)

    def _route_once(self, event: AlarmEvent, place: Place, offset: int, now: int) -> None:
        """Routes an event. One that was routed before goes to the recipients of that time, not to those on duty now."""
        recipients = self.steps.of(event)
        owed = [name for name in recipients if told(event, name) not in self.told]
        present = [contact for name in owed if (contact := self.on_call.on_duty(name, now)) is not None]
        for contact in present:
            self.queues.add(self._enqueue(event, contact, place, offset, recipients=recipients), now)
        if not present and not (recipients and self.steps.notified(event)):
            self._route(event, place, offset, now)

    def _route(self, event: AlarmEvent, place: Place, offset: int, now: int) -> None:
        found = self.on_call.resolve(event, now)
        if found.rota_empty and event.condition not in OWN:
            self._raise(rota_empty(event, event.ward or self.on_call.technical_ward, now))
        if found.all_declined and event.condition not in OWN:
            ward = event.ward or self.on_call.technical_ward
            self.declined.add(event, ward)
            self._raise(all_declined(event, ward, now))
        if found.rota_empty and not found.contacts:
            self._unreachable(event, now)
        if found.rota_empty and not self.on_call.default(event.ward or self.on_call.technical_ward):
            # The last contact on duty may be asleep by now.
            self.unrouted.add(event, place, offset)
        for kind, contacts in ((MessageKind.ALARM, found.contacts), (MessageKind.COURTESY, found.courtesy)):
            for contact in contacts:
                if told(event, contact.contact) not in self.told:
                    names = tuple(each.contact for each in contacts) if kind is MessageKind.ALARM else ()
                    self.queues.add(self._enqueue(event, contact, place, offset, kind=kind, recipients=names), now)

    def _enqueue(
        self,
        event: AlarmEvent,
        contact: Contact,
        place: Place,
        offset: int,
        *,
        kind: MessageKind = MessageKind.ALARM,
        recipients: tuple[str, ...] = (),
    ) -> Item:
        item = Item(event, contact, place, offset, self.clock(), kind, recipients)
        self.pending.add(item)
        self.told.add(told(event, contact.contact))
        return item

    def _begin(self, message: Message, now: int, *, again: bool = False) -> None:
        first = message.items[0]
        try:
            if first.kind is MessageKind.PROOF:
                texts = render(first, self.terms.links, now)
            else:
                setting = self.on_call.house.messages
                texts = compose(message, self.patients, self.incidents.active, self.terms.links, now, setting=setting)
                texts = said_late(late_words(message, self.terms.stale_ms, now), texts)
            texts = marked(message, texts, self.terms.links.wording)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception:
            # A message without particulars still calls a person to the alarm.
            logger.exception(
                "message to %s cannot be rendered; it is sent without particulars", message.contact.contact
            )
            texts = plain(message, self.terms.links.wording)
        self.delivery.begin(message, texts, now, again=again)

    def _repeat(self, now: int) -> None:
        """Retries items that no channel accepted, unless over and old; reroutes those whose contact is off duty.

        A step is not rerouted if another of its recipients was notified: one wrong number re-pages no shift.
        """
        items = []
        for item in self.retries.due(now):
            event, contact = item.event, item.contact.contact
            if item.kind is MessageKind.PROOF:
                if wanted(self.on_call.house, item, now):
                    self._begin(Message(item.contact, (item,)), now, again=True)
                continue
            present = CANARY_CONTACT if contact == CANARY else self.on_call.on_duty(contact, now)
            if self.late.late(event, now) and self.incidents.over(event, self.pending.newest[event.id]):
                logger.warning(
                    "alarm %s ended or was acknowledged before %s could be notified", number(event.id), contact
                )
                self.pending.close([item])
            elif present is None and self.steps.notified(event):
                logger.warning("alarm %s: %s is off duty, others were notified", number(event.id), contact)
                self.pending.close([item])
            elif present is None:
                logger.warning(
                    "alarm %s is routed to the contacts on duty now: %s is off duty", number(event.id), contact
                )
                self._route(event, item.place, item.offset, now)
                self.pending.close([item])
            else:
                items.append(replace(item, contact=present))
        newest, superseded = newest_items(items)
        self.pending.close(superseded)
        for message in merged(newest):
            self._begin(message, now, again=True)

    def _unreachable(self, event: AlarmEvent, now: int) -> None:
        error = "nobody is on duty and NOTIFY_DEFAULTS names nobody for this ward"
        logger.error("alarm %s reaches no contact: %s", number(event.id), error)
        if told(event, NOBODY) not in self.told:
            self.told.add(told(event, NOBODY))
            self._write(unsent(event, NOBODY, now, error))

    def _record(self, delivered: Delivered, now: int) -> None:
        if delivered.sent is None:
            self._fail(delivered, now)
            return
        for item, made in zip(delivered.message.items, notifications(delivered), strict=True):
            self._write(made)
            self.arrived(made)
            self.steps.take(made)
            self.reach.sent(made, item, now)
        if self.reach.reached(delivered.message.contact):
            self._end(delivered.message.contact.contact, now)

    def _end(self, contact: str, now: int) -> None:
        reached = self.self_alarms.reached(contact, now)
        if reached is not None:
            self._tell(reached)
            self._live(now)

    def _keep(self, standing: ContactStanding) -> None:
        self.writer.write((topics.CHANNELS, 0), standing_key(standing.contact).encode(), msgspec.json.encode(standing))

    def _fail(self, delivered: Delivered, now: int) -> None:
        """Records a failure and raises its alarm once, however often it recurs."""
        contact = delivered.message.contact.contact
        # A copy counts as no notification, so nothing is owed if it fails.
        copies = [item for item in delivered.message.items if item.kind is MessageKind.COURTESY]
        self.pending.close(copies)
        message = replace(delivered.message, items=tuple(i for i in delivered.message.items if i not in copies))
        if not message.items:
            return
        delivered = replace(delivered, message=message)
        self.retries.add(message, now)
        lead = message.items[0].event
        known = told(lead, contact) in self.failed
        level = logging.INFO if known else logging.ERROR
        logger.log(level, "notification to %s failed and will be retried: %s", contact, delivered.error)
        if not known and lead.condition != NOT_NOTIFIED and contact != CANARY:
            self._raise(not_notified(lead, contact, delivered.error or "", now))
        if delivered.no_channel and not known:
            for item in message.items:
                self._pass_on(item, now)
        for item, made in zip(message.items, notifications(delivered), strict=True):
            key = told(item.event, contact)
            if key not in self.failed:
                self.failed.add(key)
                self._write(made)

    def _pass_on(self, item: Item, now: int) -> None:
        """Queues an alarm for its next contact at once: the present one has no channel."""
        # Neither a copy nor a request for a proof is owed to another contact.
        owed = item.kind is MessageKind.ALARM and item.event.condition not in OWN
        if owed and item.contact.contact != CANARY:
            for contact in next_contacts(self.on_call, item.event, now, self.reach.reachable):
                if told(item.event, contact.contact) not in self.told:
                    self.queues.add(
                        self._enqueue(item.event, contact, item.place, item.offset, recipients=(contact.contact,)), now
                    )

    def _raise(self, event: AlarmEvent) -> None:
        begun = self.self_alarms.begin(event)
        if begun is not None:
            self._tell(begun)
            self._live(event.log_t)

    def _tell(self, event: AlarmEvent) -> None:
        # In the partition of the watchdog's alarms, which the equipment's shard reads for the ward page.
        place = (topics.ALARMS, self.terms.layout.partition(PIPELINE))
        self.writer.write(place, event.subject.encode(), encode(event))

    def _write(self, notification: Notification) -> None:
        place = (topics.NOTIFICATIONS, self.terms.layout.partition(notification.patient))
        self.writer.write(place, notification.patient.encode(), msgspec.json.encode(notification))

    def _commit(self) -> None:
        """Commits, per partition, up to the first alarm with a pending notification."""
        positions = self.pending.done(self._read)
        if positions != self._committed:
            self.reader.commit({p: o for p, o in positions.items() if o != self._committed.get(p)})
            self._committed = positions
