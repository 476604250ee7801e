"""Follows accepted SMS until the delivery log reports their outcome. The log is read in a thread of its own."""

import logging
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from cloud.notify.channels.port import SendError
from cloud.notify.channels.sms_delivery_log import Outcome, SmsDeliveryLog
from cloud.notify.follow_up.recent_messages import Followed
from vitals.contacts import Channel, DeliveryState

logger = logging.getLogger("notify")
KEEP: Final = 20_000
"""Messages followed at once; the oldest are dropped."""
FOLLOW_MS: Final = 3_600_000
OVERLAP_MS: Final = 120_000
"""Log events are ingested late; known outcomes are skipped by their message id."""


@dataclass(slots=True)
class DeliveryFollow:
    """Accepted SMS without a known outcome, by SNS message id.

    Attributes:
        log: Reader of the delivery log.
        pool: Thread for the reads.
        every_ms: Interval of reads.
    """

    log: SmsDeliveryLog
    pool: ThreadPoolExecutor
    every_ms: int
    _open: OrderedDict[str, list[Followed]] = field(default_factory=OrderedDict)
    _reading: Future[list[Outcome]] | None = None
    _due: int = 0

    def add(self, followed: Followed, now: int) -> None:
        """Follows a message, if it is an SMS of the last hour."""
        notification = followed.notification
        message = notification.sns
        if message is None or Channel.SMS not in notification.channels or now - notification.accepted > FOLLOW_MS:
            return
        if notification.state is DeliveryState.ACCEPTED:
            self._open.setdefault(message, []).append(followed)
        elif notification.state in {DeliveryState.DELIVERED, DeliveryState.FAILED}:
            self._open.pop(message, None)
        while len(self._open) > KEEP:
            self._open.popitem(last=False)

    def collect(self, now: int) -> list[tuple[Followed, Outcome]]:
        """Returns the outcomes of a finished read, and begins the next read when it is due."""
        found: list[tuple[Followed, Outcome]] = []
        if self._reading is not None and self._reading.done():
            try:
                for outcome in self._reading.result():
                    found += [(followed, outcome) for followed in self._open.pop(outcome.id, ())]
            except SendError as error:
                logger.warning("%s", error)
            self._reading = None
        while self._open and now - self._oldest() > FOLLOW_MS:
            self._open.popitem(last=False)
        if self._open and self._reading is None and now >= self._due:
            self._due = now + self.every_ms
            self._reading = self.pool.submit(self.log.read, self._oldest() - OVERLAP_MS)
        return found

    def _oldest(self) -> int:
        return next(iter(self._open.values()))[0].notification.accepted
