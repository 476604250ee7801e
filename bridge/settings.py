"""What a bridge is told: from the environment, once, in `__main__`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from vitals.bounds import is_name
from vitals.runtime.kafka_settings import KafkaAccess
from vitals.runtime.settings import setting
from vitals.wire.topics import LANES, SLOTS

UPLINK_PORT: Final = 8883
MAX_RECEIVE: Final = 65_535


@dataclass(frozen=True, kw_only=True)
class Settings(KafkaAccess):
    """Settings of one bridge."""

    bridge: str = setting("Name of this bridge: its MQTT client id, and its id in topic status", "bridge")
    bridge_slots: tuple[int, ...] = setting("Slots of gateways it serves, comma-separated", tuple(range(SLOTS)))
    uplink: str = setting("Site broker or AWS IoT Core, mqtts://host:port", "mqtts://localhost:8883")
    uplink_ca: Path | None = setting("Certificate authority of the site broker, PEM file", None)
    uplink_cert: Path | None = setting("Client certificate, PEM file", None)
    uplink_key: Path | None = setting("Key of the client certificate, PEM file", None)
    receive_maximum: int = setting("Batches and statuses taken from the broker and not yet acknowledged, at most", 2000)
    gateway_window: int = setting("Of these, at most so many wait of one gateway; it keeps and resends the rest", 256)
    session_expiry_s: int = setting("How long the broker keeps messages for a bridge that is away, s", 300)
    kafka_bootstrap: str = setting("Kafka brokers, host:port, comma-separated", "127.0.0.1:9092")
    kafka_compression: str = setting("Compression of records: zstd, lz4 or none", "lz4")
    kafka_queue_mb: int = setting("Records waiting for Kafka, at most, MB; when full the bridge stops taking", 64)
    lanes: int = setting("Lanes of the deployment, fixed for its life", LANES)
    partitions: int = setting("Partitions of the topics placed by lane", 16)
    linger_ms: float = setting("While readings keep arriving, they are gathered for so long, ms", 20.0)
    status_timeout_s: float = setting("A gateway without a status for so long is silent, s", 10.0)
    status_every_s: float = setting("Seconds between two statuses of the bridge itself", 2.0)
    actions_replay_s: float = setting(
        "At its start the bridge passes on the actions of the last so many seconds", 600.0
    )
    metrics_port: int = setting("Port of /metrics and /health on loopback; 0 = none", 0)

    def __post_init__(self) -> None:
        KafkaAccess.__post_init__(self)
        _check(is_name(self.bridge), "BRIDGE is no name: letters, digits and - _ . :")
        _check(
            len(self.bridge_slots) > 0 and all(0 <= s < SLOTS for s in self.bridge_slots),
            f"BRIDGE_SLOTS must be some of 0..{SLOTS - 1}, e.g. 0,1,2,3",
        )
        url = urlsplit(self.uplink)
        _check(url.scheme == "mqtts" and bool(url.hostname), f"UPLINK={self.uplink!r} is no mqtts://host:port")
        _check((self.uplink_cert is None) == (self.uplink_key is None), "UPLINK_CERT and UPLINK_KEY go together")
        _check(0 < self.receive_maximum <= MAX_RECEIVE, f"RECEIVE_MAXIMUM must be 1 to {MAX_RECEIVE}")
        _check(self.gateway_window > 0, "GATEWAY_WINDOW must be at least 1")
        _check(0 < self.partitions <= self.lanes, "PARTITIONS must be 1 to LANES: a lane lies in one partition")
        _check(self.linger_ms >= 0, "LINGER_MS must not be negative")
        _check(self.status_timeout_s > 0 and self.status_every_s > 0, "STATUS_* must be positive")
        _check(self.kafka_queue_mb > 0, "KAFKA_QUEUE_MB must be at least 1")

    def kafka(self) -> dict[str, str]:
        """Returns what every Kafka client of the bridge is configured with."""
        return self.client() | {"client.id": self.bridge}


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
