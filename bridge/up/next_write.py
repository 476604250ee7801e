"""The next write to Kafka: readings and dead letters together, since a batch is done when all of it is stored."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from bridge.kafka import outgoing_records
from bridge.kafka.port import Record
from bridge.metrics import Metrics
from bridge.settings import Settings
from bridge.up import batching
from bridge.up.columns import Batch, ColumnBuffer
from bridge.up.validate import Refusal
from vitals.bounds import MAX_ASIDE
from vitals.status import Rejected

T = TypeVar("T")


class NextWrite(Generic[T]):
    """Collected readings, dead letters and the messages that they are from.

    Args:
        settings: Settings.
        metrics: Metrics.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._linger = batching.Linger(settings.linger_ms / 1000)
        self._readings = ColumnBuffer()
        self._refused: list[Record] = []
        self._messages: list[T] = []

    def __len__(self) -> int:
        return len(self._readings) + len(self._refused)

    @property
    def enough(self) -> bool:
        """True if it is written without waiting."""
        return len(self) >= batching.ENOUGH

    def wait_s(self, at: float) -> float:
        """Returns the time until it is due, s; infinite if it is empty."""
        return self._linger.wait_s(len(self), at)

    def add(self, batch: Batch, message: T) -> None:
        """Adds the usable readings of a message."""
        self._readings.add(batch)
        self._messages.append(message)

    def add_dead_letters(self, letters: Iterable[Rejected], gateway: str, message: T) -> None:
        """Adds dead letters of a message."""
        self._refused += [outgoing_records.dead_letter(gateway.encode(), letter) for letter in letters]
        if not (self._messages and self._messages[-1] is message):
            self._messages.append(message)

    def refuse(self, refusals: Iterable[Refusal], gateway: str, topic: str, t: int, message: T) -> None:
        """Adds a dead letter for each refusal at `t`, UTC epoch ms, and counts its readings."""
        letters = []
        for refusal in refusals:
            self._metrics.rejected.labels(refusal.why.value).inc(max(1, refusal.readings))
            letters.append(
                Rejected(
                    topic=topic,
                    reason=refusal.reason,
                    t=t,
                    payload=refusal.payload[:MAX_ASIDE],
                    readings=refusal.readings,
                )
            )
        self.add_dead_letters(letters, gateway, message)

    def take(self, at: float) -> tuple[list[Record], list[T]]:
        """Removes and returns all records, and the messages that are done once these are stored."""
        readings, self._readings = self._readings, ColumnBuffer()
        messages, self._messages = self._messages, []
        refused, self._refused = self._refused, []
        self._metrics.batches_in.inc(len(messages))
        self._metrics.readings_in.inc(len(readings))
        self._linger.written(at)
        loads = batching.lane_records(readings, self._settings.lanes)
        return [
            *(outgoing_records.vitals(load.lane, load.value, self._settings.partitions) for load in loads),
            *refused,
        ], messages
