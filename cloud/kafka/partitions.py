"""The number of partitions, which is fixed for the life of a deployment, like its lanes.

The number decides the partition of a patient's admission and open alarms. If it changed, the new partition would not
know the patient, and an alarm on the old one would never end. So no job extends topics, and no job works on topics with
a number of partitions other than its setting.
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
    """Returns the number of partitions of a topic in a deployment."""
    return settings.partitions if topic.by_lane else 1


def found(settings: Kafka, within_s: float = ANSWER_S) -> dict[str, int]:
    """Queries the number of partitions of each topic.

    Raises:
        KafkaUnavailableError: Kafka did not answer within that time, with retries.
    """
    admin = AdminClient({**settings.client()}, logger=logger)
    counts: dict[str, int] = {}

    def ask() -> None:
        listed = admin.list_topics(timeout=LIST_S).topics
        counts.update({name: len(topic.partitions) for name, topic in listed.items()})

    retry(ask, what="listing topics", deadline_s=within_s)
    return counts


def agree(counts: Mapping[str, int], settings: Kafka) -> None:
    """Compares the existing topics with the settings; a missing topic is no error yet.

    Raises:
        KafkaUnavailableError: They differ; the message contains the remedy.
    """
    other = {t.name: counts[t.name] for t in TOPICS if counts.get(t.name, 0) not in {0, wanted(t, settings)}}
    if not other:
        return
    listed = ", ".join(f"{name} has {count}" for name, count in other.items())
    by_lane = {other[t.name] for t in TOPICS if t.by_lane and t.name in other}
    (count, *others) = sorted(by_lane) or [settings.partitions]
    remedy = "" if others or count == settings.partitions else f"set PARTITIONS={count}, as in these topics; "
    raise KafkaUnavailableError(
        f"PARTITIONS={settings.partitions}, but {listed}. The number is fixed for a deployment, because it decides the "
        f"partition of each patient and alarm: {remedy}for another number move to a new deployment "
        "(docs/deploy.md, More partitions)"
    )


def check(settings: Kafka) -> None:
    """Refuses to work on topics whose number of partitions differs from the settings.

    Raises:
        KafkaUnavailableError: They differ, or Kafka does not answer.
    """
    agree(found(settings), settings)


def wait(settings: Kafka, stop: threading.Event, needs: Collection[str] = NAMES) -> bool:
    """Waits until Kafka answers and has the topics that a job needs, so that the job may start before them.

    Returns:
        False if it was stopped before.

    Raises:
        KafkaUnavailableError: The number of partitions differs from the settings, which waiting does not fix.
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
