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
from typing import Final

import msgspec

from edge import clock, health
from edge.acceptance import Acceptance, accepted_so_far
from edge.downlink import Downlink
from edge.driver import Delivery, Driver, Lights, Presence, Pressed
from edge.inbox import Inbox
from edge.intake import Heard, Intake
from edge.local import Signal, signal
from edge.metrics import Metrics
from edge.outbox import Outbox
from edge.recall import MEMORY, unseen
from edge.reception import Reception
from edge.report import Reporter, offline
from edge.sender import Sender
from edge.settings import Settings
from edge.tidings import Tidings
from edge.triage import Triage
from edge.unset import Boot, this_boot
from edge.uplink import Down, Link, Up
from edge.waiting import TRIMMED
from vitals import daemon
from vitals import readings as columns

log = logging.getLogger(__name__)

ENOUGH: Final = 1_000
"""So many messages do not wait for more."""
SECOND_S: Final = 1.0
DRAIN_TICK_S: Final = 0.02
RETRY_S: Final = 1.0
"""Pause after a commit that failed."""
STEP_MS: Final = 1_000
"""A wall clock that moves this far against the monotonic one was set."""

Item = Heard | Presence | Pressed | Link | Down


class Gateway:
    """Everything of one running gateway.

    Args:
        settings: Its settings.
        outbox: Its outbox, opened.
        drivers: Where readings come from.
        lights: Where alarms are shown.
        metrics: What is counted.
        now_ms: Wall clock, UTC epoch ms.
        boot: Tells the machine's boot, given the wall clock.
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
        boot: Callable[[int], Boot] = this_boot,
    ) -> None:
        now = now_ms()
        self._settings, self._outbox, self._drivers, self._lights = settings, outbox, drivers, lights
        self._metrics, self._now_ms = metrics, now_ms
        self._triage = Triage()
        self._linger_s = settings.commit_linger_ms / 1000
        self.inbox: Inbox[Item] = Inbox(ENOUGH)
        ledger = accepted_so_far(outbox)
        self._intake = Intake(settings.gateway, ledger, outbox.load(MEMORY))
        self._tidings = Tidings()
        self._reporter = Reporter(settings, metrics, now)
        self._reporter.trimmed = int(outbox.load(TRIMMED) or b"0")
        self._down = Downlink(settings.gateway, outbox, self._reporter, self._tidings, metrics=metrics, now=now)
        self._local = self._down.local
        for readings in unseen(outbox):
            self._intake.replay(readings, self._down.book)
        self._acceptance = Acceptance(
            settings, outbox, ledger, self._local, self._intake.memory, metrics=metrics, boot=boot(now), now=now
        )
        self._sender = Sender(settings.backlog_per_s, self._acceptance.waiting.after)
        self._reception = Reception(
            self._intake, self._triage, self._local, self._acceptance, self._reporter, self._tidings
        )
        self._reception.place(self._down.book)
        self._up = False
        self._clock = now, time.monotonic()
        self._second_at = self._status_at = self._retry_at = 0.0
        if outbox.set_aside is not None:
            self._reporter.own.judge(health.REPLACED, True, now)

    def receive(self, item: Delivery | Presence | Pressed | Link | Down) -> None:
        """Takes what drivers and the uplink have; safe from any thread."""
        if isinstance(item, Delivery):
            heard, hurries = self._triage.hear(item)
            self.inbox.put(heard, hurries=hurries or not self._linger_s)
        else:
            # A confirmation or a heartbeat makes nothing go sooner.
            self.inbox.put(item, hurries=not (isinstance(item, Down) and item.name in {"confirmed", "heartbeat"}))

    def run(self, uplink: Up, stop: Event) -> None:
        """Runs until the event is set, then drains.

        Raises:
            sqlite3.DatabaseError: The outbox is damaged; a new gateway begins with a new one.
        """
        uplink.start()
        for driver in self._drivers:
            driver.start(self.receive)
        daemon.notify("READY=1")
        log.info("gateway up", extra={"data": {"gateway": self._settings.gateway, "outbox": self._outbox.id}})
        try:
            self._loop(uplink, stop)
            daemon.notify("STOPPING=1")
            self._drain(uplink)
        finally:
            goodbye = offline(self._settings.gateway, self._now_ms())
            uplink.stop(msgspec.json.encode(goodbye), self._settings.drain_s)
        log.info("gateway down", extra={"data": {"backlog": len(self._acceptance.waiting)}})

    def _loop(self, uplink: Up, stop: Event) -> None:
        try:
            while not stop.is_set():
                self.inbox.wait(self._wait_s(time.monotonic()))
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
            seal: Whether open readings become a batch now, whatever their age, and everything is written.
        """
        items = self.inbox.drain()
        now = self._now_ms()
        self._mind_the_clock(now, clock_s)
        self._take(items, now, clock_s)
        if clock_s - self._second_at >= SECOND_S:
            self._second_at = clock_s
            self._each_second(now)
        if clock_s - self._status_at >= self._settings.status_s:
            self._status_at = clock_s
            self._report(uplink, now)
        self._show(now)
        self._sender.sealed(self._acceptance.seal(now, clock_s, up=self._up, force=seal))
        self._send(uplink, clock_s)
        self._commit(now, clock_s, force=seal)

    def _wait_s(self, clock_s: float) -> float:
        """How long nothing but an urgent item can make work."""
        due = [self._second_at + SECOND_S - clock_s, self._sender.wait_s(clock_s)]
        if self._acceptance.failing:
            due.append(self._retry_at - clock_s if self._retry_at > clock_s else RETRY_S)
        elif self._linger_s:
            due.append(self._acceptance.wait_s(clock_s) or self._linger_s)
        return max(0.0, min(due))

    def _mind_the_clock(self, now: int, clock_s: float) -> None:
        before, at = self._clock
        self._clock = now, clock_s
        jump_ms = now - before - int(1000 * (clock_s - at))
        if abs(jump_ms) < STEP_MS:
            return
        log.warning("the clock was set", extra={"data": {"jump_ms": jump_ms}})
        # The devices' clocks stayed where they were: their offsets are measured against ours.
        self._intake.rebase(jump_ms)
        if before < clock.SET_MS <= now:
            self._acceptance.rebase(jump_ms)

    def _take(self, items: list[Item], now: int, clock_s: float) -> None:
        heard = [item for item in items if isinstance(item, Heard)]
        for item in items:
            if isinstance(item, Presence):
                self._reporter.devices.present(item.device, item.online)
            elif isinstance(item, Pressed):
                self._pressed(item, now, clock_s)
            elif isinstance(item, Link):
                self._up = item.up
                (self._sender.connected if item.up else self._sender.disconnected)()
                if item.up:
                    self._acceptance.hurry()
                    self._tidings.reconnected()
            elif isinstance(item, Down):
                self._from_above(item, now)
        if heard:
            self._reception.take(heard, self._down.book, now, clock_s)

    def _pressed(self, press: Pressed, now: int, clock_s: float) -> None:
        if press.bed == self._settings.gateway:
            self._reporter.own.acknowledge_all()
        else:
            self._tidings.pressed(self._local.pressed(press.bed, secrets.token_hex(8), now), clock_s)

    def _from_above(self, item: Down, now: int) -> None:
        kept = self._down.take(item, now)
        if kept.confirmed:
            self._metrics.confirmed.inc(self._acceptance.waiting.confirmed(kept.confirmed))
            self._sender.confirmed(kept.confirmed)
        if kept.roster is not None:
            self._acceptance.put_in_force(kept.roster)
            self._reception.place(self._down.book)

    def _each_second(self, now: int) -> None:
        daemon.notify("WATCHDOG=1")
        self._local.advance(columns.empty(), now)
        self._reporter.judge(self._acceptance, now)

    def _trim(self, now: int) -> None:
        settings = self._settings
        oldest = now - int(1000 * settings.outbox_max_age_s)
        trimmed = self._acceptance.waiting.trim(max_bytes=settings.outbox_max_bytes, oldest=oldest)
        if trimmed.batches:
            self._reporter.trimmed += trimmed.readings
            self._metrics.trimmed.inc(trimmed.readings)
            self._reporter.own.judge(health.TRIMMED, True, now)
            data = {"batches": trimmed.batches, "readings": trimmed.readings}
            log.error("the outbox was full", extra={"data": data})

    def _show(self, now: int) -> None:
        for lit in self._local.signals(now):
            self._acceptance.pressing = True
            self._lights.show(lit.bed, msgspec.json.encode(lit))
        if self._reporter.own.changed:
            self._reporter.own.changed = False
            gateway = self._settings.gateway
            self._lights.show(gateway, msgspec.json.encode(signal(gateway, self._reporter.own.active(), now)))

    def _commit(self, now: int, clock_s: float, *, force: bool) -> None:
        if clock_s < self._retry_at and not force:
            return
        try:
            self._trim(now)
            self._acceptance.commit(clock_s, up=self._up, force=force)
        except sqlite3.OperationalError as error:
            self._retry_at = clock_s + RETRY_S
            if self._reporter.own.judge(health.WRITE_FAILING, True, now):
                log.error("the outbox cannot be written: %s; nothing is acknowledged until it can", error)
            return
        self._reporter.own.judge(health.WRITE_FAILING, False, now)

    def _report(self, uplink: Up, now: int) -> None:
        alarms = {a.id: a.text for a in (*self._local.active(), *self._reporter.own.active())}
        status = self._reporter.status(
            self._acceptance,
            self._down.book,
            offsets=self._intake.offsets(),
            alarms=alarms,
            now=now,
        )
        self._local.report(status, now)
        self._reporter.write(status, uplink=self._up, roster=self._down.book.roster.version, alarms=alarms)
        if self._up:
            uplink.publish("status", msgspec.json.encode(status))
        self._metrics.backlog.set(status.backlog)
        self._metrics.backlog_bytes.set(status.backlog_bytes)
        self._metrics.uplink.set(self._up)
        self._metrics.passed_over.set(self._local.passed_over)
        self._metrics.alarms.set(len(alarms))

    def _send(self, uplink: Up, clock_s: float) -> None:
        if self._up:
            for name, told in self._tidings.due(clock_s):
                uplink.publish(name, told)
        for n in self._sender.due(clock_s):
            payload = self._acceptance.waiting.payload(n)
            if payload is None:
                self._sender.gone(n)
            else:
                uplink.publish("vitals", payload)
                self._metrics.published.inc()

    def _drain(self, uplink: Up) -> None:
        """Seals what is open and waits, not for long, until all is confirmed; the rest is sent after the next start."""
        deadline = time.monotonic() + self._settings.drain_s
        self.cycle(uplink, time.monotonic(), seal=True)
        while self._up and len(self._acceptance.waiting) and time.monotonic() < deadline:
            self.inbox.wait(DRAIN_TICK_S)
            self.cycle(uplink, time.monotonic())
        self.cycle(uplink, time.monotonic(), seal=True)


def down(gateway: str, now: int) -> Signal:
    """Returns what the gateway's own light shows while the gateway is gone: its last will, and its goodbye."""
    return signal(gateway, [health.own(gateway, health.GATEWAY_DOWN, now)], now)
