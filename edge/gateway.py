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

from edge.alarm.bedside_alarms import Signal, signal
from edge.clock.boot_clock import Boot, righted, this_boot
from edge.clock.gateway_clock import Reference
from edge.clock.restore import take_up
from edge.clock.synchronisation import synchronised
from edge.devices.driver import Delivery, Driver, Lights, Presence, Pressed
from edge.downlink import Downlink, kept_roster
from edge.event_queue import Inbox
from edge.ingest.decode import Heard, Intake
from edge.ingest.urgency import Triage
from edge.metrics import Metrics
from edge.pipeline import Reception
from edge.settings import Settings
from edge.status import health
from edge.status.report import Reporter, offline
from edge.store.commit import PIECE_EVERY_S, Acceptance, accepted_so_far
from edge.store.outbox import Outbox, Trimmed
from edge.store.snapshot import HEARD, MEMORY, kept_state, resumed
from edge.store.unconfirmed import TRIMMED
from edge.uplink.client import Down, Link, Up
from edge.uplink.send_scheduler import Sender
from edge.uplink.side_messages import Tidings
from vitals import engine
from vitals import readings as columns
from vitals.bounds import BoundError, decoded
from vitals.engine.rules.constants import GATEWAY_DOWN
from vitals.readings import Readings
from vitals.runtime import daemon
from vitals.status import ClockOffset

log = logging.getLogger(__name__)

ENOUGH: Final = 1_000
"""So many messages do not wait for more."""
SECOND_S: Final = 1.0
DRAIN_TICK_S: Final = 0.02
CLOCK: Final = "clock"
PATIENT: Final = frozenset(("confirmed", "heartbeat", CLOCK))
"""Messages from above that make nothing go sooner."""
RETRY_S: Final = 1.0
"""Pause after a commit that failed."""

Item = Heard | Presence | Pressed | Link | Down


