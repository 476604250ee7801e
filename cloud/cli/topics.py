"""`python -m cloud topics`: creates the topics, or brings the settings of existing ones up to date.

It never changes how many partitions a topic has: see `cloud.kafka.partitions`.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from cloud.kafka.partitions import agree, found, wanted
from cloud.kafka.port import KafkaUnavailableError
from cloud.settings import Topics
from vitals.runtime.daemon import log_json
from vitals.runtime.settings import SettingsError, load
from vitals.wire.topics import MAX_RECORD_BYTES, TOPICS, Topic

logger = logging.getLogger("topics")
TIMEOUT_S: Final = 30.0


def config(topic: Topic, replication: int) -> dict[str, str]:
    """Returns the topic's settings.

    Args:
        topic: The topic.
        replication: Copies of each partition.
    """
    kept = (
        {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1"}
        if topic.keep_ms is None
        else {"cleanup.policy": "delete", "retention.ms": str(topic.keep_ms)}
    )
    # One copy may be away without stopping the ward, and still two hold what was acknowledged.
    durable = {"min.insync.replicas": str(max(1, replication - 1)), "unclean.leader.election.enable": "false"}
    return {**kept, **durable, "max.message.bytes": str(MAX_RECORD_BYTES), **topic.config}


def ensure(settings: Topics) -> list[str]:
    """Makes the topics as they should be.

    Returns:
        One line for each thing that was changed; none when all was well.

    Raises:
        KafkaUnavailableError: Kafka does not answer, refuses, or has topics with another number of partitions.
            Nothing was changed.
    """
    existing = found(settings)
    agree(existing, settings)
    admin = AdminClient({**settings.client()}, logger=logger)
    done = []
    for topic in TOPICS:
        if topic.name in existing:
            _configure(admin, topic, settings)
        else:
            done += _create(admin, topic, settings)
    return done


def _create(admin: AdminClient, topic: Topic, settings: Topics) -> list[str]:
    new = NewTopic(
        topic.name,
        num_partitions=wanted(topic, settings),
        replication_factor=settings.replication_factor,
        config=config(topic, settings.replication_factor),
    )
    try:
        admin.create_topics([new], operation_timeout=TIMEOUT_S)[topic.name].result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise KafkaUnavailableError(f"topic {topic.name} could not be created: {error}") from error
        return []
    return [f"created {topic.name} with {wanted(topic, settings)} partitions"]


def _configure(admin: AdminClient, topic: Topic, settings: Topics) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config(topic, settings.replication_factor).items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
    try:
        admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)
    except KafkaException as error:
        raise KafkaUnavailableError(f"settings of topic {topic.name} could not be changed: {error}") from error


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    argparse.ArgumentParser(prog="python -m cloud topics", description=__doc__).parse_args(argv)
    log_json("topics")
    try:
        for line in ensure(load(Topics, environ)):
            logger.info("%s", line)
    except (SettingsError, KafkaUnavailableError) as error:
        logger.error("%s", error)
        return 1
    logger.info("topics are as they should be")
    return 0
