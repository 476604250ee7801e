"""What the bridge says of its own accord: heartbeats into every lane, its own state, and who has fallen silent."""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import msgspec

from bridge.kafka.port import DeliveryReport, Record
from bridge.liveness.bridges import BridgeLiveness
from bridge.liveness.clock_offsets import ClockOffsets
from bridge.liveness.gateways import GatewayLiveness
from bridge.liveness.kafka_clock import KafkaClock
from bridge.settings import Settings
from bridge.up import kafka_records
from vitals.alarm_events import alarm_id
from vitals.status import BRIDGE_CLOCK, ClockOffset, Health, Status

HEARTBEAT_S: Final = 1.0


class Ship(Protocol):
    """The way of a record into the log."""

    def ship(self, records: tuple[Record, ...], messages: tuple[()], at: float) -> range:
        """Ships records that no message waits for; returns their numbers."""

    def holds(self, number: int) -> bool:
        """Returns whether a record is not stored yet."""


class StatusReporter:
    """The bridge's own voice; `at` is monotonic, s, and `t` UTC epoch ms.

    Args:
        settings: Settings.
        ship: Where records go.
    """

    def __init__(self, settings: Settings, ship: Ship) -> None:
        self._settings, self._ship = settings, ship
        self.presence = GatewayLiveness(settings.status_timeout_s)
        self.peers = BridgeLiveness(settings.bridge, settings.status_timeout_s)
        self.clock = KafkaClock()
        self._offsets = ClockOffsets()
        self._answers: dict[str, tuple[float, ClockOffset]] = {}
        self._heartbeats: dict[int, int] = {}
        self._beaten: dict[int, int] = {}
        self._proofs: dict[int, float] = {}
        self._heartbeat_at = self._status_at = -float("inf")
        self._connected = False
        self._deaf_since: float | None = None

    def connected(self, is_connected: bool) -> None:
        """Takes note of whether the broker is connected."""
        self._connected = is_connected

    def listening(self, has_room: bool, at: float) -> None:
        """Takes note of whether gateways can be heard: with a full log nothing is taken from the broker."""
        self.presence.listening(self._connected and has_room, at)

    def heard(self, status: Status, at: float, t: int) -> Status | None:
        """Takes a gateway's status; returns it as it is to be told: with the bridge's time, and its clock's offset."""
        if status.health is Health.UP and not self.clock.off_since:
            answer = self._offsets.heard(status.id, status.sent, at, t)
            if answer is not None:
                self._answers[status.id] = at, answer
        measured = msgspec.structs.replace(status, offset_ms=self._offsets.of(status.id))
        return self.presence.heard(measured, at, self.clock.true(t))

    def stored(self, reports: Sequence[DeliveryReport], t: int) -> dict[str, ClockOffset]:
        """Takes the log's reports: by those of its heartbeats the bridge knows how its own clock stands.

        Returns:
            By gateway, the offset that it is to be told: measured before a heartbeat that shows that the bridge's own
            clock is right.
        """
        self.clock.stored(self._beaten, reports, t)
        never = proven = -float("inf")
        for report in reports:
            self._beaten.pop(report.number, None)
            sent_at = self._proofs.pop(report.number, never)
            proven = max(proven, never if report.error else sent_at)
        if self.clock.off_since:
            self._answers.clear()
            self._offsets.begin_anew()
        due = {gateway: answer for gateway, (at, answer) in self._answers.items() if at <= proven}
        for gateway in due:
            del self._answers[gateway]
        return due

    def forget(self, name: str) -> None:
        """Forgets a gateway or bridge that is gone for good."""
        self.presence.forget(name)
        self.peers.forget(name)
        self._offsets.forget(name)
        self._answers.pop(name, None)

    def wait_s(self, at: float) -> float:
        """Returns when to speak again, s from now."""
        return max(0.0, min(self._heartbeat_at + HEARTBEAT_S, self._status_at + self._settings.status_every_s) - at)

    def report(self, at: float, t: int, waiting: int) -> None:
        """Writes what is due; `waiting` is how many messages are not done with."""
        if at >= self._heartbeat_at + HEARTBEAT_S:
            self._heartbeat_at = at
            self._beat(at, t)
        true = self.clock.true(t)
        self._tell((*self.presence.silent(at, true), *self.peers.lost(at, true)), at)
        if at >= self._status_at + self._settings.status_every_s:
            self._status_at = at
            self._tell((self._own(self._judge(at), true, waiting),), at)

    def _beat(self, at: float, t: int) -> None:
        for lane in range(self._settings.lanes):
            # One at a time: heartbeats that queue behind a slow log would tell of times long past.
            if not self._ship.holds(self._heartbeats.get(lane, 0)):
                beat = kafka_records.heartbeat(lane, self._settings.partitions)
                (number,) = self._ship.ship((beat,), (), at)
                self._heartbeats[lane], self._beaten[number], self._proofs[number] = number, t, at

    def _tell(self, statuses: Iterable[Status], at: float) -> None:
        for status in statuses:
            self._ship.ship((kafka_records.status(status),), (), at)

    def _judge(self, at: float) -> Health:
        """Up while it hears its gateways; a start, or a broker that is back at once, is no silence yet."""
        if self._connected:
            self._deaf_since = None
            return Health.UP
        self._deaf_since = at if self._deaf_since is None else self._deaf_since
        return Health.SILENT if at - self._deaf_since >= self._settings.status_timeout_s else Health.UP

    def _own(self, health: Health, t: int, waiting: int) -> Status:
        name, mine, slots = self._settings.bridge, self.presence.gateways(), self._settings.bridge_slots
        off = self.clock.off_since
        return Status(
            id=name,
            kind="bridge",
            health=health,
            t=t,
            backlog=waiting,
            devices=mine,
            alarms=(alarm_id(name, BRIDGE_CLOCK, off),) if off else (),
            slots=slots,
            offset_ms=self.clock.offset_ms,
        )
