"""The number of partitions: decided when a deployment's topics are made, and fixed for its life as its lanes are.

A patient's admission and open alarms lie on the partition that the number gives. Were it to change, the patient would
be unknown on the new partition, and their alarm would stand for ever on the old one. So nothing grows topics, and
nothing works on topics of another number than it was told.
"""

import threading
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka.admin import AdminClient

from cloud.kafka.client import logger, retry
from cloud.kafka.port import KafkaUnavailableError
from cloud.settings import Kafka
from vitals.wire.topics import TOPICS, Topic

NAMES: Final = tuple(topic.name for topic in TOPICS)
ANSWER_S: Final = 30.0
LIST_S: Final = 5.0
LOOK_EVERY_S: Final = 2.0


def wanted(topic: Topic, settings: Kafka) -> int:
    """Returns how many partitions a topic has in a deployment."""
    return settings.partitions if topic.by_lane else 1


def found(settings: Kafka, within_s: float = ANSWER_S) -> dict[str, int]:
    """Asks Kafka how many partitions each topic has.

    Raises:
        KafkaUnavailableError: Kafka does not answer, however often it is asked in that time.
    """
    admin = AdminClient({**settings.client()}, logger=logger)
    counts: dict[str, int] = {}

    def ask() -> None:
        listed = admin.list_topics(timeout=LIST_S).topics
        counts.update({name: len(topic.partitions) for name, topic in listed.items()})

    retry(ask, what="listing topics", deadline_s=within_s)
    return counts


def agree(counts: Mapping[str, int], settings: Kafka) -> None:
    """Holds the topics that there are against the settings; one that is missing is nobody's mistake yet.

    Raises:
        KafkaUnavailableError: They differ; says how to go on.
    """
    other = {t.name: counts[t.name] for t in TOPICS if counts.get(t.name, 0) not in {0, wanted(t, settings)}}
    if not other:
        return
    listed = ", ".join(f"{name} has {count}" for name, count in other.items())
    by_lane = {other[t.name] for t in TOPICS if t.by_lane and t.name in other}
    (count, *others) = sorted(by_lane) or [settings.partitions]
    remedy = "" if others or count == settings.partitions else f"set PARTITIONS={count}, with which they were made; "
    raise KafkaUnavailableError(
        f"PARTITIONS={settings.partitions}, but {listed}: a deployment keeps the number with which its topics were "
        f"made, as patients and their alarms lie by it; {remedy}for another number move to a new deployment "
        "(docs/deploy.md, More partitions)"
    )


def check(settings: Kafka) -> None:
    """Refuses to work on topics of another number of partitions than the settings have.

    Raises:
        KafkaUnavailableError: They differ, or Kafka does not answer.
    """
    agree(found(settings), settings)


def wait(settings: Kafka, stop: threading.Event, needs: Collection[str] = NAMES) -> bool:
    """Waits until Kafka answers and has the topics that a tier needs, so that it may start before either.

    Returns:
        False when it was stopped before.

    Raises:
        KafkaUnavailableError: The topics have another number of partitions than the settings, which no waiting mends.
    """
    while not stop.is_set():
        try:
            counts = found(settings, within_s=0)
        except KafkaUnavailableError as error:
            logger.warning("waiting for Kafka: %s", error)
        else:
            agree(counts, settings)
            missing = [name for name in needs if not counts.get(name)]
            if not missing:
                return True
            logger.warning("waiting for topics %s: run python -m cloud topics", ", ".join(missing))
        stop.wait(LOOK_EVERY_S)
    return False
