"""From the log to gateways: rosters, actions, the notifier's heartbeat. One thread owns a `DownPipeline`."""

import logging
from collections import deque
from typing import Final

import msgspec

from bridge.down.rosters import Rosters
from bridge.kafka.port import ConsumedRecord
from bridge.liveness.bridges import Retired
from bridge.metrics import Metrics
from bridge.mqtt.packets import Message
from bridge.mqtt.site_broker import SiteBroker
from vitals.actions import Action
from vitals.admissions import Roster
from vitals.bounds import BoundError, decoded
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.status import Health, Heartbeat, Status
from vitals.wire import topics

RETAINED_S: Final = 1.0
"""The broker has sent what it holds when for so long nothing more of it has come; MQTT has no word for the end."""
RETAINED_MOST_S: Final = 10.0
STALE_MS: Final = 60_000
"""A heartbeat older than this is not passed on: it would tell a gateway that the notifier lives now."""
logger = logging.getLogger("bridge.down.pipeline")


class DownPipeline:
    """The bridge's way down.

    Nothing is published before the whole of `patients` has been read: a roster drawn from half of it would take
    patients off their monitors.

    Args:
        slots: Slots that this bridge serves.
        uplink: Where it publishes.
        meters: Metrics.
    """

    def __init__(self, slots: frozenset[int], uplink: SiteBroker, meters: Metrics) -> None:
        self._slots, self._site_broker, self._metrics = slots, uplink, meters
        self._rosters = Rosters(slots)
        self._connected_at = self._found_at = -float("inf")
        self._has_found = False
        self._seen: set[str] = set()
        self._actions: deque[tuple[Action, bytes]] = deque()
        self._bridges: list[Status | Retired] = []
        self._publish: deque[tuple[str, str, bytes, bool]] = deque()

    def seen(self, gateway: str) -> None:
        """Takes note of a gateway that has sent something."""
        if topics.slot(gateway) in self._slots:
            self._seen.add(gateway)

    def expected(self) -> list[str]:
        """Returns the gateways that have beds with patients."""
        return self._rosters.expected()

    def owner_of(self, action: Action) -> str | None:
        """Returns the gateway of an action's patient, of whatever slot; None of nobody. Safe from any thread."""
        return self._rosters.owner_of(action)

    def connected(self, is_connected: bool, at: float) -> None:
        """Takes note, at monotonic time `at`, of whether the broker is connected; it then sends what it holds."""
        self._has_found = False
        self._connected_at = at if is_connected else float("inf")
        if not is_connected:
            self._rosters.lost()

    def puzzled(self) -> bool:
        """Returns whether a roster that is not this bridge's was found since the last call."""
        return self._rosters.puzzled()

    def found(self, message: Message, at: float) -> None:
        """Takes a roster that the broker holds."""
        self._found_at = at
        try:
            roster = decoded(message.payload, Roster)
        except BoundError as error:
            logger.warning("%s holds no roster: %s; it is replaced when its beds change", message.topic, error)
            return
        if topics.gateway_topic(roster.gateway, "roster") == message.topic:
            self._rosters.found(roster)

    def received(self, record: ConsumedRecord, t: int) -> None:
        """Takes a record of `patients`, `actions` or `status`; one that cannot be read is logged and passed over."""
        try:
            if record.topic == topics.PATIENTS:
                self._rosters.apply(record.key.decode(), record.value)
            elif record.value is None:
                if record.topic == topics.STATUS:
                    self._bridges.append(Retired(record.key.decode()))
            elif record.topic == topics.ACTIONS:
                self._actions.append((decoded(record.value, Action), record.value))
            elif record.topic == topics.STATUS and b'"kind":"gateway"' not in record.value:
                self._said(decoded(record.value, Status), t)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            if not isinstance(error, ValueError):
                logger.exception("a record ends in an error")
            self._metrics.unreadable.labels(record.topic).inc()
            where = (record.topic, record.partition, record.offset)
            logger.error("%s, partition %d, offset %d cannot be used: %s", *where, error)

    def _said(self, status: Status, t: int) -> None:
        if status.kind == "bridge":
            self._bridges.append(status)
        else:
            self._beat(status, t)

    def bridges(self) -> list[Status | Retired]:
        """Returns what bridges have said since the last call, and who is gone for good."""
        said, self._bridges = self._bridges, []
        return said

    def _beat(self, status: Status, t: int) -> None:
        if status.kind != "notifier" or status.health is not Health.UP or t - status.t > STALE_MS:
            return
        payload = msgspec.json.encode(Heartbeat(status.t))
        for gateway in sorted(self._seen | set(self._rosters.expected())):
            self._site_broker.publish(topics.gateway_topic(gateway, "heartbeat"), payload)
        self._metrics.down.labels("heartbeat").inc()

    def _knows_what_is_held(self, at: float) -> bool:
        """Waits for the rosters that the broker holds; what is missing then was forgotten, and is said again."""
        quiet = at - max(self._connected_at, self._found_at) >= RETAINED_S
        if not self._has_found and (quiet or at - self._connected_at >= RETAINED_MOST_S):
            self._has_found = True
            self._rosters.all_found()
        return self._has_found

    def work(self, caught_up: bool, at: float, is_read: bool = True) -> None:
        """Publishes what is due; what the uplink does not take stays for the next time.

        Args:
            caught_up: Whether all of `patients` has been read, and there is a broker.
            at: Monotonic time, s.
            is_read: Whether what was in `patients` when a puzzling roster was found has been read.
        """
        if not caught_up:
            return
        while self._actions:
            action, value = self._actions.popleft()
            gateway = self._rosters.gateway_of(action)
            if gateway:
                self._publish.append(("actions", gateway, value, False))
        for roster in self._rosters.due(is_read) if self._knows_what_is_held(at) else ():
            self._publish.append(("roster", roster.gateway, msgspec.json.encode(roster), True))
        while self._publish:
            name, gateway, payload, retain = self._publish[0]
            if not self._site_broker.publish(topics.gateway_topic(gateway, name), payload, qos=1, retain=retain):
                return
            self._publish.popleft()
            self._metrics.down.labels(name).inc()
