"""What comes from above: roster, actions, confirmations, the notifier's heartbeat; what of it survives a restart."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from edge.alarm.bedside_alarms import LocalAlarms
from edge.ingest.roster import Book, StaleRosterError, nobody, updated
from edge.metrics import Metrics
from edge.status.report import Reporter
from edge.store.outbox import Outbox
from edge.store.snapshot import ROSTER
from edge.uplink.client import Down
from edge.uplink.side_messages import Tidings
from vitals.actions import Action
from vitals.bounds import decoded
from vitals.runtime.exceptions import NOT_ITS_OWN
from vitals.status import Heartbeat
from vitals.wire.uplink_batch import Confirmed

log = logging.getLogger(__name__)


class ToKeep(NamedTuple):
    """What a message asks the outbox to do: forget confirmed batches, keep a roster."""

    confirmed: tuple[tuple[int, int], ...] = ()
    roster: bytes | None = None


class Downlink:
    """Applies messages from above.

    Args:
        outbox: The outbox, for its id.
        local: The local alarms, with the roster in force.
        reporter: Told of heartbeats and confirmations.
        tidings: Told of our own actions that the log holds.
        metrics: What is counted.
    """

    def __init__(
        self, outbox: Outbox, local: LocalAlarms, reporter: Reporter, tidings: Tidings, *, metrics: Metrics
    ) -> None:
        self._outbox, self._reporter, self._tidings, self._metrics = outbox, reporter, tidings, metrics
        self.local, self.book = local, local.book
        self._handlers: dict[str, Callable[[bytes, int, float], ToKeep]] = {
            "roster": self._roster,
            "actions": self._action,
            "confirmed": self._confirmed,
            "heartbeat": self._heartbeat,
        }

    def take(self, item: Down, now: int, clock_s: float) -> ToKeep:
        """Applies one message; what cannot be used is counted and logged.

        Args:
            item: The message.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        try:
            return self._handlers[item.name](item.payload, now, clock_s)
        except StaleRosterError as error:
            log.warning("%s", error)
        except NOT_ITS_OWN:
            raise
        except Exception as error:
            if not isinstance(error, ValueError | KeyError):
                log.exception("a message from above ends in an error")
            self._metrics.down_invalid.labels(item.name if item.name in self._handlers else "unknown").inc()
            log.error("a message from above cannot be used: %s", error, extra={"data": {"name": item.name}})
        return ToKeep()

    def _roster(self, payload: bytes, now: int, _clock_s: float) -> ToKeep:
        book = updated(self.book, payload)
        if book.roster == self.book.roster:
            return ToKeep()
        self.book = book
        self.local.place(book, now)
        log.info("roster in force", extra={"data": {"version": book.roster.version, "devices": len(book.by_device)}})
        return ToKeep(roster=payload)

    def _action(self, payload: bytes, now: int, _clock_s: float) -> ToKeep:
        action = decoded(payload, Action)
        if self._tidings.known(action.id):
            return ToKeep()
        if action.alarm is None or not self._reporter.own.acknowledge(action.alarm):
            self.local.act(action, now)
        return ToKeep()

    def _confirmed(self, payload: bytes, now: int, _clock_s: float) -> ToKeep:
        confirmed = decoded(payload, Confirmed)
        if confirmed.outbox != self._outbox.id:
            log.warning("confirmation is for another outbox", extra={"data": {"outbox": confirmed.outbox}})
            return ToKeep()
        self._reporter.last_confirmed = now
        return ToKeep(confirmed=confirmed.ranges)

    def _heartbeat(self, payload: bytes, now: int, clock_s: float) -> ToKeep:
        self._reporter.heartbeat(decoded(payload, Heartbeat).t, now, clock_s)
        return ToKeep()


def kept_roster(gateway: str, outbox: Outbox) -> Book:
    """Returns the roster that was in force; nobody is on it when it cannot be used."""
    payload = outbox.load(ROSTER)
    try:
        return updated(nobody(gateway), payload) if payload else nobody(gateway)
    except ValueError as error:
        log.error("the kept roster cannot be used: %s; every device is on nobody until one arrives", error)
        return nobody(gateway)
