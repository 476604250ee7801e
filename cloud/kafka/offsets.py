"""Offsets that Kafka holds of a topic, for jobs that resume from an offset."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cloud.kafka.client import METADATA_TIMEOUT_S
from cloud.settings import Kafka

RETRY_S: Final = 2.0
"""Pause before Kafka is queried again."""
Watermarks = Mapping[int, tuple[int, int]]
"""By partition: the first offset that Kafka still holds, and the offset of its next record."""


class RecreatedError(RuntimeError):
    """A topic ends before the offsets already processed: it was deleted and recreated."""


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets of one partition, both included."""

    partition: int
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1


def resume_offsets(
    topic: str, known: Mapping[int, int], marks: Watermarks, remedy: str
) -> tuple[dict[int, int], list[Span]]:
    """Compares the offsets that a job wants next with those that Kafka holds.

    Args:
        topic: Topic, for errors.
        known: Next offset, by partition; absent: the first that Kafka holds.
        marks: Offsets that Kafka holds.
        remedy: Action for the operator if the topic was recreated.

    Returns:
        The offset to read next for every partition, and the spans that were deleted unread.

    Raises:
        RecreatedError: Kafka's offsets end below a known one.
    """
    following, lost = {}, []
    for partition, (low, high) in marks.items():
        wanted = known.get(partition, low)
        if wanted > high:
            raise RecreatedError(
                f"{topic}[{partition}] ends at offset {high}, but it was read up to {wanted - 1}: "
                f"the topic was recreated. {remedy}"
            )
        if wanted < low:
            lost.append(Span(partition, wanted, low - 1))
        following[partition] = max(wanted, low)
    return following, lost


def watermarks(
    settings: Kafka, topics: Collection[str], group: str, log: logging.Logger
) -> dict[str, dict[int, tuple[int, int]]] | None:
    """Queries the offsets that Kafka holds.

    Args:
        settings: Kafka settings.
        topics: Topics.
        group: Consumer group; nothing is committed under it.
        log: Logger for the reason of a failure.

    Returns:
        First and next offset by topic and partition; None, with the reason logged, if a topic or Kafka is not
            available.
    """
    consumer = Consumer(settings.client() | {"group.id": group, "enable.auto.commit": False}, logger=log)
    try:
        found = consumer.list_topics(timeout=METADATA_TIMEOUT_S).topics
        absent = [topic for topic in topics if topic not in found or not found[topic].partitions]
        if absent:
            log.warning("waiting for topics %s: run python -m cloud topics", ", ".join(absent))
            return None
        return {topic: {p: _watermark(consumer, topic, p) for p in found[topic].partitions} for topic in topics}
    except KafkaException as error:
        log.warning("waiting for Kafka at %s: %s", settings.kafka_bootstrap, error)
        return None
    finally:
        consumer.close()


def _watermark(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=METADATA_TIMEOUT_S)
    return int(low), int(high)
