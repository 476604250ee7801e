"""The gateway's loop: receive, filter, alarm, commit, acknowledge, send.

One thread owns the database, the filter's state and the engine. Devices and uplink reach it through the event queue.
A reading is acknowledged only after the commit that holds it; its alarm does not wait for that commit.
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Final

import msgspec

from edge.alarm.unassigned_devices import UnassignedDevices
from edge.clock.boot_clock import Boot, this_boot
from edge.clock.synchronisation import synchronised
from edge.devices.alarm_signal import Signal, signal
from edge.devices.driver import (
    AckButton,
    AlarmIndicators,
    Delivered,
    DeviceMessage,
    Driver,
    NamedPatients,
    Presence,
    RefusedMessage,
    StandbyButton,
)
from edge.event_queue import EventQueue
from edge.ingest.decode import DecodedMessage, refused
from edge.ingest.urgency import UrgencyCheck
from edge.metrics import Metrics
from edge.pipeline import Pipeline
from edge.recovery import recover
from edge.settings import Settings
from edge.status import health
from edge.status.report import offline
from edge.storage import Storage
from edge.store.damaged.rescue import Rescue
from edge.store.outbox import Outbox
from edge.uplink.client import ConnectionChange, DownlinkMessage, UplinkPort
from edge.uplink.send_scheduler import SendScheduler
from vitals import readings as columns
from vitals.bounds import BoundError, decoded
from vitals.engine.constants import GATEWAY_DOWN
from vitals.runtime import daemon
from vitals.status import ClockOffset

log = logging.getLogger(__name__)

ENOUGH: Final = 1_000
"""Queue length from which calm messages wake the loop."""
SECOND_S: Final = 1.0
DRAIN_TICK_S: Final = 0.02
CLOCK: Final = "clock"
PATIENT: Final = frozenset(("confirmed", "heartbeat", CLOCK))
"""Downlink messages that do not wake the loop."""

Button = AckButton | StandbyButton
Item = DecodedMessage | NamedPatients | Presence | Button | ConnectionChange | DownlinkMessage


class Gateway:
    """One running gateway.

    Args:
        settings: Settings.
        outbox: Opened outbox.
        drivers: Sources of readings.
        lights: Alarm indicators.
        metrics: Metrics.
        now_ms: System clock, UTC epoch ms.
        boot: Returns the machine's boot for a given time of that clock.
        settled: Returns whether time synchronisation reports that clock as set.
        monotonic: Monotonic clock, s.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        drivers: Sequence[Driver],
        lights: AlarmIndicators,
        *,
        metrics: Metrics,
        now_ms: Callable[[], int],
        boot: Callable[[int], Boot] = this_boot,
        settled: Callable[[], bool] = synchronised,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        clock_s, is_set = monotonic(), settled()
        self._settings, self._drivers, self._indicators = settings, drivers, lights
        self._metrics, self._now_ms, self._monotonic, self._keeper = metrics, now_ms, monotonic, settled
        self._outbox_id, self._linger = outbox.id, settings.commit_linger_ms > 0
        # Before the recovery, which needs the oldest row that only a damaged outbox has.
        rescue = Rescue(settings.edge_data, outbox, settings.gateway)
        parts = recover(settings, outbox, metrics, now_ms, boot, clock_s=clock_s, settled=is_set)
        self._clock, self._ingest, self._reporter = parts.clock, parts.ingest, parts.reporter
        self._side_messages, self._down, self._commits = parts.side_messages, parts.downlink, parts.commits
        self._alarms = parts.downlink.alarms
        self._urgency, self._unassigned = UrgencyCheck(), UnassignedDevices()
        self.events: EventQueue[Item] = EventQueue(ENOUGH)
        self._scheduler = SendScheduler(settings.backlog_per_s, self._commits.unconfirmed.after)
        self._storage = Storage(settings, rescue, self._commits, self._reporter, self._scheduler, metrics=metrics)
        self._pipeline = Pipeline(
            self._ingest,
            self._urgency,
            self._alarms,
            self._commits,
            self._reporter,
            self._side_messages,
            self._unassigned,
        )
        self._place(self._clock.now)
        self._side_messages.pressed(self._alarms.standbys_of_beds(), clock_s)
        self._uplink = False
        self._second_at = self._status_at = 0.0

    def receive(self, item: Delivered | ConnectionChange | DownlinkMessage) -> None:
        """Enqueues an item from a driver or the uplink; safe from any thread."""
        if isinstance(item, DeviceMessage):
            heard, hurries = self._urgency.hear(item)
            self.events.put(heard, hurries=hurries or not self._linger)
        elif isinstance(item, RefusedMessage):
            self.events.put(refused(item.message, item.reason), hurries=not self._linger)
        else:
            self.events.put(item, hurries=not (isinstance(item, DownlinkMessage) and item.name in PATIENT))

    def run(self, uplink: UplinkPort, stop: Event) -> None:
        """Runs until the event is set, then drains.

        Raises:
            sqlite3.DatabaseError: The outbox is damaged; the caller starts a new gateway with a new outbox.
        """
        uplink.start()
        for driver in self._drivers:
            driver.start(self.receive)
        daemon.notify("READY=1")
        log.info("gateway up", extra={"data": {"gateway": self._settings.gateway, "outbox": self._outbox_id}})
        try:
            self._loop(uplink, stop)
            daemon.notify("STOPPING=1")
            self._drain(uplink)
        finally:
            self._storage.close()
            goodbye = offline(self._settings.gateway, self._clock.now)
            uplink.stop(msgspec.json.encode(goodbye), self._settings.drain_s)
        log.info("gateway down", extra={"data": {"backlog": len(self._commits.unconfirmed)}})

    def _loop(self, uplink: UplinkPort, stop: Event) -> None:
        try:
            while not stop.is_set():
                self.events.wait(self._wait_s(self._monotonic()))
                self.cycle(uplink, self._monotonic())
        finally:
            gateway = self._settings.gateway
            self._indicators.show(gateway, msgspec.json.encode(down(gateway, self._clock.now)))
            for driver in self._drivers:
                driver.stop()

    def cycle(self, uplink: UplinkPort, clock_s: float, *, seal: bool = False) -> None:
        """Runs one turn of the loop.

        Args:
            uplink: Uplink to publish to.
            clock_s: Monotonic clock, s.
            seal: Whether open readings become a batch now, at any age, and all of it is committed.
        """
        items = self.events.drain()
        self._follow_clock_step(
            [item for item in items if isinstance(item, DownlinkMessage) and item.name == CLOCK], clock_s
        )
        now = self._clock.now
        self._take(items, now, clock_s)
        if clock_s - self._second_at >= SECOND_S:
            self._second_at = clock_s
            self._each_second(now, clock_s)
        if clock_s - self._status_at >= self._settings.status_s:
            self._status_at = clock_s
            self._report(uplink, now, clock_s)
        self._show(now, clock_s)
        self._scheduler.sealed(self._commits.seal(now, clock_s, up=self._uplink, force=seal))
        self._send(uplink, clock_s)
        self._storage.turn(now, self._now_ms(), clock_s, up=self._uplink, force=seal)

    def _wait_s(self, clock_s: float) -> float:
        """Returns the seconds until the next scheduled work; only an urgent item is sooner."""
        second_s = self._second_at + SECOND_S - clock_s
        return max(0.0, min(second_s, self._scheduler.wait_s(clock_s), self._storage.wait_s(clock_s)))

    def _follow_clock_step(self, answers: list[DownlinkMessage], clock_s: float) -> None:
        machine = self._now_ms()
        for answer in answers:
            try:
                self._clock.told(decoded(answer.payload, ClockOffset), machine, clock_s)
            except BoundError as error:
                self._metrics.down_invalid.labels(CLOCK).inc()
                log.error("clock answer of the bridge is invalid: %s", error)
        settled = self._clock.settled or (clock_s - self._second_at >= SECOND_S and self._keeper())
        jump_ms = self._clock.turn(machine, clock_s, settled=settled)
        if jump_ms:
            log.warning("the clock was set", extra={"data": {"jump_ms": jump_ms}})
            # The devices' clocks did not move: their offsets are relative to the gateway's clock.
            self._ingest.rebase(jump_ms)
            self._alarms.rebase(jump_ms)
            self._reporter.rebase(jump_ms)
            self._unassigned.rebase(jump_ms)
            self._commits.rebase(jump_ms)
        self._commits.hold(held=not self._clock.stands)

    def _take(self, items: list[Item], now: int, clock_s: float) -> None:
        arrived = self._clock.arrived
        heard = [
            item._replace(delivery=item.delivery._replace(t_gw=arrived(item.delivery.t_gw)))
            for item in items
            if isinstance(item, DecodedMessage)
        ]
        for item in items:
            if isinstance(item, Presence):
                self._reporter.devices.present(item.device, item.online)
            elif isinstance(item, NamedPatients):
                self._reporter.devices.named(item.device, item.patients)
                # A contradiction to the admission is reported at once.
                self._status_at = -self._settings.status_s
            elif isinstance(item, AckButton | StandbyButton):
                self._pressed(item, now, clock_s)
            elif isinstance(item, ConnectionChange):
                self._uplink = item.up
                self._clock.link(up=item.up, clock_s=clock_s)
                (self._scheduler.connected if item.up else self._scheduler.disconnected)()
                if item.up:
                    self._unassigned.link(clock_s)
                    # A status goes out at once: the bridge answers it with its time.
                    self._status_at = -self._settings.status_s
                    self._commits.flush_now()
                    self._side_messages.reconnected()
            elif isinstance(item, DownlinkMessage) and item.name != CLOCK:
                self._apply_downlink(item, now, clock_s)
        if heard:
            self._pipeline.take(heard, self._down.assignments, now, clock_s)

    def _pressed(self, press: Button, now: int, clock_s: float) -> None:
        if isinstance(press, StandbyButton):
            done = self._alarms.stand_by(press.bed, press.payload, secrets.token_hex(8), now)
            self._side_messages.pressed(done, clock_s)
        elif press.bed == self._settings.gateway:
            self._reporter.own.acknowledge_all()
        else:
            self._side_messages.pressed(self._alarms.pressed(press.bed, secrets.token_hex(8), now), clock_s)

    def _apply_downlink(self, item: DownlinkMessage, now: int, clock_s: float) -> None:
        kept = self._down.take(item, now, clock_s)
        if kept.confirmed:
            self._metrics.confirmed.inc(self._commits.unconfirmed.confirmed(kept.confirmed))
            self._scheduler.confirmed(kept.confirmed)
        if kept.roster is not None:
            self._commits.apply_roster(kept.roster)
            self._place(now)

    def _place(self, now: int) -> None:
        self._pipeline.place(self._down.assignments)
        self._unassigned.place(self._down.assignments, now)

    def _each_second(self, now: int, clock_s: float) -> None:
        daemon.notify("WATCHDOG=1")
        self._indicators.repeat()
        self._alarms.advance(columns.empty(), now)
        self._unassigned.each_second(now)
        beyond = self._unassigned.beyond()
        self._reporter.unassigned(beyond, self._unassigned.told(beyond, now, clock_s), now)
        self._reporter.judge(self._commits, now, clock_s, unset=self._clock.unset)
        if self._clock.stands:
            self._reporter.clocks.judge(self._ingest.clocks(), clock_s)

    def _show(self, now: int, clock_s: float) -> None:
        for lit in self._alarms.signals(now, paged=self._reporter.paged(clock_s), twice=self._reporter.twice):
            self._commits.pressing = True
            self._indicators.show(lit.bed, msgspec.json.encode(lit))
        if self._reporter.own.changed:
            self._reporter.own.changed = False
            gateway = self._settings.gateway
            told = signal(gateway, self._reporter.own.active(), now, paged=self._reporter.paged(clock_s))
            self._indicators.show(gateway, msgspec.json.encode(told))

    def _report(self, uplink: UplinkPort, now: int, clock_s: float) -> None:
        machine = self._now_ms()
        alarms = {a.id: a.text for a in (*self._alarms.active(), *self._reporter.own.active())}
        status = self._reporter.status(
            self._commits,
            self._down.assignments,
            clocks=self._ingest.clocks(),
            alarms=alarms,
            now=now,
            sent=machine,
            settled=self._clock.settled,
        )
        self._alarms.report(status, now)
        self._reporter.write(
            status,
            uplink=self._uplink,
            roster=self._down.assignments.roster.version,
            alarms=alarms,
            standbys={bed: (c.until, c.by) for bed, c in self._alarms.countdowns().items()},
        )
        if self._uplink:
            self._clock.sent(machine, clock_s)
            uplink.publish("status", self._reporter.told(status))
        self._metrics.backlog.set(status.backlog)
        self._metrics.backlog_bytes.set(status.backlog_bytes)
        self._metrics.uplink.set(self._uplink)
        self._metrics.passed_over.set(self._alarms.passed_over)
        self._metrics.alarms.set(len(alarms))

    def _send(self, uplink: UplinkPort, clock_s: float) -> None:
        if self._uplink:
            for name, told in self._side_messages.due(clock_s):
                uplink.publish(name, told)
        for n in self._scheduler.due(clock_s):
            payload = self._commits.unconfirmed.payload(n)
            if payload is None:
                self._scheduler.gone(n)
            else:
                self._commits.unconfirmed.offered(n, clock_s)
                uplink.publish("vitals", payload)
                self._metrics.published.inc()

    def _drain(self, uplink: UplinkPort) -> None:
        """Seals open readings and waits at most `drain_s` until all is confirmed; the rest is sent after a restart."""
        deadline = self._monotonic() + self._settings.drain_s
        self.cycle(uplink, self._monotonic(), seal=True)
        waits = self._commits
        while self._uplink and (len(waits.unconfirmed) or waits.shelved) and self._monotonic() < deadline:
            self.events.wait(DRAIN_TICK_S)
            self.cycle(uplink, self._monotonic())
        self.cycle(uplink, self._monotonic(), seal=True)


def down(gateway: str, now: int) -> Signal:
    """Returns the signal of the gateway's own light while the gateway is down: last will and final message."""
    return signal(gateway, [health.own(gateway, GATEWAY_DOWN, now)], now)
