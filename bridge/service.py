"""The running bridge: four threads around `UpPipeline` and `DownPipeline`.

The main thread owns `UpPipeline` and reads events from one queue. The network thread serves MQTT, the report thread
waits for Kafka's delivery reports, the down thread owns `DownPipeline`. Each hands over values and shares no state.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from queue import Empty, SimpleQueue
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry

from bridge.down.pipeline import DownPipeline
from bridge.health_server import serve
from bridge.kafka.client import KafkaConsumer, KafkaProducer, missing_topics, topics_or_wait
from bridge.kafka.port import Consumer, DeliveryReport, Producer
from bridge.liveness.bridges import Retired
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message
from bridge.mqtt.site_broker import MqttSiteBroker
from bridge.settings import Settings
from bridge.up import validate
from bridge.up.pipeline import UpPipeline
from vitals.runtime import daemon
from vitals.status import Status
from vitals.wire import topics

POLL_S: Final = 0.2
DRAIN_S: Final = 5.0
EVENTS: Final = 256
STUCK_S: Final = 10.0
KNOWN: Final = 1 << 17
T = TypeVar("T")
Event = list[Message] | bool | list[DeliveryReport] | list[str] | list[Status | Retired]
logger = logging.getLogger("bridge")


class Service:
    """A bridge, wired.

    Args:
        settings: Settings.
        log: Producer to which it writes.
        consumer: Topics `patients`, `actions` and `status`.
        metrics: Metrics.
    """

    def __init__(self, settings: Settings, log: Producer, consumer: Consumer, metrics: Metrics) -> None:
        self._settings, self._producer, self._consumer, self._metrics = settings, log, consumer, metrics
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._rosters: SimpleQueue[Message | bool] = SimpleQueue()
        self._gateways: SimpleQueue[str] = SimpleQueue()
        self._known: set[str] = set()
        self._put = self._taken = 0
        self._site_broker = MqttSiteBroker(settings, self._messages, self._connected)
        self._down_pipeline = DownPipeline(frozenset(settings.bridge_slots), self._site_broker, metrics)
        self._up_pipeline = UpPipeline(settings, log, self._site_broker, metrics, self._down_pipeline.owner_of)
        self._health: Mapping[str, object] = {"ok": False, "uplink": False, "kafka": False, "waiting": 0}
        self._online = False
        self._stopping = False

    def run(self, stop: threading.Event) -> None:
        """Runs until `stop` is set; then reads no more messages, and waits at most `DRAIN_S` for those in flight."""
        drained = threading.Event()
        network = threading.Thread(target=self._site_broker.run, args=(drained,), name="network")
        others = [
            threading.Thread(target=self._report, args=(drained,), name="reports"),
            threading.Thread(target=self._down, args=(stop,), name="down"),
        ]
        for thread in (network, *others):
            thread.start()
        try:
            while not stop.is_set():
                self._turn()
            self._stopping = True
            until = time.monotonic() + DRAIN_S
            while self._up_pipeline.waiting and time.monotonic() < until:
                self._turn()
        finally:
            drained.set()
            stop.set()
            for thread in (network, *others):
                thread.join(DRAIN_S)

    def health(self) -> Mapping[str, object]:
        """Returns the state that `/health` shows."""
        return self._health

    def _judge(self, at: float) -> Mapping[str, object]:
        kafka = not self._up_pipeline.stalled and self._up_pipeline.oldest_s(at) < STUCK_S
        return {
            "ok": self._online and kafka,
            "uplink": self._online,
            "kafka": kafka,
            "waiting": self._up_pipeline.waiting,
        }

    def _turn(self) -> None:
        """Does the work that is due, then waits for events and applies all of them."""
        wait_s = self._up_pipeline.work(time.monotonic(), daemon.now_ms())
        for event in take(self._events, min(wait_s, POLL_S), EVENTS):
            self._happened(event, time.monotonic())
        self._health = self._judge(time.monotonic())

    def _happened(self, event: Event, at: float) -> None:
        if isinstance(event, bool):
            self._up_pipeline.connected(event)
        elif event and isinstance(event[0], Message):
            messages = [e for e in event if isinstance(e, Message)]
            self._taken += len(messages)
            if not self._stopping:
                self._up_pipeline.arrived(messages, at)
        else:
            self._up_pipeline.reported([e for e in event if isinstance(e, DeliveryReport)], at)
            self._up_pipeline.expect([e for e in event if isinstance(e, str)], at)
            self._up_pipeline.peers([e for e in event if isinstance(e, Status | Retired)], at)

    # --- on the network thread

    def _messages(self, messages: list[Message]) -> None:
        found = []
        # The broker does not limit QoS 0, so messages beyond the bound are dropped; they were never acknowledged.
        full = self._put - self._taken > self._settings.receive_maximum
        for message in messages:
            if message.topic.endswith("/roster"):
                if message.receipt:
                    self._site_broker.ack((message.receipt,))
                self._rosters.put(message)
            elif full and message.receipt is None:
                self._metrics.shed.inc()
            else:
                if message.topic not in self._known:
                    self._meet(message.topic)
                found.append(message)
        self._put += len(found)
        self._events.put(found)

    def _meet(self, topic: str) -> None:
        if len(self._known) >= KNOWN:
            self._known.clear()
        self._known.add(topic)
        source = validate.source(topic)
        if source:
            self._gateways.put(source.gateway)

    def _connected(self, connected: bool) -> None:
        self._online = connected
        self._metrics.uplink.set(connected)
        if connected:
            self._metrics.connections.inc()
        self._events.put(connected)
        # One queue for both, since retained rosters may arrive before the event that the broker is connected.
        self._rosters.put(connected)

    # --- on the report thread

    def _report(self, drained: threading.Event) -> None:
        while not drained.is_set():
            reports = self._producer.poll(POLL_S)
            if reports:
                self._events.put(reports)

    # --- on the down thread

    def _down(self, stop: threading.Event) -> None:
        expected: list[str] = []
        while not stop.is_set():
            for record in self._consumer.poll(POLL_S):
                self._down_pipeline.received(record, daemon.now_ms())
            for message in _drain(self._rosters):
                if isinstance(message, Message):
                    self._down_pipeline.found(message, time.monotonic())
                else:
                    self._down_pipeline.connected(message, time.monotonic())
            if self._down_pipeline.puzzled():
                self._consumer.mark()
            for gateway in _drain(self._gateways):
                self._down_pipeline.seen(gateway)
            self._down_pipeline.work(
                self._consumer.caught_up() and self._online, time.monotonic(), self._consumer.at_mark()
            )
            if said := self._down_pipeline.bridges():
                self._events.put(said)
            if (now_expected := self._down_pipeline.expected()) != expected:
                expected = now_expected
                self._events.put(list(expected))


def take(queue: SimpleQueue[T], wait_s: float, most: int) -> list[T]:
    """Returns at most `most` items of a queue; waits for the first, at most `wait_s` seconds.

    Items removed from the queue are always returned: a lost event is a batch that is never confirmed.
    """
    found: list[T] = []
    try:
        found.append(queue.get(timeout=wait_s) if wait_s > 0 else queue.get_nowait())
        while len(found) < most:
            found.append(queue.get_nowait())
    except Empty:
        return found
    return found


def _drain(queue: SimpleQueue[T]) -> Iterator[T]:
    while not queue.empty():
        yield queue.get()


def start(settings: Settings, stop: threading.Event) -> int:
    """Runs a bridge on Kafka; returns its exit status."""
    metrics = Metrics(CollectorRegistry())
    failed: list[BaseException] = []

    def ended(fault: threading.ExceptHookArgs) -> None:
        # A bridge without one of its threads cannot work: it stops, so that the supervisor restarts it.
        logger.critical("thread %s failed", fault.thread and fault.thread.name, exc_info=fault.exc_value)
        failed.append(fault.exc_value or RuntimeError(str(fault.exc_type)))
        stop.set()

    threading.excepthook = ended
    wanted = {
        topic.name: settings.partitions if topic.by_lane else 1
        for topic in topics.TOPICS
        if topic.name in {topics.VITALS, topics.REJECTED, topics.STATUS, topics.PATIENTS, topics.ACTIONS}
    }
    if not topics_or_wait(lambda: missing_topics(settings.kafka(), wanted, POLL_S * 10), stop.wait):
        return 0
    now = daemon.now_ms()
    starts = {topics.PATIENTS: None, topics.ACTIONS: now - int(settings.actions_replay_s * 1000), topics.STATUS: now}
    log = KafkaProducer(settings.kafka(), settings.kafka_compression, settings.kafka_queue_mb)
    consumer = KafkaConsumer(settings.kafka(), starts)
    service = Service(settings, log, consumer, metrics)
    server = serve(settings.metrics_port, metrics.registry, service.health) if settings.metrics_port else None
    daemon.notify("READY=1")
    logger.info("bridge %s serves slots %s", settings.bridge, settings.bridge_slots)
    service.run(stop)
    daemon.notify("STOPPING=1")
    left = log.close(DRAIN_S)
    consumer.close()
    if server:
        server.shutdown()
    logger.info("bridge %s stopped; %d records were not stored, and their batches not confirmed", settings.bridge, left)
    return 1 if failed else 0
