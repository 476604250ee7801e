"""Records on their way into the log: offered until taken, tracked until stored, offered again when refused.

One that the log refuses for good is put aside with its reason, lest all others wait behind it for ever. A log refuses
whole batches, so one is first offered again with no other beside it.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from bridge.kafka.port import DeliveryReport, Producer, Record
from bridge.metrics import Metrics
from bridge.up import kafka_records
from bridge.up.acks import Tracker
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

RETRY_S: Final = 1.0
OFFER_S: Final = 0.05
T = TypeVar("T")
logger = logging.getLogger("bridge.up.in_flight")


class InFlightRecords(Generic[T]):
    """What is between the bridge and the log. It holds each record until the log has stored it.

    Args:
        log: The log.
        meters: Metrics.
        clock: UTC epoch ms, for what is put aside.
    """

    def __init__(self, log: Producer, meters: Metrics, clock: Callable[[], int] = now_ms) -> None:
        self._producer = log
        self._metrics = meters
        self._clock = clock
        self._alone: set[int] = set()
        self._in_flight: set[int] = set()
        self._tracker: Tracker[T] = Tracker()
        self._sent: dict[int, Record] = {}
        self._unsent: deque[tuple[int, Record]] = deque()
        self._again_at = -float("inf")
        self._numbers = 0
        self._statuses: dict[bytes, int] = {}

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
        self._tracker.register(numbers, messages)
        numbered = list(zip(numbers, records, strict=True))
        self._sent.update(numbered)
        self._statuses.update((record.key, number) for number, record in numbered if record.topic == topics.STATUS)
        self._unsent.extend(numbered)
        self.push(at)
        return numbers

    def push(self, at: float) -> None:
        """Offers the log what it has not taken, in order."""
        if at < self._again_at:
            return
        while self._unsent:
            number, record = self._unsent[0]
            if self._in_flight and (number in self._alone or self._in_flight & self._alone):
                return
            if not self._producer.send(number, record):
                return
            self._in_flight.add(number)
            self._unsent.popleft()

    def wait_s(self, at: float) -> float:
        """Returns when to push again, s from now; infinite when nothing waits."""
        return max(self._again_at - at, OFFER_S) if self._unsent else float("inf")

    def reported(self, reports: Iterable[DeliveryReport], at: float) -> list[T]:
        """Takes the log's reports.

        Returns:
            The messages of which everything is stored now.
        """
        done: list[T] = []
        again: list[tuple[int, Record]] = []
        for report in reports:
            self._in_flight.discard(report.number)
            record = self._sent.get(report.number)
            if record is None:
                continue
            if report.error is None:
                self._metrics.records_out.labels(record.topic).inc()
                done += self._stored(report.number)
            elif self._is_outdated(report.number, record):
                self._metrics.failed.inc()
                done += self._stored(report.number)
            elif report.final and report.number in self._alone:
                done += self._put_aside(report.number, record, report.error)
            else:
                again.append((report.number, record))
                self._alone.update({report.number} if report.final else ())
                text = "%s, partition %d, was not stored: %s; it is sent again in %.0f s"
                logger.error(text, record.topic, record.partition, report.error, RETRY_S)
        if again:
            self._metrics.failed.inc(len(again))
            self._line_up(again)
            self._again_at = at + RETRY_S
        return done

    def _is_outdated(self, number: int, record: Record) -> bool:
        """Tells of a status that a newer one of its sender follows: sent again, it would seem to be the newer."""
        return record.topic == topics.STATUS and self._statuses[record.key] > number

    def _stored(self, number: int) -> Sequence[T]:
        del self._sent[number]
        self._alone.discard(number)
        return self._tracker.delivered(number)

    def _put_aside(self, number: int, record: Record, why: str) -> Sequence[T]:
        """Has the refusal stored in the record's place; returns the messages done when not even that is possible."""
        self._metrics.failed.inc()
        self._metrics.given_up.inc()
        if record.topic == topics.REJECTED:
            logger.error("a refusal was itself refused for good and is dropped: %s", why)
            return self._stored(number)
        logger.error(
            "%s, partition %d, is put aside, as it was refused for good: %s", record.topic, record.partition, why
        )
        aside = self._sent[number] = kafka_records.refused(record, why, self._clock())
        self._line_up([(number, aside)])
        return ()

    def _line_up(self, again: Iterable[tuple[int, Record]]) -> None:
        self._unsent = deque(sorted([*again, *self._unsent], key=lambda numbered: numbered[0]))
