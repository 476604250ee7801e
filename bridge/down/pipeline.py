"""Kafka to gateways: rosters, actions, the notifier's heartbeat. One thread owns a `DownPipeline`."""

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
from vitals.actions import Act, Action
from vitals.admissions import Roster
from vitals.bounds import BoundError, decoded
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.status import Health, Heartbeat, Status
from vitals.wire import topics

RETAINED_S: Final = 1.0
"""Silence, s, after which all retained rosters have been received; MQTT does not mark the end of retained messages."""
RETAINED_MOST_S: Final = 10.0
STALE_MS: Final = 60_000
"""Age beyond which a heartbeat is dropped, ms: a gateway would take it as proof that the notifier is alive now."""
logger = logging.getLogger("bridge.down.pipeline")


class DownPipeline:
    """The bridge's downlink.

    Nothing is published before the whole of `patients` has been read. A roster made from part of it would remove
    patients from their monitors.

    Args:
        slots: Slots that this bridge serves.
        uplink: Site broker to which it publishes.
        metrics: Metrics.
    """

    def __init__(self, slots: frozenset[int], uplink: SiteBroker, metrics: Metrics) -> None:
        self._slots, self._site_broker, self._metrics = slots, uplink, metrics
        self._rosters = Rosters(slots)
        self._connected_at = self._found_at = -float("inf")
        self._has_found = False
        self._seen: set[str] = set()
        self._actions: deque[tuple[Action, bytes]] = deque()
        self._bridges: list[Status | Retired] = []
        self._publish: deque[tuple[str, str, bytes, bool]] = deque()

    def seen(self, gateway: str) -> None:
        """Notes a gateway that has sent a message."""
        if topics.slot(gateway) in self._slots:
            self._seen.add(gateway)

    def expected(self) -> list[str]:
        """Returns the gateways that have beds with patients."""
        return self._rosters.expected()

    def owner_of(self, action: Action) -> str | None:
        """Returns the gateway of an action's patient in any slot, or None if it is unknown. Safe from any thread."""
        return self._rosters.owner_of(action)

    def connected(self, is_connected: bool, at: float) -> None:
        """Notes, at monotonic time `at`, whether the broker is connected; a connection brings the retained rosters."""
        self._has_found = False
        self._connected_at = at if is_connected else float("inf")
        if not is_connected:
            self._rosters.lost()

    def puzzled(self) -> bool:
        """Returns whether a roster that this bridge did not publish was found since the last call."""
        return self._rosters.puzzled()

    def found(self, message: Message, at: float) -> None:
        """Applies a retained roster from the broker."""
        self._found_at = at
        try:
            roster = decoded(message.payload, Roster)
        except BoundError as error:
            logger.warning("%s holds no roster: %s; it is replaced when its beds change", message.topic, error)
            return
        if topics.gateway_topic(roster.gateway, "roster") == message.topic:
            self._rosters.found(roster)

    def received(self, record: ConsumedRecord, t: int) -> None:
        """Applies a record of `patients`, `actions` or `status`; logs and skips an unreadable one."""
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
                logger.exception("evaluating a record raised an exception")
            self._metrics.unreadable.labels(record.topic).inc()
            where = (record.topic, record.partition, record.offset)
            logger.error("%s, partition %d, offset %d cannot be used: %s", *where, error)

    def _said(self, status: Status, t: int) -> None:
        if status.kind == "bridge":
            self._bridges.append(status)
        else:
            self._beat(status, t)

    def bridges(self) -> list[Status | Retired]:
        """Returns the statuses and retirements of bridges read since the last call."""
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
        """Waits for the retained rosters; the broker has lost the missing ones, which are published again."""
        quiet = at - max(self._connected_at, self._found_at) >= RETAINED_S
        if not self._has_found and (quiet or at - self._connected_at >= RETAINED_MOST_S):
            self._has_found = True
            self._rosters.all_found()
        return self._has_found

    def work(self, caught_up: bool, at: float, is_read: bool = True) -> None:
        """Publishes the rosters and actions that are due; messages that the broker's client refuses stay queued.

        Args:
            caught_up: Whether all of `patients` has been read and the broker is connected.
            at: Monotonic time, s.
            is_read: Whether `patients` has been read up to its end at the time a foreign roster was found.
        """
        if not caught_up:
            return
        while self._actions:
            action, value = self._actions.popleft()
            gateway = self._rosters.gateway_of(action)
            # A mark changes no alarm, and a gateway of an earlier version cannot read it.
            if gateway and action.act is not Act.NOT_ACTIONABLE:
                self._publish.append(("actions", gateway, value, False))
        for roster in self._rosters.due(is_read) if self._knows_what_is_held(at) else ():
            self._publish.append(("roster", roster.gateway, msgspec.json.encode(roster), True))
        while self._publish:
            name, gateway, payload, retain = self._publish[0]
            if not self._site_broker.publish(topics.gateway_topic(gateway, name), payload, qos=1, retain=retain):
                return
            self._publish.popleft()
            self._metrics.down.labels(name).inc()
