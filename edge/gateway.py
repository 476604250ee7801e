"""The gateway's one loop: take, judge, alarm, commit, acknowledge, send.

One thread owns the database, the filter's memory and the engine. Devices and the uplink speak to it through the inbox.
A reading is acknowledged only after the commit that holds it, and its alarm does not wait for that commit.
"""

import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from threading import Event
from typing import Final, Protocol

import msgspec

from edge import clock, health
from edge.acceptance import Acceptance, accepted_so_far
from edge.downlink import CLOCKS, Downlink
from edge.driver import Delivery, Driver, Lights, Presence, Pressed
from edge.inbox import Inbox
from edge.intake import Intake, kind_of
from edge.local import Signal, signal
from edge.metrics import Metrics
from edge.outbox import Outbox
from edge.report import Reporter, offline, suspects
from edge.sender import Sender
from edge.settings import Settings
from edge.uplink import Down, Link
from vitals import daemon, scoring
from vitals import readings as columns
from vitals.readings import Readings
from vitals.status import Rejected

log = logging.getLogger(__name__)

TICK_S: Final = 0.1
GROUP: Final = 2_000
"""The most messages of one commit."""
SECOND_S: Final = 1.0
TRIM_TO: Final = 0.95
TRIMMED: Final = "trimmed"
"""Key under which the outbox counts what was dropped."""
RETRY_S: Final = 1.0
"""Pause after a commit that failed."""

Item = Delivery | Presence | Pressed | Link | Down


class Up(Protocol):
    """The uplink, as the loop needs it."""

    def start(self) -> None:
        """Begins to connect."""

    def publish(self, name: str, payload: bytes) -> None:
        """Publishes to one of `topics.UP`."""

    def stop(self, goodbye: bytes, timeout_s: float) -> None:
        """Publishes a last status, and disconnects."""


