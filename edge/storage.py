"""Writing to the outbox, each turn of the loop: trim, commit with retry, one step of the rescue of a damaged outbox."""

import logging
import sqlite3
from typing import Final

from edge.metrics import Metrics
from edge.settings import Settings
from edge.status import health
from edge.status.report import Reporter
from edge.store.batching import Trimmed
from edge.store.commit import CommitQueue
from edge.store.damaged.rescue import EVERY_S, Rescue
from edge.store.shelf import PIECE_EVERY_S
from edge.uplink.send_scheduler import SendScheduler

log = logging.getLogger(__name__)
RETRY_S: Final = 1.0
"""Pause after a commit that failed."""


class Storage:
    """Keeps the outbox within its bounds and reports its failures as alarms of the gateway.

    Args:
        settings: Settings.
        rescue: Copies the content of damaged outboxes.
        commits: Queue of the next commit.
        reporter: The gateway's own alarms.
        scheduler: Receives the batches that the rescue adds.
        metrics: Metrics.
    """

    def __init__(
        self,
        settings: Settings,
        rescue: Rescue,
        commits: CommitQueue,
        reporter: Reporter,
        scheduler: SendScheduler,
        *,
        metrics: Metrics,
    ) -> None:
        self._settings, self._commits, self._reporter = settings, commits, reporter
        self._rescue, self._scheduler, self._metrics = rescue, scheduler, metrics
        self._retry_at = 0.0

    def wait_s(self, clock_s: float) -> float:
        """Returns the seconds until the next write; infinite if a message is to come first."""
        due = [self._commits.watched_wait_s(clock_s)]
        if self._commits.failing:
            due.append(self._retry_at - clock_s if self._retry_at > clock_s else RETRY_S)
        elif linger_s := self._settings.commit_linger_ms / 1000:
            due.append(self._commits.wait_s(clock_s) or linger_s)
        if self._commits.shelved:
            due.append(PIECE_EVERY_S)
        if self._rescue.pending:
            due.append(EVERY_S)
        return min(due)

    def turn(self, now: int, machine: int, clock_s: float, *, up: bool, force: bool) -> None:
        """Writes what is due.

        Args:
            now: UTC epoch ms.
            machine: System clock, UTC epoch ms.
            clock_s: Monotonic clock, s.
            up: Whether the uplink is connected.
            force: Whether everything is due.

        Raises:
            sqlite3.DatabaseError: The outbox is damaged.
        """
        if force or clock_s >= self._retry_at:
            self._commit(now, clock_s, up=up, force=force)
        self._take_over(now, machine, clock_s)

    def close(self) -> None:
        """Closes the original that is being copied."""
        self._rescue.close()

    def _commit(self, now: int, clock_s: float, *, up: bool, force: bool) -> None:
        settings, unconfirmed, own = self._settings, self._commits.unconfirmed, self._reporter.own
        oldest = now - int(1000 * settings.outbox_max_age_s)
        try:
            self._count(unconfirmed.trim(max_bytes=settings.outbox_max_bytes, oldest=oldest, clock_s=clock_s), now)
            self._commits.commit(clock_s, up=up, force=force)
        except sqlite3.OperationalError as error:
            self._retry_at = clock_s + RETRY_S
            if own.judge(health.WRITE_FAILING, True, now):
                log.error("outbox cannot be written: %s; nothing is stored until it can", error)
            self._count(unconfirmed.shed(), now)
            return
        own.judge(health.WRITE_FAILING, False, now)

    def _count(self, trimmed: Trimmed, now: int) -> None:
        if trimmed.batches:
            self._reporter.trimmed += trimmed.readings
            self._metrics.trimmed.inc(trimmed.readings)
            self._reporter.own.judge(health.TRIMMED, True, now)
            data = {"batches": trimmed.batches, "readings": trimmed.readings}
            log.error("the outbox was full", extra={"data": data})

    def _take_over(self, now: int, machine: int, clock_s: float) -> None:
        """Runs one step of the rescue of a damaged outbox."""
        rescue, own, commits = self._rescue, self._reporter.own, self._commits
        righted = None if commits.held else commits.times.righted
        if not commits.failing and (lowest := rescue.turn(now, machine, clock_s, righted)):
            self._scheduler.more(lowest)
        own.judge(health.RESCUING, rescue.pending, now)
        if rescue.unread:
            own.judge(health.REPLACED, True, now, f"{rescue.unread} places in it could not be read")
            rescue.unread = 0
