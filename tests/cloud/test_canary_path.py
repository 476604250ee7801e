"""The canary of a real gateway through the whole real path, and what the gateway says when nobody pages any more."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import msgspec
import paho.mqtt.client as mqtt
import pytest

from cloud.kafka.client import KafkaReader
from cloud.kafka.port import read_to_end
from cloud.kafka.settings import Kafka
from infra.demo.supervisor import edge_says
from infra.local.ports import Ports
from infra.local.servers.moto import CREDENTIALS
from infra.local.services import Tier, admit_canaries, start_tiers, tiers
from infra.local.stack import DEVICE_BROKERS, KAFKA, MOTO, SITE_BROKER, LocalStack
from infra.local.topic_observer import PARTITIONS, Beats, Observer
from tests.support.waiting import until
from vitals.contacts import CANARY, Notification
from vitals.wire import topics
from vitals.wire.topics import canary

GATEWAY, PERIOD_S = "gw-icu", 10.0
NEEDED = {"notify", "watch", "score", "bridge", f"edge-{GATEWAY}"}
REMOTE_LOST_S = 60.0
"""A gateway that has not heard the notifier for so long says so at its own light."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LocalStack]:
    """Everything that a canary's alarm travels through."""
    parts = (DEVICE_BROKERS, SITE_BROKER, KAFKA, MOTO)
    with LocalStack(tmp_path, ports=Ports.ephemeral(1), gateways=(GATEWAY,), parts=parts, kafka_heap_mb=256) as stack:
        yield stack


@pytest.fixture
def light(house: LocalStack) -> Iterator[list[dict[str, Any]]]:
    """What the gateway's own light shows, newest last."""
    shown: list[dict[str, Any]] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="", protocol=mqtt.MQTTv5)
    client.on_message = lambda _, __, message: shown.append(json.loads(message.payload or b"{}"))
    host, port = house.device_broker_url(GATEWAY).removeprefix("mqtt://").split(":")
    client.connect(host, int(port))
    client.subscribe(topics.bed_alarm(GATEWAY), qos=1)
    client.loop_start()
    yield shown
    client.loop_stop()
    client.disconnect()


def recorded(stack: LocalStack) -> list[Notification]:
    """Everything in topic `notifications`."""
    settings = Kafka(kafka_bootstrap=stack.env()["KAFKA_BOOTSTRAP"])
    reader = KafkaReader(settings, "test")
    records = read_to_end(reader, dict.fromkeys(settings.layout.places(topics.NOTIFICATIONS), 0))
    reader.close()
    return [msgspec.json.decode(record.value or b"", type=Notification) for record in records]


def brought_up(house: LocalStack) -> dict[str, Tier]:
    """Starts the tiers, with a canary that sings faster than in a hospital; returns them by name."""
    chosen = {tier.name: tier for tier in tiers(house, canary_s=PERIOD_S) if tier.name in NEEDED}
    start_tiers(house, list(chosen.values()))
    with Observer(house.env()["KAFKA_BOOTSTRAP"], PARTITIONS, Beats()) as beats:
        until(lambda: beats.asked(Beats.fresh), "a beat out of Spark", 180)
    return chosen


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_canary_arrives_at_sns_and_without_the_notifier_its_gateway_says_that_nobody_is_paged(
    house: LocalStack, light: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    running = brought_up(house)
    edge = running[f"edge-{GATEWAY}"].spec(house)
    admit_canaries(house, PERIOD_S)

    until(lambda: recorded(house), "the canary's record in notifications", 60, 0.5)
    first = recorded(house)[0]
    assert (first.patient, first.contact, first.error) == (canary(GATEWAY), CANARY, None)
    assert first.sns, "SNS accepted it"
    assert first.accepted - first.t < 1000 * PERIOD_S
    sns = boto3.client("sns", endpoint_url=house.env()["AWS_ENDPOINT_URL"])
    topic = next(t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(f"-{CANARY}"))
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []

    def heard() -> float | None:
        return json.loads(edge_says(edge, "status"))["last_heartbeat_s_ago"]

    until(lambda: (heard() or REMOTE_LOST_S) < REMOTE_LOST_S / 2, "the notifier's heartbeat at the gateway", 30, 1.0)
    assert not any("Remote monitoring lost" in str(shown) for shown in light)

    house.processes.kill("notify")
    silent = time.monotonic()
    until(lambda: "Remote monitoring lost" in str(light[-1:]), "the gateway's own alarm", REMOTE_LOST_S + 30)
    assert time.monotonic() - silent >= REMOTE_LOST_S - 15, "a notifier that is merely restarted frightens nobody"

    start_tiers(house, [running["notify"]])
    until(lambda: "Remote monitoring lost" not in str(light[-1:]), "the end of the gateway's alarm", 60)