class Gateway:
    """Everything of one running gateway.

    Args:
        settings: Its settings.
        outbox: Its outbox, opened.
        drivers: Where readings come from.
        lights: Where alarms are shown.
        metrics: What is counted.
        now_ms: The machine's clock, UTC epoch ms.
        boot: Tells the machine's boot, given that clock.
        settled: Tells whether that clock is set, by the word of its keeper.
        monotonic: Monotonic clock, s.
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
        settled: Callable[[], bool] = synchronised,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        machine, clock_s = now_ms(), monotonic()
        self._settings, self._outbox, self._drivers, self._lights = settings, outbox, drivers, lights
        self._metrics, self._now_ms, self._monotonic = metrics, now_ms, monotonic
        self._boot, self._keeper = boot, settled
        state, is_set = kept_state(outbox), settled()
        start = take_up(outbox, state, machine, boot(machine), settled=is_set)
        now = start.own
        self._reference = Reference(now, machine, clock_s, settled=is_set, bridge=start.bridge)
        self._triage = Triage()
        self._linger_s = settings.commit_linger_ms / 1000
        self.inbox: Inbox[Item] = Inbox(ENOUGH)
        ledger = accepted_so_far(outbox)
        self._intake = Intake(settings.gateway, ledger, outbox.load(MEMORY))
        self._intake.rebase(start.by_ms)
        self._tidings = Tidings()
        self._reporter = Reporter(settings, metrics, clock_s)
        devices = self._reporter.devices
        devices.recall(outbox.load(HEARD) or b"{}", start.by_ms)
        self._reporter.trimmed = int(outbox.load(TRIMMED) or b"0")
        ended = 0
        if state is not None:
            state = engine.rebase(state, start.by_ms)
            ended = state.now

        def present(row: int, readings: Readings) -> Readings:
            return righted(row, readings, start.times.moves)

        self._local = resumed(outbox, state, kept_roster(settings.gateway, outbox), now, present)
        self._down = Downlink(outbox, self._local, self._reporter, self._tidings, metrics=metrics)
        for row, readings in outbox.journal(outbox.position):
            right = present(row, readings)
            self._intake.replay(right, self._down.book)
            devices.replay(right)
        devices.excuse(now, ended)
        self._acceptance = Acceptance(
            settings, outbox, ledger, self._local, self._memory, metrics=metrics, boot=self._own_boot, times=start.times
        )
        self._acceptance.hold(held=not self._reference.stands)
        self._sender = Sender(settings.backlog_per_s, self._acceptance.waiting.after)
        self._reception = Reception(
            self._intake, self._triage, self._local, self._acceptance, self._reporter, self._tidings
        )
        self._reception.place(self._down.book)
        self._up = False
        self._second_at = self._status_at = self._retry_at = 0.0
        if outbox.set_aside is not None:
            self._reporter.own.judge(health.REPLACED, True, now)

    def receive(self, item: Delivery | Presence | Pressed | Link | Down) -> None:
        """Takes what drivers and the uplink have; safe from any thread."""
        if isinstance(item, Delivery):
            heard, hurries = self._triage.hear(item)
            self.inbox.put(heard, hurries=hurries or not self._linger_s)
        else:
            self.inbox.put(item, hurries=not (isinstance(item, Down) and item.name in PATIENT))

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
            goodbye = offline(self._settings.gateway, self._reference.now)
            uplink.stop(msgspec.json.encode(goodbye), self._settings.drain_s)
        log.info("gateway down", extra={"data": {"backlog": len(self._acceptance.waiting)}})

    def _loop(self, uplink: Up, stop: Event) -> None:
        try:
            while not stop.is_set():
                self.inbox.wait(self._wait_s(self._monotonic()))
                self.cycle(uplink, self._monotonic())
        finally:
            gateway = self._settings.gateway
            self._lights.show(gateway, msgspec.json.encode(down(gateway, self._reference.now)))
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
        self._mind_the_clock([item for item in items if isinstance(item, Down) and item.name == CLOCK], clock_s)
        now = self._reference.now
        self._take(items, now, clock_s)
        if clock_s - self._second_at >= SECOND_S:
            self._second_at = clock_s
            self._each_second(now, clock_s)
        if clock_s - self._status_at >= self._settings.status_s:
            self._status_at = clock_s
            self._report(uplink, now, clock_s)
        self._show(now, clock_s)
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
        if self._acceptance.shelved:
            due.append(PIECE_EVERY_S)
        return max(0.0, min(due))

    def _mind_the_clock(self, answers: list[Down], clock_s: float) -> None:
        machine = self._now_ms()
        for answer in answers:
            try:
                self._reference.told(decoded(answer.payload, ClockOffset), machine, clock_s)
            except BoundError as error:
                self._metrics.down_invalid.labels(CLOCK).inc()
                log.error("the bridge's time cannot be read: %s", error)
        settled = self._reference.settled or (clock_s - self._second_at >= SECOND_S and self._keeper())
        jump_ms = self._reference.turn(machine, clock_s, settled=settled)
        if jump_ms:
            log.warning("the clock was set", extra={"data": {"jump_ms": jump_ms}})
            # The devices' clocks stayed where they were: their offsets are measured against ours.
            self._intake.rebase(jump_ms)
            self._local.rebase(jump_ms)
            self._reporter.rebase(jump_ms)
            self._acceptance.rebase(jump_ms)
        self._acceptance.hold(held=not self._reference.stands)

    def _take(self, items: list[Item], now: int, clock_s: float) -> None:
        arrived = self._reference.arrived
        heard = [
            item._replace(delivery=item.delivery._replace(t_gw=arrived(item.delivery.t_gw)))
            for item in items
            if isinstance(item, Heard)
        ]
        for item in items:
            if isinstance(item, Presence):
                self._reporter.devices.present(item.device, item.online)
            elif isinstance(item, Pressed):
                self._pressed(item, now, clock_s)
            elif isinstance(item, Link):
                self._up = item.up
                self._reference.link(up=item.up, clock_s=clock_s)
                (self._sender.connected if item.up else self._sender.disconnected)()
                if item.up:
                    # The bridge is told at once that the gateway is there, and answers with its time.
                    self._status_at = -self._settings.status_s
                    self._acceptance.hurry()
                    self._tidings.reconnected()
            elif isinstance(item, Down) and item.name != CLOCK:
                self._from_above(item, now, clock_s)
        if heard:
            self._reception.take(heard, self._down.book, now, clock_s)

    def _pressed(self, press: Pressed, now: int, clock_s: float) -> None:
        if press.bed == self._settings.gateway:
            self._reporter.own.acknowledge_all()
        else:
            self._tidings.pressed(self._local.pressed(press.bed, secrets.token_hex(8), now), clock_s)

    def _from_above(self, item: Down, now: int, clock_s: float) -> None:
        kept = self._down.take(item, now, clock_s)
        if kept.confirmed:
            self._metrics.confirmed.inc(self._acceptance.waiting.confirmed(kept.confirmed))
            self._sender.confirmed(kept.confirmed)
        if kept.roster is not None:
            self._acceptance.put_in_force(kept.roster)
            self._reception.place(self._down.book)

    def _each_second(self, now: int, clock_s: float) -> None:
        daemon.notify("WATCHDOG=1")
        self._lights.repeat()
        self._local.advance(columns.empty(), now)
        self._reporter.judge(self._acceptance, now, clock_s, unset=self._reference.unset)

    def _memory(self) -> dict[str, bytes]:
        return {MEMORY: self._intake.memory(), HEARD: self._reporter.devices.memory()}

    def _own_boot(self) -> Boot:
        machine = self._now_ms()
        boot = self._boot(machine)
        return Boot(boot.id, boot.began + self._reference.now - machine, bridge=self._reference.bridge)

    def _trim(self, now: int, clock_s: float) -> None:
        settings = self._settings
        oldest = now - int(1000 * settings.outbox_max_age_s)
        trimmed = self._acceptance.waiting.trim(max_bytes=settings.outbox_max_bytes, oldest=oldest, clock_s=clock_s)
        self._count(trimmed, now)

    def _count(self, trimmed: Trimmed, now: int) -> None:
        if trimmed.batches:
            self._reporter.trimmed += trimmed.readings
            self._metrics.trimmed.inc(trimmed.readings)
            self._reporter.own.judge(health.TRIMMED, True, now)
            data = {"batches": trimmed.batches, "readings": trimmed.readings}
            log.error("the outbox was full", extra={"data": data})

    def _show(self, now: int, clock_s: float) -> None:
        for lit in self._local.signals(now, paged=self._reporter.paged(clock_s), twice=self._reporter.twice):
            self._acceptance.pressing = True
            self._lights.show(lit.bed, msgspec.json.encode(lit))
        if self._reporter.own.changed:
            self._reporter.own.changed = False
            gateway = self._settings.gateway
            told = signal(gateway, self._reporter.own.active(), now, paged=self._reporter.paged(clock_s))
            self._lights.show(gateway, msgspec.json.encode(told))

    def _commit(self, now: int, clock_s: float, *, force: bool) -> None:
        if clock_s < self._retry_at and not force:
            return
        try:
            self._trim(now, clock_s)
            self._acceptance.commit(clock_s, up=self._up, force=force)
        except sqlite3.OperationalError as error:
            self._retry_at = clock_s + RETRY_S
            if self._reporter.own.judge(health.WRITE_FAILING, True, now):
                log.error("the outbox cannot be written: %s; nothing is kept until it can", error)
            self._count(self._acceptance.waiting.shed(), now)
            return
        self._reporter.own.judge(health.WRITE_FAILING, False, now)

    def _report(self, uplink: Up, now: int, clock_s: float) -> None:
        machine = self._now_ms()
        alarms = {a.id: a.text for a in (*self._local.active(), *self._reporter.own.active())}
        status = self._reporter.status(
            self._acceptance,
            self._down.book,
            offsets=self._intake.offsets(),
            alarms=alarms,
            now=now,
            sent=machine,
            settled=self._reference.settled,
        )
        self._local.report(status, now)
        self._reporter.write(status, uplink=self._up, roster=self._down.book.roster.version, alarms=alarms)
        if self._up:
            self._reference.sent(machine, clock_s)
            uplink.publish("status", self._reporter.told(status))
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
                self._acceptance.waiting.offered(n, clock_s)
                uplink.publish("vitals", payload)
                self._metrics.published.inc()

    def _drain(self, uplink: Up) -> None:
        """Seals what is open and waits, not for long, until all is confirmed; the rest is sent after the next start."""
        deadline = self._monotonic() + self._settings.drain_s
        self.cycle(uplink, self._monotonic(), seal=True)
        waits = self._acceptance
        while self._up and (len(waits.waiting) or waits.shelved) and self._monotonic() < deadline:
            self.inbox.wait(DRAIN_TICK_S)
            self.cycle(uplink, self._monotonic())
        self.cycle(uplink, self._monotonic(), seal=True)


def down(gateway: str, now: int) -> Signal:
    """Returns what the gateway's own light shows while the gateway is gone: its last will, and its goodbye."""
    return signal(gateway, [health.own(gateway, GATEWAY_DOWN, now)], now)
