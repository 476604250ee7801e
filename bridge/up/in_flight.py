"""Records in flight to Kafka: offered until accepted, tracked until stored, offered again if refused.

A record that Kafka refuses for good becomes a dead letter, so that it does not block all others. Kafka refuses whole
batches, so such a record is first sent once more by itself.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar

from bridge.kafka import outgoing_records
from bridge.kafka.port import DeliveryReport, Producer, Record
from bridge.metrics import Metrics
from bridge.up.acks import Tracker
from vitals.runtime.daemon import now_ms
from vitals.wire import topics

RETRY_S: Final = 1.0
OFFER_S: Final = 0.05
T = TypeVar("T")
logger = logging.getLogger("bridge.up.in_flight")


class InFlightRecords(Generic[T]):
    """Records between the bridge and Kafka; each is kept until Kafka has stored it.

    Args:
        log: The producer.
        metrics: Metrics.
        clock: UTC epoch ms, for dead letters.
    """

    def __init__(self, log: Producer, metrics: Metrics, clock: Callable[[], int] = now_ms) -> None:
        self._producer = log
        self._metrics = metrics
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
        """True while Kafka's queue is full; then nothing more should be shipped."""
        return bool(self._unsent)

    @property
    def messages(self) -> int:
        """Number of messages that wait for Kafka."""
        return len(self._tracker)

    def holds(self, number: int) -> bool:
        """Returns whether a record is not stored yet."""
        return number in self._sent

    def ship(self, records: Sequence[Record], messages: Sequence[T], at: float) -> range:
        """Sends all records that carry any part of these messages.

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
        """Offers unsent records to the producer, in order."""
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
        """Returns the time until the next `push`, s; infinite if no record waits."""
        return max(self._again_at - at, OFFER_S) if self._unsent else float("inf")

    def reported(self, reports: Iterable[DeliveryReport], at: float) -> list[T]:
        """Applies delivery reports.

        Returns:
            The messages whose records are all stored now.
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
                text = "%s, partition %d: record was not stored: %s; retrying in %.0f s"
                logger.error(text, record.topic, record.partition, report.error, RETRY_S)
        if again:
            self._metrics.failed.inc(len(again))
            self._line_up(again)
            self._again_at = at + RETRY_S
        return done

    def _is_outdated(self, number: int, record: Record) -> bool:
        """Returns whether a newer status of the same sender follows: sent again, this one would appear newer."""
        return record.topic == topics.STATUS and self._statuses[record.key] > number

    def _stored(self, number: int) -> Sequence[T]:
        del self._sent[number]
        self._alone.discard(number)
        return self._tracker.delivered(number)

    def _put_aside(self, number: int, record: Record, why: str) -> Sequence[T]:
        """Sends the dead letter in the record's place; returns the messages done if even that is refused for good."""
        self._metrics.failed.inc()
        self._metrics.given_up.inc()
        if record.topic == topics.REJECTED:
            logger.error("a refusal was itself refused for good and is dropped: %s", why)
            return self._stored(number)
        logger.error(
            "%s, partition %d: record refused for good and sent to vitals.rejected: %s",
            record.topic,
            record.partition,
            why,
        )
        aside = self._sent[number] = outgoing_records.refused(record, why, self._clock())
        self._line_up([(number, aside)])
        return ()

    def _line_up(self, again: Iterable[tuple[int, Record]]) -> None:
        self._unsent = deque(sorted([*again, *self._unsent], key=lambda numbered: numbered[0]))
