"""What Kafka holds of a topic, for jobs that remember by offset how far they came."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cloud.kafka.client import METADATA_TIMEOUT_S
from cloud.settings import Kafka

RETRY_S: Final = 2.0
"""Pause before Kafka is asked again."""
Watermarks = Mapping[int, tuple[int, int]]
"""By partition: the first offset that Kafka still holds, and the one that it will give next."""


class RecreatedError(RuntimeError):
    """A topic ends before what was made of it: it is another topic of the same name."""


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
    """Holds the offsets that a job wants next against what Kafka has.

    Args:
        topic: Topic, for errors.
        known: Offset wanted next, by partition; absent: the first that Kafka holds.
        marks: What Kafka holds.
        remedy: What to do when the topic was made anew.

    Returns:
        The offset to read next for every partition, and what was deleted unread.

    Raises:
        RecreatedError: Kafka's offsets end below those that are known.
    """
    following, lost = {}, []
    for partition, (low, high) in marks.items():
        wanted = known.get(partition, low)
        if wanted > high:
            raise RecreatedError(
                f"{topic}[{partition}] ends at offset {high}, but it was read up to {wanted - 1}: "
                f"the topic was made anew. {remedy}"
            )
        if wanted < low:
            lost.append(Span(partition, wanted, low - 1))
        following[partition] = max(wanted, low)
    return following, lost


def watermarks(
    settings: Kafka, topics: Collection[str], group: str, log: logging.Logger
) -> dict[str, dict[int, tuple[int, int]]] | None:
    """Asks Kafka for the offsets that it holds.

    Args:
        settings: How to reach Kafka.
        topics: Topics.
        group: Consumer group; nothing is committed under it.
        log: Where to tell why there is no answer.

    Returns:
        First and next offset by topic and partition; None, with the reason logged, while a topic or Kafka is not there.
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