class Gateway:
    """Everything of one running gateway.

    Args:
        settings: Its settings.
        outbox: Its outbox, opened.
        drivers: Where readings come from.
        lights: Where alarms are shown.
        metrics: What is counted.
        now_ms: Wall clock, UTC epoch ms.
    """

    def __init__(
        self,
        settings: Settings,
        outbox: Outbox,
        drivers: Sequence[Driver],
        lights: Lights,
        *,
        metrics: Metrics,
        now_ms: Callable[[], int],
    ) -> None:
        now = now_ms()
        self._settings, self._outbox, self._drivers, self._lights = settings, outbox, drivers, lights
        self._metrics, self._now_ms = metrics, now_ms
        self.inbox: Inbox[Item] = Inbox()
        ledger = accepted_so_far(outbox)
        self._intake = Intake(settings.gateway, ledger, outbox.load(CLOCKS))
        self._reporter = Reporter(settings, now)
        self._reporter.trimmed = int(outbox.load(TRIMMED) or b"0")
        self._down = Downlink(settings.gateway, outbox, self._reporter, metrics, now)
        self._local = self._down.local
        self._acceptance = Acceptance(settings, outbox, ledger, self._local, self._intake.clocks, metrics=metrics)
        self._sender = Sender(settings.backlog_per_s, outbox.after)
        self._up = False
        self._clock = now, time.monotonic()
        self._second_at = self._status_at = self._retry_at = 0.0
        if outbox.set_aside is not None:
            self._reporter.own.judge(health.REPLACED, True, now)

    def run(self, uplink: Up, stop: Event) -> None:
        """Runs until the event is set, then drains.

        Raises:
            sqlite3.DatabaseError: The outbox is damaged; a new gateway begins with a new one.
        """
        uplink.start()
        for driver in self._drivers:
            driver.start(self.inbox.put)
        daemon.notify("READY=1")
        log.info("gateway up", extra={"data": {"gateway": self._settings.gateway, "outbox": self._outbox.id}})
        try:
            self._loop(uplink, stop)
            daemon.notify("STOPPING=1")
            self._drain(uplink)
        finally:
            goodbye = offline(self._settings.gateway, self._now_ms())
            uplink.stop(msgspec.json.encode(goodbye), self._settings.drain_s)
        log.info("gateway down", extra={"data": {"backlog": self._outbox.backlog}})

    def _loop(self, uplink: Up, stop: Event) -> None:
        try:
            while not stop.is_set():
                self.cycle(uplink, time.monotonic())
        finally:
            gateway = self._settings.gateway
            self._lights.show(gateway, msgspec.json.encode(down(gateway, self._now_ms())))
            for driver in self._drivers:
                driver.stop()

    def cycle(self, uplink: Up, clock_s: float, *, seal: bool = False) -> None:
        """Does one turn of the loop.

        Args:
            uplink: Where batches go.
            clock_s: Monotonic clock, s.
            seal: Whether open readings become a batch now, whatever their age.
        """
        items = self.inbox.drain(timeout_s=TICK_S, linger_s=self._settings.commit_linger_ms / 1000, limit=GROUP)
        now = self._now_ms()
        if self._clock[0] < clock.SET_MS <= now:
            jump_ms = now - self._clock[0] - int(1000 * (clock_s - self._clock[1]))
            self._intake.rebase(jump_ms)
            self._acceptance.rebase(jump_ms)
            log.warning("the clock was set", extra={"data": {"jump_ms": jump_ms}})
        self._clock = now, clock_s
        self._take(items, now)
        if clock_s - self._second_at >= SECOND_S:
            self._second_at = clock_s
            self._each_second(now)
        if clock_s - self._status_at >= self._settings.status_s:
            self._status_at = clock_s
            self._report(uplink, now)
        self._show(now)
        self._commit(now, clock_s, seal=seal)
        self._send(uplink, clock_s)

    def _take(self, items: list[Item], now: int) -> None:
        deliveries = [item for item in items if isinstance(item, Delivery)]
        for item in items:
            if isinstance(item, Presence):
                self._reporter.devices.present(item.device, item.online)
            elif isinstance(item, Pressed):
                self._pressed(item, now)
            elif isinstance(item, Link):
                self._up = item.up
                (self._sender.connected if item.up else self._sender.disconnected)()
            elif isinstance(item, Down):
                self._from_above(item, now)
        if deliveries:
            self._take_readings(deliveries, now)

    def _take_readings(self, deliveries: list[Delivery], now: int) -> None:
        taken = self._intake.take(deliveries, self._down.book)
        self._acceptance.next.owed.extend(delivery.ack for delivery in deliveries)
        self._count_refused(taken.rejected, taken.duplicates)
        if len(taken.readings):
            self._local.advance(taken.readings, now)
            self._acceptance.next.readings.append(taken.readings)
            self._acceptance.next.urgent |= self._is_urgent(taken.readings)
            self._reporter.heard(taken.readings)
            for reason, count in suspects(taken.readings).items():
                self._metrics.suspect.labels(reason).inc(count)

    def _count_refused(self, rejected: tuple[Rejected, ...], duplicates: int) -> None:
        self._acceptance.next.rejected.extend(rejected)
        self._reporter.rejected += len(rejected)
        self._reporter.duplicates += duplicates
        self._metrics.duplicates.inc(duplicates)
        for refused in rejected:
            self._metrics.rejected.labels(kind_of(refused)).inc()
        if rejected:
            # The bytes stay in the database: they may hold a patient's values.
            data = {"topic": rejected[0].topic, "reason": rejected[0].reason}
            log.warning("%d messages refused, the first of them:", len(rejected), extra={"data": data})

    def _is_urgent(self, readings: Readings) -> bool:
        """Whether somebody may have to be paged: a value beyond a limit, or a condition pending or active."""
        patients = {patient for patient in readings.patient.tolist() if patient is not None}
        if not patients:
            return False
        digits = scoring.breach(readings.values, readings.bounds())
        beyond = ((digits != scoring.WITHIN) & (digits != scoring.ABSENT)).any(axis=1)
        return bool((beyond & (readings.roster > 0)).any()) or self._local.pending(patients)

    def _pressed(self, press: Pressed, now: int) -> None:
        if press.bed == self._settings.gateway:
            self._reporter.own.acknowledge_all()
        else:
            self._local.pressed(press.bed, secrets.token_hex(8), now)

    def _from_above(self, item: Down, now: int) -> None:
        kept = self._down.take(item, now)
        self._acceptance.next.confirmed.extend(kept.confirmed)
        if kept.roster is not None:
            self._acceptance.next.roster = kept.roster

    def _each_second(self, now: int) -> None:
        daemon.notify("WATCHDOG=1")
        self._local.advance(columns.empty(), now)
        self._reporter.judge(self._outbox, now)

    def _trim(self, now: int) -> None:
        settings, outbox = self._settings, self._outbox
        oldest = now - int(1000 * settings.outbox_max_age_s)
        if outbox.backlog_bytes <= settings.outbox_max_bytes and (outbox.oldest() or now) >= oldest:
            return
        with outbox.transaction():
            # A little more than needed, so that a full outbox is not trimmed at every turn.
            trimmed = outbox.trim(max_bytes=int(TRIM_TO * settings.outbox_max_bytes), oldest=oldest)
            outbox.save(TRIMMED, str(self._reporter.trimmed + trimmed.readings).encode())
        self._reporter.trimmed += trimmed.readings
        self._metrics.trimmed.inc(trimmed.readings)
        self._reporter.own.judge(health.TRIMMED, True, now)
        log.error("the outbox was full", extra={"data": {"batches": trimmed.batches, "readings": trimmed.readings}})

    def _show(self, now: int) -> None:
        for lit in self._local.signals(now):
            self._lights.show(lit.bed, msgspec.json.encode(lit))
        if self._reporter.own.changed:
            self._reporter.own.changed = False
            gateway = self._settings.gateway
            self._lights.show(gateway, msgspec.json.encode(signal(gateway, self._reporter.own.active(), now)))

    def _commit(self, now: int, clock_s: float, *, seal: bool) -> None:
        if clock_s < self._retry_at:
            return
        try:
            self._trim(now)
            done = self._acceptance.commit(now, clock_s, seal=seal)
        except sqlite3.OperationalError as error:
            self._retry_at = clock_s + RETRY_S
            if self._reporter.own.judge(health.WRITE_FAILING, True, now):
                log.error("the outbox cannot be written: %s; nothing is acknowledged until it can", error)
            return
        self._reporter.own.judge(health.WRITE_FAILING, False, now)
        self._sender.confirmed(done.deleted)
        self._sender.sealed(done.sealed)

    def _report(self, uplink: Up, now: int) -> None:
        alarms = {a.id: a.text for a in (*self._local.active(), *self._reporter.own.active())}
        status = self._reporter.status(
            self._outbox,
            self._down.book,
            accepted=self._acceptance.count,
            offsets=self._intake.offsets(),
            alarms=alarms,
            now=now,
        )
        self._local.report(status, now)
        self._reporter.write(status, uplink=self._up, roster=self._down.book.roster.version, alarms=alarms)
        if self._up:
            uplink.publish("status", msgspec.json.encode(status))
        self._metrics.backlog.set(self._outbox.backlog)
        self._metrics.backlog_bytes.set(self._outbox.backlog_bytes)
        self._metrics.uplink.set(self._up)
        self._metrics.alarms.set(len(alarms))

    def _send(self, uplink: Up, clock_s: float) -> None:
        for n in self._sender.due(clock_s):
            payload = self._outbox.payload(n)
            if payload is None:
                self._sender.gone(n)
            else:
                uplink.publish("vitals", payload)
                self._metrics.published.inc()

    def _drain(self, uplink: Up) -> None:
        """Seals what is open and waits, not for long, until all is confirmed; the rest is sent after the next start."""
        deadline = time.monotonic() + self._settings.drain_s
        self.cycle(uplink, time.monotonic(), seal=True)
        while self._up and self._outbox.backlog and time.monotonic() < deadline:
            self.cycle(uplink, time.monotonic(), seal=True)


def down(gateway: str, now: int) -> Signal:
    """Returns what the gateway's own light shows while the gateway is gone: its last will, and its goodbye."""
    return signal(gateway, [health.technical(gateway, health.GATEWAY_DOWN, now)], now)
