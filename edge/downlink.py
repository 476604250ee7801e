"""Downlink: roster, actions, confirmations and the notifier's heartbeat, and the roster that survives a restart."""

import logging
from collections.abc import Callable
from typing import NamedTuple

from edge.alarm.bedside_alarms import BedsideAlarms
from edge.ingest.roster import AssignmentTable, StaleRosterError, no_assignments, updated
from edge.metrics import Metrics
from edge.status.report import Reporter
from edge.store.outbox import Outbox
from edge.store.snapshot import ROSTER
from edge.uplink.client import DownlinkMessage
from edge.uplink.side_messages import SideMessages
from vitals.actions import Action
from vitals.bounds import decoded
from vitals.runtime.exceptions import NOT_CAUSED_BY_INPUT
from vitals.status import Heartbeat
from vitals.wire.uplink_batch import BatchAck

log = logging.getLogger(__name__)


class StoreUpdates(NamedTuple):
    """Changes to the outbox by a downlink message: batch ranges to delete, roster to store."""

    confirmed: tuple[tuple[int, int], ...] = ()
    roster: bytes | None = None


class Downlink:
    """Applies downlink messages.

    Args:
        outbox: Outbox; its id is compared with that of confirmations.
        local: Bedside alarms, with the roster in force.
        reporter: Receives heartbeats, confirmations and acknowledgements of the gateway's own alarms.
        side_messages: Recognises the gateway's own actions when they return from Kafka.
        metrics: Metrics.
    """

    def __init__(
        self, outbox: Outbox, local: BedsideAlarms, reporter: Reporter, side_messages: SideMessages, *, metrics: Metrics
    ) -> None:
        self._outbox, self._reporter, self._side_messages, self._metrics = outbox, reporter, side_messages, metrics
        self.alarms, self.assignments = local, local.assignments
        self._handlers: dict[str, Callable[[bytes, int, float], StoreUpdates]] = {
            "roster": self._roster,
            "actions": self._action,
            "confirmed": self._confirmed,
            "heartbeat": self._heartbeat,
        }

    def take(self, item: DownlinkMessage, now: int, clock_s: float) -> StoreUpdates:
        """Applies one message; an invalid message is counted and logged.

        Args:
            item: Message.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        try:
            return self._handlers[item.name](item.payload, now, clock_s)
        except StaleRosterError as error:
            log.warning("%s", error)
        except NOT_CAUSED_BY_INPUT:
            raise
        except Exception as error:
            if not isinstance(error, ValueError | KeyError):
                log.exception("downlink message raised an unexpected error")
            self._metrics.down_invalid.labels(item.name if item.name in self._handlers else "unknown").inc()
            log.error("downlink message is invalid: %s", error, extra={"data": {"name": item.name}})
        return StoreUpdates()

    def _roster(self, payload: bytes, now: int, _clock_s: float) -> StoreUpdates:
        assignments = updated(self.assignments, payload)
        if assignments.roster == self.assignments.roster:
            return StoreUpdates()
        self.assignments = assignments
        self.alarms.place(assignments, now)
        log.info(
            "roster in force",
            extra={"data": {"version": assignments.roster.version, "devices": len(assignments.by_device)}},
        )
        return StoreUpdates(roster=payload)

    def _action(self, payload: bytes, now: int, _clock_s: float) -> StoreUpdates:
        action = decoded(payload, Action)
        if self._side_messages.known(action.id):
            return StoreUpdates()
        if action.alarm is None or not self._reporter.own.acknowledge(action.alarm):
            self.alarms.act(action, now)
        return StoreUpdates()

    def _confirmed(self, payload: bytes, now: int, _clock_s: float) -> StoreUpdates:
        confirmed = decoded(payload, BatchAck)
        if confirmed.outbox != self._outbox.id:
            log.warning("confirmation is for another outbox", extra={"data": {"outbox": confirmed.outbox}})
            return StoreUpdates()
        self._reporter.last_confirmed = now
        return StoreUpdates(confirmed=confirmed.ranges)

    def _heartbeat(self, payload: bytes, now: int, clock_s: float) -> StoreUpdates:
        self._reporter.heartbeat(decoded(payload, Heartbeat).t, now, clock_s)
        return StoreUpdates()


def kept_roster(gateway: str, outbox: Outbox) -> AssignmentTable:
    """Returns the stored roster; an empty one if none is stored or it is invalid."""
    payload = outbox.load(ROSTER)
    try:
        return updated(no_assignments(gateway), payload) if payload else no_assignments(gateway)
    except (ValueError, KeyError) as error:
        outbox.lost.add(ROSTER)
        log.error("stored roster is invalid: %s; all devices are unassigned until a roster arrives", error)
        return no_assignments(gateway)
