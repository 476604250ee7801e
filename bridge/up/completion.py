"""Completion of messages: acknowledged in the order of arrival and confirmed, once Kafka has stored them."""

from collections.abc import Iterable

import msgspec

from bridge.metrics import Metrics
from bridge.mqtt.packets import Message, Receipt
from bridge.mqtt.site_broker import SiteBroker
from bridge.up.acks import AckOrder
from bridge.up.dedup import SentBatch
from bridge.up.validate import BatchId, Source
from vitals.wire.uplink_batch import BatchAck, ranges

_encode = msgspec.json.Encoder().encode


class InFlightMessage(msgspec.Struct):
    """An unfinished message: source, arrival time, batch to confirm. Its bytes are dropped once they are decoded."""

    message: Message | None
    at: float
    source: Source | None
    receipt: Receipt | None
    number: BatchId | None = None
    sent: SentBatch | None = None
    done: bool = False

    @property
    def gateway(self) -> str:
        """The gateway; empty if the topic names none."""
        return self.source.gateway if self.source else ""


class Completion:
    """Unfinished messages and confirmations to publish.

    Args:
        uplink: Site broker.
        metrics: Metrics.
    """

    def __init__(self, uplink: SiteBroker, metrics: Metrics) -> None:
        self._site_broker, self._metrics = uplink, metrics
        self._ack_order: AckOrder[InFlightMessage] = AckOrder()
        self._confirm: dict[str, dict[str, list[int]]] = {}

    def __len__(self) -> int:
        return len(self._ack_order)

    def oldest_s(self, at: float) -> float:
        """Returns the waiting time of the oldest unfinished message, s; 0 if there is none."""
        oldest = self._ack_order.first()
        return at - oldest.at if oldest else 0.0

    def arrived(self, entry: InFlightMessage) -> None:
        """Notes a message."""
        self._ack_order.arrived(entry)

    def dropped(self, entries: Iterable[InFlightMessage]) -> None:
        """Ends messages of a lost connection: they are neither acknowledged nor confirmed."""
        for entry in entries:
            entry.done, entry.message, entry.receipt = True, None, None
        self.acknowledge()

    def done(self, entries: Iterable[InFlightMessage], at: float) -> None:
        """Ends messages that are stored, and acknowledges those whose turn it is."""
        for entry in entries:
            entry.done = True
            if entry.sent is not None:
                entry.sent.stored = True
            if entry.number and entry.source:
                outboxes = self._confirm.setdefault(entry.source.confirmed, {})
                outboxes.setdefault(entry.number.outbox, []).append(entry.number.n)
                self._metrics.confirm_s.observe(at - entry.at)
                self._metrics.batches_confirmed.inc()
        self.acknowledge()

    def acknowledge(self) -> None:
        """Acknowledges all messages that are done, up to the first that is not."""
        receipts = [entry.receipt for entry in self._ack_order.pop_acknowledgeable() if entry.receipt]
        if receipts:
            self._site_broker.ack(receipts)

    def publish_confirmed(self) -> None:
        """Publishes the numbers of stored batches to their gateways."""
        for topic, outboxes in self._confirm.items():
            for outbox, numbers in outboxes.items():
                # QoS 0: a lost confirmation costs one resend of its batches; QoS 1 would cost an acknowledgement for
                # each.
                self._site_broker.publish(topic, _encode(BatchAck(outbox, ranges(numbers))))
        self._confirm.clear()
