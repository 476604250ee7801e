"""Kafka over TLS with SCRAM: a broker of its own, as none of the others asks who its clients are."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AdminClient,
    NewTopic,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from bridge.kafka.client import missing_topics
from infra.local.pki import Authority
from infra.local.ports import Ports
from infra.local.process import Processes
from infra.local.servers.kafka import kafka
from tests.bridge.hospital import DEADLINE_S, MakeBatch, Site, flow
from tests.support.waiting import until
from vitals.runtime.kafka_settings import KafkaAccess
from vitals.wire import topics

USER, PASSWORD = "bridge", "correct horse"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A Kafka with a SASL_SSL listener, one user and the topics; the settings with which a client reaches it."""
    var, ports = tmp_path_factory.mktemp("secured"), Ports.ephemeral()
    authority = Authority(var / "pki")
    spec = replace(kafka(var / "kafka", ports.kafka, ports.kafka_controller, heap_mb=256), ready_timeout_s=240)
    listen(var / "kafka" / "server.properties", var / "keystore.pem", authority, ports)
    processes = Processes(var)
    processes.start(spec)
    try:
        processes.wait_ready(spec)
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{ports.kafka}"})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        user = UserScramCredentialUpsertion(USER, info, PASSWORD.encode())
        made = {**admin.alter_user_scram_credentials([user])}
        made |= admin.create_topics([NewTopic(t.name, 16 if t.by_lane else 1, 1) for t in topics.TOPICS])
        for future in made.values():
            future.result(DEADLINE_S)
        yield {
            "KAFKA_BOOTSTRAP": f"127.0.0.1:{ports.moto}",
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": USER,
            "KAFKA_SASL_PASSWORD": PASSWORD,
            "KAFKA_CA": str(authority.server("kafka").ca),
        }
    finally:
        processes.end()


def listen(properties: Path, keystore: Path, authority: Authority, ports: Ports) -> None:
    """Adds the listener: in a properties file the last word stands."""
    identity = authority.server("kafka")
    keystore.write_bytes(identity.key.read_bytes() + identity.cert.read_bytes() + identity.ca.read_bytes())
    plain, secure = f"PLAINTEXT://127.0.0.1:{ports.kafka}", f"SASL_SSL://127.0.0.1:{ports.moto}"
    module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    added = {
        "listeners": f"{plain},{secure},CONTROLLER://127.0.0.1:{ports.kafka_controller}",
        "advertised.listeners": f"{plain},{secure}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": module,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
    }
    with properties.open("a") as file:
        file.writelines(f"{key}={value}\n" for key, value in added.items())


def access(settings: Mapping[str, str], **changes: str) -> dict[str, str]:
    known = {key.lower(): value for key, value in settings.items()} | changes
    ca = known.pop("kafka_ca", None)
    return KafkaAccess(**known, kafka_ca=Path(ca) if ca else None).client()  # type: ignore[arg-type] # all are texts


def test_readings_reach_a_kafka_that_asks_for_tls_and_scram(
    site: Site, batch: MakeBatch, secured: Mapping[str, str]
) -> None:
    site.kafka = {**access(secured), "client.id": "test"}
    site.start_bridge("bridge-secured", **secured)
    gateway = site.gateway("gw-secured")
    accepted = flow(gateway, batch, 1, 10)
    until(lambda: not gateway.kept, "confirmation")
    assert sorted(site.identities(gateway)) == sorted(accepted)


def test_a_wrong_password_or_an_unknown_authority_is_refused(secured: Mapping[str, str]) -> None:
    wrong, unknown = access(secured, kafka_sasl_password="wrong"), access(secured)  # noqa: S106 - wrong on purpose
    del unknown["ssl.ca.location"]
    for config in (wrong, unknown):
        with pytest.raises(KafkaException):
            missing_topics(config | {"log_level": "0"}, {topics.VITALS: 16}, 1.5)
