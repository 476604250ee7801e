"""Writes watchdog alarms to Kafka, and keeps them until Kafka, which may itself be down, acknowledges."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from cloud.kafka.port import KafkaUnavailableError, Place, Writer
from vitals.alarm_events import AlarmEvent, encode

logger = logging.getLogger("watch")
FLUSH_S: Final = 5.0


@dataclass(slots=True)
class WatchdogWriter:
    """Writes alarms. It waits for a late acknowledgement; a new writer repeats an alarm only if Kafka refused it.

    Attributes:
        place: Partition to write to.
        connect: Creates a writer.
    """

    place: Place
    connect: Callable[[], Writer]
    _writer: Writer | None = None
    _unsure: list[AlarmEvent] = field(default_factory=list)

    def tell(self, event: AlarmEvent | None) -> None:
        """Writes an event, if there is one, and retries unacknowledged events."""
        if event is not None:
            self._unsure.append(event)
            if self._writer is not None:
                self._write(self._writer, [event])
        if not self._unsure:
            return
        if self._writer is None:
            self._writer = self.connect()
            self._write(self._writer, self._unsure)
        try:
            self._writer.flush(FLUSH_S)
            self._unsure.clear()
        except KafkaUnavailableError as error:
            # Kafka itself is down: the alarm is kept, and the shards wait for Kafka as well.
            logger.warning("watchdog alarm is kept until Kafka acknowledges: %s", error)
            self._replace_failed()

    def _write(self, writer: Writer, events: list[AlarmEvent]) -> None:
        for event in events:
            try:
                writer.write(self.place, event.subject.encode(), encode(event))
            except KafkaUnavailableError as error:
                logger.warning("watchdog alarm not written: %s", error)

    def _replace_failed(self) -> None:
        try:
            if self._writer is not None:
                self._writer.check()
        except KafkaUnavailableError:
            self._writer = None
