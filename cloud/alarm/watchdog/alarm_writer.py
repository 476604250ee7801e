"""The watchdog's word on its way into the log, which may be what stands still."""

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
    """Writes alarms. One that is acknowledged late is waited for; a new writer writes it again only if it was refused.

    Attributes:
        place: Where they go.
        connect: Makes a writer.
    """

    place: Place
    connect: Callable[[], Writer]
    _writer: Writer | None = None
    _unsure: list[AlarmEvent] = field(default_factory=list)

    def tell(self, event: AlarmEvent | None) -> None:
        """Writes an event, if there is one, and looks after those before it."""
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
            # Kafka itself is what stands still: the word waits for it, and the shards go on waiting too.
            logger.warning("the watchdog's word waits for Kafka: %s", error)
            self._replace_failed()

    def _write(self, writer: Writer, events: list[AlarmEvent]) -> None:
        for event in events:
            try:
                writer.write(self.place, event.subject.encode(), encode(event))
            except KafkaUnavailableError as error:
                logger.warning("the watchdog's word was not taken: %s", error)

    def _replace_failed(self) -> None:
        try:
            if self._writer is not None:
                self._writer.check()
        except KafkaUnavailableError:
            self._writer = None
