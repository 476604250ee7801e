"""Tiers that are there before Kafka or before the topics wait for them, and end where waiting mends nothing."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.cli import topics as topics_job
from cloud.kafka import partitions
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.settings import Kafka, Topics
from infra.local.ports import HOST, Ports
from tests.support.waiting import until

WITHIN_S = 60.0


def test_who_is_there_before_the_topics_waits_until_all_are_made_with_its_number(
    own_kafka: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings, stop = Kafka(kafka_bootstrap=own_kafka), threading.Event()
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(partitions.wait, settings, stop)
        until(lambda: "waiting for topics vitals, " in caplog.text or waiting.done(), "the wait for topics")
        assert "run python -m cloud topics" in caplog.text
        assert not waiting.done()
        topics_job.ensure(Topics(kafka_bootstrap=own_kafka))
        assert waiting.result(WITHIN_S)
    with pytest.raises(KafkaUnavailableError, match="PARTITIONS=4, but vitals has 16"):
        partitions.wait(Kafka(kafka_bootstrap=own_kafka, lanes=4, partitions=4), stop)


def test_who_is_there_before_kafka_waits_until_told_to_stop(caplog: pytest.LogCaptureFixture) -> None:
    nowhere, stop = Kafka(kafka_bootstrap=f"{HOST}:{Ports.ephemeral().kafka}"), threading.Event()
    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(partitions.wait, nowhere, stop)
        until(lambda: "waiting for Kafka: " in caplog.text or waiting.done(), "the wait for Kafka")
        assert not waiting.done()
        stop.set()
        assert not waiting.result(WITHIN_S)
