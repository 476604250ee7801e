"""Gateways to Kafka: messages in, records out, acknowledged and confirmed once Kafka has stored them.

One thread owns an `UpPipeline` and calls it at each event (`arrived`, `reported`, `work`) with the time: `at` is
monotonic, in seconds, for intervals; `t` is UTC epoch ms, for records.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bridge.kafka import outgoing_records
from bridge.kafka.port import DeliveryReport, Producer
from bridge.liveness.bridges import Retired
from bridge.liveness.reporter import StatusReporter
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message
from bridge.mqtt.site_broker import SiteBroker
from bridge.settings import Settings
from bridge.up import validate
from bridge.up.acks import FairQueue
from bridge.up.completion import Completion, InFlightMessage
from bridge.up.dedup import RepeatedBatches
from bridge.up.in_flight import InFlightRecords
from bridge.up.next_write import NextWrite
from vitals.actions import Action
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.status import Status
from vitals.wire import topics

logger = logging.getLogger("bridge.up.pipeline")
_encode = msgspec.json.Encoder().encode


class UpPipeline:
    """The bridge's uplink.

    Args:
        settings: Settings.
        log: Producer of records.
        uplink: Site broker, for acknowledgements and confirmations.
        metrics: Metrics.
        owner_of: Returns the gateway of an action's patient, None if it is unknown; called on the owner's thread.
    """

    def __init__(
        self,
        settings: Settings,
        log: Producer,
        uplink: SiteBroker,
        metrics: Metrics,
        owner_of: Callable[[Action], str | None] = lambda _: None,
    ) -> None:
        self._settings, self._site_broker, self._metrics, self._owner_of = settings, uplink, metrics, owner_of
        self._slots = frozenset(settings.bridge_slots)
        self._in_flight: InFlightRecords[InFlightMessage] = InFlightRecords(log, metrics)
        self._reporter = StatusReporter(settings, self._in_flight)
        self._next: NextWrite[InFlightMessage] = NextWrite(settings, metrics)
        self._queue: FairQueue[InFlightMessage] = FairQueue(settings.gateway_window)
        self._completion = Completion(uplink, metrics)
        self._repeats = RepeatedBatches()
        self._now = 0.0, 0

    @property
    def stalled(self) -> bool:
        """True while Kafka's queue is full, so that no message is read from the broker either."""
        return self._in_flight.full

    @property
    def waiting(self) -> int:
        """Number of unfinished messages and of those behind them; 0 if all is stored and acknowledged."""
        return len(self._completion)

    def oldest_s(self, at: float) -> float:
        """Returns the waiting time of the oldest unfinished message, s; 0 if there is none."""
        return self._completion.oldest_s(at)

    def arrived(self, messages: Sequence[Message], at: float) -> None:
        """Queues messages from the broker. Each is decoded at its gateway's turn, if Kafka's queue has room."""
        for message in messages:
            source = validate.source(message.topic)
            # While messages are unacknowledged the broker limits only QoS 1, so QoS 0 has the same bound here.
            room = message.receipt is not None or len(self._completion) < self._settings.receive_maximum
            entry = InFlightMessage(message, at, source, message.receipt)
            if source and source.slot not in self._slots:
                # A kept session holds messages of an earlier assignment of slots; the bridge that now has them
                # confirms.
                entry.done = True
            elif not (room and self._queue.put(entry.gateway, entry)):
                self._metrics.shed.inc()
                entry.done = True
            if room:
                self._completion.arrived(entry)
        self._completion.acknowledge()

    def connected(self, is_connected: bool) -> None:
        """Notes whether the broker is connected.

        Messages of a lost connection that were not decoded are dropped: the broker or the gateway sends them again, and
        keeping both would let memory grow with every reconnection.
        """
        self._reporter.connected(is_connected)
        if not is_connected:
            self._completion.dropped(self._queue.clear())

    def expect(self, gateways: Iterable[str], at: float) -> None:
        """Notes gateways that are expected."""
        for gateway in gateways:
            self._reporter.presence.expect(gateway, at)

    def peers(self, said: Iterable[Status | Retired], at: float) -> None:
        """Applies statuses of bridges from topic `status`, and retirements."""
        for one in said:
            if isinstance(one, Status):
                self._reporter.peers.heard(one, at)
            else:
                self._reporter.forget(one.id)

    def reported(self, reports: Sequence[DeliveryReport], at: float) -> None:
        """Applies delivery reports: stored messages are acknowledged and confirmed."""
        was_at, t = self._now
        for gateway, offset in self._reporter.stored(reports, t + round(1000 * (at - was_at))).items():
            # QoS 0: a lost offset is repeated within a minute, and a queued one would be outdated.
            self._site_broker.publish(topics.gateway_topic(gateway, "clock"), _encode(offset))
        self._completion.done(self._in_flight.reported(reports, at), at)

    def work(self, at: float, t: int) -> float:
        """Does all work that is due; returns the time until the next is due, s, unless an event occurs."""
        self._now = at, t
        self._in_flight.push(at)
        self._reporter.listening(not self._in_flight.full, at)
        if not self._in_flight.full:
            self._reporter.report(at, t, len(self._completion))
        while not self._in_flight.full:
            while not (self._next.enough or self._in_flight.full) and (entry := self._queue.take()) is not None:
                self._take(entry, at, t)
            if self._next.wait_s(at) > 0:
                break
            self._in_flight.ship(*self._next.take(at), at)
        self._completion.publish_confirmed()
        self._metrics.waiting.set(len(self._queue))
        self._metrics.in_flight.set(self._in_flight.messages)
        self._metrics.stalled.set(self._in_flight.full)
        if self._in_flight.full:
            return self._in_flight.wait_s(at)
        return min(self._reporter.wait_s(at), self._next.wait_s(at))

    def _take(self, entry: InFlightMessage, at: float, t: int) -> None:
        """Decodes a message; rejects one that raises an unforeseen exception, or every restart would end there."""
        message, entry.message = entry.message, None
        if message is None:
            return
        try:
            self._read(entry, message, at, t)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            logger.exception("decoding a message on %s raised an exception; rejected", message.topic)
            if entry.source is not None and entry.source.name == "vitals" and entry.number is None:
                # Confirmed like any rejected batch: its gateway would resend it for ever.
                entry.number = validate.head(message.payload)
            reason = f"cannot be read: {describe_exception(error)}"
            refusal = validate.Refusal(validate.RejectReason.RAISED, reason, message.payload)
            self._refuse(entry, (refusal,), message.topic, t)

    def _read(self, entry: InFlightMessage, message: Message, at: float, t: int) -> None:
        source = entry.source
        if source is None or source.name not in topics.UP:
            refusal = validate.Refusal(
                validate.RejectReason.TOPIC, "not the topic of a gateway in its slot", message.payload
            )
            self._refuse(entry, (refusal,), message.topic, t)
        elif source.name == "vitals":
            self._read_batch(entry, source.gateway, message, at, t)
        elif source.name == "status":
            status = validate.take_status(source.gateway, message.payload)
            if isinstance(status, validate.Refusal):
                self._refuse(entry, (status,), message.topic, t)
            else:
                self._pass_on(entry, self._reporter.heard(status, at, t), at)
        elif source.name == "pressed":
            self._read_pressed(entry, source.gateway, message, at, t)
        else:
            self._read_rejected(entry, source.gateway, message, at, t)

    def _read_batch(self, entry: InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        digest, before = self._repeats.find(gateway, message.payload)
        if before is not None:
            # A copy in flight is confirmed once it is stored; both are acknowledged in the order of arrival.
            entry.number = before.number if before.stored else None
            self._metrics.repeats.inc()
            self._completion.done((entry,), at)
            return
        taken = validate.take(gateway, message.payload)
        entry.number = taken.number
        if taken.batch is not None and taken.batch.size:
            if not taken.refusals:
                entry.sent = self._repeats.remember(digest, taken.number)
            self._next.add(taken.batch, entry)
        if taken.refusals:
            self._refuse(entry, taken.refusals, message.topic, t)
        elif taken.batch is None or not taken.batch.size:
            self._completion.done((entry,), at)

    def _read_pressed(self, entry: InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        """Forwards an action of a bed's button; its gateway resends it until it returns from Kafka."""
        action = validate.take_pressed(message.payload)
        # An unknown patient may be admitted just now: the gateway resends the action until Kafka has it.
        if not isinstance(action, validate.Refusal) and gateway not in {action.patient, self._owner_of(action)}:
            reason = f"action on {action.patient}, who is not at gateway {gateway}"
            action = validate.Refusal(validate.RejectReason.WRONG_NAME, reason, message.payload)
        if isinstance(action, validate.Refusal):
            self._refuse(entry, (action,), message.topic, t)
        else:
            record = outgoing_records.action(action, self._settings.lanes, self._settings.partitions)
            self._in_flight.ship((record,), (entry,), at)

    def _read_rejected(self, entry: InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        """Forwards dead letters of a gateway."""
        found = validate.take_rejected(message.payload)
        if isinstance(found, validate.Refusal):
            self._refuse(entry, (found,), message.topic, t)
        elif found:
            self._metrics.rejected.labels(validate.RejectReason.GATEWAY.value).inc(len(found))
            self._next.add_dead_letters(found, gateway, entry)
        else:
            self._completion.done((entry,), at)

    def _pass_on(self, entry: InFlightMessage, status: Status | None, at: float) -> None:
        self._metrics.statuses_in.inc()
        self._metrics.gateways.set(len(self._reporter.presence))
        if status is None:
            self._completion.done((entry,), at)
        else:
            self._in_flight.ship([outgoing_records.status(status)], (entry,), at)

    def _refuse(self, entry: InFlightMessage, refusals: Iterable[validate.Refusal], topic: str, t: int) -> None:
        self._next.refuse(refusals, entry.gateway, topic, t, entry)
