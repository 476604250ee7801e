"""The notifier's loop: reads alarms, notifies contacts, and records each notification before it commits.

A notification is acknowledged by all replicas before the alarm's offset is committed, and an event that is read again
is recognised by that record. So no contact is notified twice, unless a crash falls between SNS's answer and the record.
That window cannot be closed, as SNS standard topics have no idempotency key. It holds at most NOTIFY_THREADS messages.

A message that no channel accepted is recorded as failed and remains pending. It is retried, also by the next run, until
SNS accepts it, or until its alarm has ended or was acknowledged, and is old. An alarm of an incident counts as ended
with the last active alarm of that incident, since the message is about all of them. After an outage
(`cloud.notify.routing.late_calls`) the same holds for an alarm that is read late.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import CommittingReader, KafkaUnavailableError, Place, Record, read_to_end
from cloud.notify.canary import NOBODY as CANARY_CONTACT
from cloud.notify.delivery.attempts import Delivery
from cloud.notify.delivery.notification_log import alarm_event, own_ids
from cloud.notify.delivery.pending import PendingOffsets
from cloud.notify.delivery.throttle import Message, RecipientQueues
from cloud.notify.follow_up.reach import Effects, Reach
from cloud.notify.known_records import KnownRecords
from cloud.notify.log_output import LogOutput
from cloud.notify.messages.proof_messages import ProofMessages
from cloud.notify.messages.templates import Links
from cloud.notify.router import Router
from cloud.notify.routing.late_calls import LateCalls
from cloud.notify.routing.on_call import OnCall
from cloud.notify.sender import Sender
from vitals.alarm_events import Phase, pages
from vitals.contacts import CANARY, Notification
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.signs import INDEX
from vitals.wire import topics

logger = logging.getLogger(__name__)
HOLD_BEATS: Final = 2
"""Intervals after a heartbeat for which the notifier may send; less than `cloud.notify.lease.BEATS`."""


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
    """Reads alarms; `router` queues them for their contacts, and `sender` sends and records the messages.

    Attributes:
        terms: Settings of the deployment.
        reader: Reads alarms, patients, contacts and notifications.
        output: Writes notifications, technical alarms and the heartbeat.
        on_call: Rotas and default contacts.
        queues: Items that wait for their recipient's rate limit.
        delivery: Messages in flight.
        clock: Wall clock, UTC epoch ms.
        arrived: Called with every notification that SNS accepted.
        reach: Standing of the contacts' channels.
        proofs: Requests for a proof at the begin of a duty.
    """

    terms: Terms
    reader: CommittingReader
    output: LogOutput
    on_call: OnCall
    queues: RecipientQueues
    delivery: Delivery
    clock: Callable[[], int]
    arrived: Callable[[Notification], None] = lambda _: None
    reach: Reach = field(default_factory=Reach)
    proofs: ProofMessages = field(default_factory=ProofMessages)
    known: KnownRecords = field(init=False)
    router: Router = field(init=False)
    sender: Sender = field(init=False)
    _read: dict[Place, int] = field(default_factory=dict)
    _committed: dict[Place, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = KnownRecords(self.on_call, self.reach)
        self.router = Router(self.known, self.output, self.queues, PendingOffsets(), LateCalls(self.terms.stale_ms))
        self.sender = Sender(self.terms.links, self.router, self.delivery, self.arrived)

    def start(self) -> None:
        """Rebuilds notifications, admissions and rotas from the log, then processes uncommitted alarms.

        Raises:
            KafkaUnavailableError: The log cannot be read.
        """
        places = [*self.terms.layout.places(topics.PATIENTS), (topics.CONTACTS, 0), (topics.CHANNELS, 0)]
        once = [*self.terms.layout.places(topics.NOTIFICATIONS), (topics.STATUS, 0)]
        past = read_to_end(self.reader, dict.fromkeys([*places, *once], 0))
        self.output.self_alarms.restore(own_ids(past))
        starts = dict.fromkeys(places, 0)
        for record in past:
            self._attempt(record, self._update_state)
            if record.place in starts:
                starts[record.place] = record.offset + 1
        self.known.open_channels(self.delivery)
        self._committed = self.reader.committed(self.terms.layout.places(topics.ALARMS))
        backlog = read_to_end(self.reader, self._committed)
        self._read = dict(self._committed)
        for record in backlog:
            self._attempt(record, self._take)
        self.router.release(self.router.late.all(), self.clock(), self._attempt)
        self.reader.assign(starts | self._read)
        logger.info("notifier ready", extra={"data": {"told": len(self.known.told), "backlog": len(backlog)}})

    def step(self, timeout_s: float) -> None:
        """Reads new records, sends due messages and records accepted ones.

        Raises:
            KafkaUnavailableError: The log cannot be read or written.
        """
        # Alarms last, so that they are routed by the newest rota and admissions.
        for record in sorted(self.reader.read(timeout_s), key=lambda r: r.topic == topics.ALARMS):
            self._attempt(record, self._take if record.topic == topics.ALARMS else self._update_state)
        self.known.open_channels(self.delivery)
        now = self.clock()
        self.router.release(self.router.late.due(now), now, self._attempt)
        for message in self.queues.due(now):
            self.sender.begin(message, now)
        self.sender.repeat(now)
        for request in self.proofs.due(now, self.delivery.limit // 2 - len(self.delivery)):
            self.sender.begin(request, now)
        done = list(self.delivery.collect(now))
        for delivered in done:
            self.sender.record(delivered, now)
        beat = now - self.output.beat >= self.terms.heartbeat_ms
        if beat:
            self._review(now)
        if done or beat:
            self.output.writer.flush()
        for delivered in done:
            if delivered.sent is not None:
                self.router.pending.close(delivered.message.items)
        if done or beat:
            self._commit()
        self._launch(now)

    def _review(self, now: int) -> None:
        self.reach.review(self.on_call, now, self._effects(now))
        for event in self.output.self_alarms.review(self.on_call, self.router.declined.wards(), now):
            self.output.alarm(event)
        self.router.route_unrouted(now)
        if self.terms.links.key is not None:
            self.proofs.review(self.on_call.house, self.known.told, now)
        self.output.heartbeat(now)

    def _launch(self, now: int) -> None:
        # One that was stopped for a while is fenced by now: it must not send before Kafka has accepted a heartbeat.
        if abs(self.clock() - self.output.beat) >= HOLD_BEATS * self.terms.heartbeat_ms:
            self.output.heartbeat(self.clock())
        self.delivery.launch(now)

    def _effects(self, now: int) -> Effects:
        return Effects(
            record=self.output.standing,
            write=self.output.notification,
            start=self.output.start,
            end=lambda contact: self.output.end(contact, now),
            pass_on=lambda item: self.router.pass_on(item, now),
            repeat=lambda item: self.sender.resend(item, now),
            forget=self.output.forget,
        )

    def _update_state(self, record: Record) -> None:
        self.known.apply(record, self.clock(), self.output.rejected)

    def _attempt(self, record: Record, apply: Callable[[Record], None]) -> None:
        """Applies a record. If it raises unexpectedly, it is rejected, as it would end the next process, too."""
        try:
            apply(record)
        except (*NOT_CAUSED_BY_INPUT, KafkaUnavailableError):
            raise
        except Exception as error:
            logger.exception("%s[%s]@%s raised while it was applied; it is rejected", *record.place, record.offset)
            self.output.reject(record, error, self.clock())

    def _take(self, record: Record) -> None:
        now = self.clock()
        event = alarm_event(record)
        self._read[record.place] = record.offset + 1
        if event is None:
            return
        self.output.follow(event)
        self.reach.recent.follow(event)
        if event.by:
            self.reach.answered(event.by)
            self.output.end(event.by, now)
        self.router.follow(event, record.place, now)
        canary = self.known.canary(event)
        # A canary's alarms are one incident that calls once an hour, and each of them proves the path.
        if not pages(event) and not (canary and event.phase is Phase.START):
            return
        if not canary:
            self.router.take(event, record, now)
        elif event.condition in INDEX and not self.known.was_told(event, CANARY):
            # Other events of a canary, such as its silent device, are sent to no contact.
            item = self.router.enqueue(event, CANARY_CONTACT, record, now)
            self.sender.begin(Message(CANARY_CONTACT, (item,)), now)

    def _commit(self) -> None:
        """Commits, per partition, up to the first alarm with a pending notification."""
        positions = self.router.pending.done(self._read)
        if positions != self._committed:
            self.reader.commit({p: o for p, o in positions.items() if o != self._committed.get(p)})
            self._committed = positions
