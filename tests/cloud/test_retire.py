"""A gateway that was taken away is nobody's alarm for ever."""

import os
import subprocess
import sys
import time

import msgspec
import pytest
from confluent_kafka import Producer

from cloud.cli import topics as topics_job
from cloud.cli.canary import admission
from cloud.kafka.client import KafkaReader
from cloud.kafka.port import read_to_end
from cloud.settings import Kafka, Topics
from vitals.status import Health, Status
from vitals.wire import topics


def write(kafka: str, topic: str, partition: int, key: str, value: msgspec.Struct) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, msgspec.json.encode(value), key, partition=partition)
    assert producer.flush(30.0) == 0


def retire(kafka: str, name: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "cloud", "retire", name]
    mine = {"KAFKA_BOOTSTRAP": kafka}
    done = subprocess.run(argv, env=os.environ | mine, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words
    return done.returncode, done.stdout + done.stderr


def newest(kafka: str, name: str) -> bytes | None:
    reader = KafkaReader(Kafka(kafka_bootstrap=kafka), "test")
    said = [r.value for r in read_to_end(reader, {(topics.STATUS, 0): 0}) if r.key == name.encode()]
    reader.close()
    return said[-1]


@pytest.fixture
def broker(kafka: str) -> str:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    return kafka


def test_who_is_gone_is_retired_by_a_tombstone_and_nobody_else(broker: str) -> None:
    now = time.time_ns() // 1_000_000
    name = f"gw-retired-{now}"
    code, said = retire(broker, name)
    assert (code, f"no gateway or bridge '{name}' is known" in said) == (1, True)
    write(broker, topics.STATUS, 0, name, Status(id=name, kind="gateway", health=Health.UP, t=now))
    code, said = retire(broker, name)
    assert (code, "is running: stop it first" in said) == (1, True)
    gone = Status(id=name, kind="gateway", health=Health.OFFLINE, t=now)
    write(broker, topics.STATUS, 0, name, gone)
    there = admission(name, 60.0, now)
    lane = topics.lane(there.patient)
    write(broker, topics.PATIENTS, lane, there.patient, there)
    code, said = retire(broker, name)
    assert (code, f"{there.patient} are admitted to gateway {name}" in said) == (1, True)
    assert newest(broker, name) == msgspec.json.encode(gone)
    write(broker, topics.PATIENTS, lane, there.patient, msgspec.structs.replace(there, discharged=now, version=now + 1))
    code, said = retire(broker, name)
    assert (code, said.startswith(f"retired {name}\n")) == (0, True)
    assert newest(broker, name) is None
