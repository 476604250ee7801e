"""Records on their way into the log: offered until taken, tracked until stored, offered again when refused."""

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

from bridge.log import Log, Record, Report
from bridge.meters import Meters
from bridge.outgoing import put_aside
from bridge.tracker import Tracker
from vitals import topics
from vitals.status import Rejected

RETRY_S: Final = 1.0
OFFER_S: Final = 0.05
PUT_ASIDE_BYTES: Final = 16 << 10
"""What is kept of a record that the log takes never: less than any log refuses for its size."""
T = TypeVar("T")
logger = logging.getLogger("bridge.shipping")


class Shipping(Generic[T]):
    """What is between the bridge and the log. It holds each record until the log has stored it.

    Args:
        log: The log.
        meters: Metrics.
    """

    def __init__(self, log: Log, meters: Meters) -> None:
        self._log = log
        self._meters = meters
        self._tracker: Tracker[T] = Tracker()
        self._sent: dict[int, Record] = {}
        self._unsent: deque[tuple[int, Record]] = deque()
        self._again_at = -float("inf")
        self._numbers = 0
        self.t = 1
        """Wall clock of this turn, UTC epoch ms."""

    @property
    def full(self) -> bool:
        """Whether records wait for the log to take them; then nothing more should be shipped."""
        return bool(self._unsent)

    @property
    def messages(self) -> int:
        """How many messages wait for the log."""
        return len(self._tracker)

    def holds(self, number: int) -> bool:
        """Returns whether a record is not stored yet."""
        return number in self._sent

    def ship(self, records: Sequence[Record], messages: Sequence[T], at: float) -> range:
        """Ships all the records that carry any part of these messages.

        Returns:
            The records' numbers, in order.
        """
        numbers = range(self._numbers + 1, self._numbers + 1 + len(records))
        self._numbers += len(records)
        self._tracker.carry(numbers, messages)
        numbered = list(zip(numbers, records, strict=True))
        self._sent.update(numbered)
        self._unsent.extend(numbered)
        self.push(at)
        return numbers

    def push(self, at: float) -> None:
        """Offers the log what it has not taken, in order."""
        if at < self._again_at:
            return
        while self._unsent and self._log.send(*self._unsent[0]):
            self._unsent.popleft()

    def wait_s(self, at: float) -> float:
        """Returns when to push again, s from now; infinite when nothing waits."""
        return max(self._again_at - at, OFFER_S) if self._unsent else float("inf")

    def reported(self, reports: Iterable[Report], at: float) -> list[T]:
        """Takes the log's reports.

        Returns:
            The messages of which everything is stored now.
        """
        done: list[T] = []
        refused = []
        for report in reports:
            record = self._sent.get(report.number)
            if record is None:
                continue
            if report.error is None:
                del self._sent[report.number]
                self._meters.records_out.labels(record.topic).inc()
                done += self._tracker.delivered(report.number)
            elif report.hopeless and record.topic == topics.REJECTED:
                del self._sent[report.number]
                self._meters.given_up.inc()
                logger.error("%s: %s; it is given up: nobody could ever read it", record.topic, report.error)
                done += self._tracker.delivered(report.number)
            else:
                refused.append((report.number, self._again(report, record)))
                text = "%s, partition %d, was not stored: %s; it is sent again in %.0f s"
                logger.error(text, record.topic, record.partition, report.error, RETRY_S)
        if refused:
            self._meters.failed.inc(len(refused))
            self._unsent = deque(sorted([*refused, *self._unsent], key=lambda numbered: numbered[0]))
            self._again_at = at + RETRY_S
        return done

    def _again(self, report: Report, record: Record) -> Record:
        """Returns what is sent in a refused record's stead: itself, or the reason why it cannot be stored."""
        if not report.hopeless:
            return record
        self._meters.given_up.inc()
        topic, payload = f"{record.topic}[{record.partition}]", (record.value or b"")[:PUT_ASIDE_BYTES]
        refused = Rejected(topic=topic, reason=f"no record of the log: {report.error}", t=self.t, payload=payload)
        aside = self._sent[report.number] = put_aside(record.key, refused)
        return aside
