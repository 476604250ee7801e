"""From gateways to the log: messages in, records out, acknowledged and confirmed once the log holds them.

One thread owns an `UpPipeline` and calls it at each event (`arrived`, `reported`, `work`) with the time: `at` is
monotonic, in seconds, for intervals; `t` is UTC epoch ms, for what is written.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

import msgspec

from bridge.kafka.port import DeliveryReport, Producer, Record
from bridge.liveness.bridges import Retired
from bridge.liveness.reporter import StatusReporter
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message, Receipt
from bridge.mqtt.site_broker import SiteBroker
from bridge.settings import Settings
from bridge.up import batching, kafka_records, validate
from bridge.up.acks import AckOrder, FairQueue
from bridge.up.columns import ColumnBuffer
from bridge.up.dedup import RepeatedBatches, SentBatch
from bridge.up.in_flight import InFlightRecords
from vitals.actions import Action
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT, describe_exception
from vitals.status import Status
from vitals.wire import topics
from vitals.wire.uplink_batch import BatchAck, ranges

logger = logging.getLogger("bridge.up.pipeline")
_encode = msgspec.json.Encoder().encode


class _InFlightMessage(msgspec.Struct):
    """A message not done with: where it came from, when, and what to confirm. Its bytes go once they are read."""

    message: Message | None
    at: float
    source: validate.Source | None
    receipt: Receipt | None
    number: validate.BatchId | None = None
    sent: SentBatch | None = None
    done: bool = False


class UpPipeline:
    """The bridge's way up.

    Args:
        settings: Settings.
        log: Where records go.
        uplink: Where messages come from, acknowledgements and confirmations go.
        meters: Metrics.
        owner_of: Tells the gateway of an action's patient, None when it knows of none; called on the owner's thread.
    """

    def __init__(
        self,
        settings: Settings,
        log: Producer,
        uplink: SiteBroker,
        meters: Metrics,
        owner_of: Callable[[Action], str | None] = lambda _: None,
    ) -> None:
        self._settings, self._site_broker, self._metrics, self._owner_of = settings, uplink, meters, owner_of
        self._slots = frozenset(settings.bridge_slots)
        self._in_flight: InFlightRecords[_InFlightMessage] = InFlightRecords(log, meters)
        self._reporter = StatusReporter(settings, self._in_flight)
        self._linger = batching.Linger(settings.linger_ms / 1000)
        self._queue: FairQueue[_InFlightMessage] = FairQueue(settings.gateway_window)
        self._ack_order: AckOrder[_InFlightMessage] = AckOrder()
        self._repeats = RepeatedBatches()
        self._gathered = ColumnBuffer()
        self._written: list[_InFlightMessage] = []
        self._refused: list[Record] = []
        self._confirm: dict[str, dict[str, list[int]]] = {}
        self._now = 0.0, 0

    @property
    def stalled(self) -> bool:
        """Whether the log takes nothing, so that nothing is taken from the broker either."""
        return self._in_flight.full

    @property
    def waiting(self) -> int:
        """Messages that are not done with, and those behind them; 0 when all is stored and acknowledged."""
        return len(self._ack_order)

    def oldest_s(self, at: float) -> float:
        """Returns for how long the oldest of these has waited, s; 0 when there is none."""
        oldest = self._ack_order.first()
        return at - oldest.at if oldest else 0.0

    def arrived(self, messages: Sequence[Message], at: float) -> None:
        """Takes messages from the broker. Each is read when its gateway's turn comes and the log has room."""
        for message in messages:
            source = validate.source(message.topic)
            # Only QoS 1 is held back by the broker while we do not acknowledge; QoS 0 must find room in the same bound.
            room = message.receipt is not None or len(self._ack_order) < self._settings.receive_maximum
            entry = _InFlightMessage(message, at, source, message.receipt)
            if source and source.slot not in self._slots:
                # A kept session remembers an earlier share of slots; the bridge that has them now confirms.
                entry.done = True
            elif not (room and self._queue.put(source.gateway if source else "", entry)):
                self._metrics.shed.inc()
                entry.done = True
            if room:
                self._ack_order.arrived(entry)
        self._acknowledge()

    def connected(self, is_connected: bool) -> None:
        """Takes note of whether the broker is connected.

        What was not read from a connection that is gone is forgotten: the broker or the gateway sends it again, and
        keeping both would let memory grow with every reconnection.
        """
        self._reporter.connected(is_connected)
        if not is_connected:
            for entry in self._queue.clear():
                entry.done, entry.message, entry.receipt = True, None, None
            self._acknowledge()

    def expect(self, gateways: Iterable[str], at: float) -> None:
        """Takes note of gateways that ought to be there."""
        for gateway in gateways:
            self._reporter.presence.expect(gateway, at)

    def peers(self, said: Iterable[Status | Retired], at: float) -> None:
        """Takes what bridges have said of themselves in the log, and who is gone for good."""
        for one in said:
            if isinstance(one, Status):
                self._reporter.peers.heard(one, at)
            else:
                self._reporter.forget(one.id)

    def reported(self, reports: Sequence[DeliveryReport], at: float) -> None:
        """Takes the log's reports: what is stored is acknowledged and confirmed."""
        was_at, t = self._now
        for gateway, offset in self._reporter.stored(reports, t + round(1000 * (at - was_at))).items():
            # QoS 0: one that is lost comes again within a minute, and an old one would only be less true.
            self._site_broker.publish(topics.gateway_topic(gateway, "clock"), _encode(offset))
        self._done(self._in_flight.reported(reports, at), at)

    def work(self, at: float, t: int) -> float:
        """Does all there is to do now; returns how long the next thing can wait, s, unless something happens."""
        self._now = at, t
        self._in_flight.push(at)
        self._reporter.listening(not self._in_flight.full, at)
        if not self._in_flight.full:
            self._reporter.report(at, t, len(self._ack_order))
        while not self._in_flight.full:
            while not self._enough and (entry := self._queue.take()) is not None:
                self._take(entry, at, t)
            if self._linger.wait_s(self._load, at) > 0:
                break
            self._write(at)
        self._publish_confirmed()
        self._metrics.waiting.set(len(self._queue))
        self._metrics.in_flight.set(self._in_flight.messages)
        self._metrics.stalled.set(self._in_flight.full)
        if self._in_flight.full:
            return self._in_flight.wait_s(at)
        return min(self._reporter.wait_s(at), self._linger.wait_s(self._load, at))

    @property
    def _enough(self) -> bool:
        return self._load >= batching.ENOUGH or self._in_flight.full

    @property
    def _load(self) -> int:
        return len(self._gathered) + len(self._refused)

    def _take(self, entry: _InFlightMessage, at: float, t: int) -> None:
        """Reads a message; one that nobody foresaw is refused, as it would end the next process, too."""
        message, entry.message = entry.message, None
        if message is None:
            return
        try:
            self._read(entry, message, at, t)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            logger.exception("a message on %s ends in an error, and is refused", message.topic)
            if entry.source is not None and entry.source.name == "vitals" and entry.number is None:
                # Confirmed like any that is refused: its gateway would send it for ever.
                entry.number = validate.head(message.payload)
            reason = f"cannot be read: {describe_exception(error)}"
            self._refuse(
                entry, (validate.Refusal(validate.RejectReason.RAISED, reason, message.payload),), message.topic, t
            )

    def _read(self, entry: _InFlightMessage, message: Message, at: float, t: int) -> None:
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

    def _read_batch(self, entry: _InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        digest, before = self._repeats.find(gateway, message.payload)
        if before is not None:
            # One on its way is confirmed when it is stored; acknowledged are both in the order of arrival.
            entry.number = before.number if before.stored else None
            self._metrics.repeats.inc()
            self._done((entry,), at)
            return
        taken = validate.take(gateway, message.payload)
        entry.number = taken.number
        if taken.batch is not None and taken.batch.size:
            if not taken.refusals:
                entry.sent = self._repeats.remember(digest, taken.number)
            self._gathered.add(taken.batch)
            self._written.append(entry)
        if taken.refusals:
            self._refuse(entry, taken.refusals, message.topic, t)
        elif taken.batch is None or not taken.batch.size:
            self._done((entry,), at)

    def _read_pressed(self, entry: _InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        """Passes on an acknowledgement that was given at a bed; its gateway tells it until it is back from the log."""
        action = validate.take_pressed(message.payload)
        # Whom nobody knows of may be admitted at this moment: it presses until the log has it.
        if not isinstance(action, validate.Refusal) and gateway not in {action.patient, self._owner_of(action)}:
            reason = f"action on {action.patient}, who is not at gateway {gateway}"
            action = validate.Refusal(validate.RejectReason.WRONG_NAME, reason, message.payload)
        if isinstance(action, validate.Refusal):
            self._refuse(entry, (action,), message.topic, t)
        else:
            record = kafka_records.action(action, self._settings.lanes, self._settings.partitions)
            self._in_flight.ship((record,), (entry,), at)

    def _read_rejected(self, entry: _InFlightMessage, gateway: str, message: Message, at: float, t: int) -> None:
        """Passes on what a gateway has refused itself."""
        found = validate.take_rejected(message.payload)
        if isinstance(found, validate.Refusal):
            self._refuse(entry, (found,), message.topic, t)
        elif found:
            self._metrics.rejected.labels(validate.RejectReason.GATEWAY.value).inc(len(found))
            self._refused += [kafka_records.dead_letter(gateway.encode(), one) for one in found]
            self._written.append(entry)
        else:
            self._done((entry,), at)

    def _pass_on(self, entry: _InFlightMessage, status: Status | None, at: float) -> None:
        self._metrics.statuses_in.inc()
        self._metrics.gateways.set(len(self._reporter.presence))
        if status is None:
            self._done((entry,), at)
        else:
            self._in_flight.ship([kafka_records.status(status)], (entry,), at)

    def _refuse(self, entry: _InFlightMessage, refusals: Iterable[validate.Refusal], topic: str, t: int) -> None:
        gateway = entry.source.gateway if entry.source else ""
        for refusal in refusals:
            self._metrics.rejected.labels(refusal.why.value).inc(max(1, refusal.readings))
            self._refused.append(kafka_records.rejected(topic, gateway, refusal, t))
        if not (self._written and self._written[-1] is entry):
            self._written.append(entry)

    def _write(self, at: float) -> None:
        """Ships what is gathered: readings and refusals together, as a batch is done when all of it is stored."""
        gathered, self._gathered = self._gathered, ColumnBuffer()
        written, self._written = self._written, []
        refused, self._refused = self._refused, []
        records = [
            kafka_records.lane_record(load, self._settings.partitions)
            for load in batching.lane_records(gathered, self._settings.lanes)
        ]
        self._metrics.batches_in.inc(len(written))
        self._metrics.readings_in.inc(len(gathered))
        self._linger.written(at)
        self._in_flight.ship([*records, *refused], written, at)

    def _done(self, entries: Sequence[_InFlightMessage], at: float) -> None:
        confirmed = 0
        for entry in entries:
            entry.done = True
            if entry.sent is not None:
                entry.sent.stored = True
            if entry.number and entry.source:
                outboxes = self._confirm.setdefault(entry.source.confirmed, {})
                outboxes.setdefault(entry.number.outbox, []).append(entry.number.n)
                self._metrics.confirm_s.observe(at - entry.at)
                confirmed += 1
        if confirmed:
            self._metrics.batches_confirmed.inc(confirmed)
        if entries:
            self._acknowledge()

    def _acknowledge(self) -> None:
        receipts = [entry.receipt for entry in self._ack_order.pop_acknowledgeable() if entry.receipt]
        if receipts:
            self._site_broker.ack(receipts)

    def _publish_confirmed(self) -> None:
        for topic, outboxes in self._confirm.items():
            for outbox, numbers in outboxes.items():
                # QoS 0: a confirmation that is lost costs one more sending of its batches, and no acknowledgement each.
                self._site_broker.publish(topic, _encode(BatchAck(outbox, ranges(numbers))))
        self._confirm.clear()
