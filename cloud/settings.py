"""Settings of the cloud jobs that are not Spark's: one frozen dataclass per job."""

from dataclasses import dataclass
from pathlib import Path

from cloud.log.layout import Layout
from vitals.settings import setting
from vitals.topics import LANES


@dataclass(frozen=True, kw_only=True)
class Kafka:
    """How every job reaches Kafka."""

    kafka_bootstrap: str = setting("Kafka brokers, host:port, comma-separated")
    kafka_security_protocol: str = setting("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "PLAINTEXT")
    kafka_sasl_mechanism: str | None = setting("SCRAM-SHA-512 or PLAIN, with SASL_… protocols", None)
    kafka_sasl_username: str | None = setting("user name for SASL", None)
    kafka_sasl_password: str | None = setting("password for SASL", None)
    kafka_ca: Path | None = setting("PEM file of the authority that signed the brokers' certificates", None)
    lanes: int = setting("lanes of the deployment; never changes during its life", LANES)
    partitions: int = setting("partitions of every topic placed by lane", LANES)

    @property
    def layout(self) -> Layout:
        """How subjects lie on partitions."""
        return Layout(self.lanes, self.partitions)

    def __post_init__(self) -> None:
        if not 1 <= self.partitions <= self.lanes:
            raise ValueError(f"PARTITIONS={self.partitions} must be 1 to LANES={self.lanes}: more would stay empty")
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password
        ):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_SASL_MECHANISM, "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )


@dataclass(frozen=True, kw_only=True)
class Topics(Kafka):
    """Settings of `python -m cloud topics`."""

    replication_factor: int = setting("copies of each partition; 3 in production, min.insync.replicas is one less", 1)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if self.replication_factor < 1:
            raise ValueError(f"REPLICATION_FACTOR={self.replication_factor} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Watch(Kafka):
    """Settings of `python -m cloud watch`."""

    watch_shards: int = setting("Ray actors; more than there are cores gains nothing", 2)
    watch_snapshots: str = setting("where snapshots go: file:///… or s3://bucket/prefix?endpoint_override=…")
    watch_snapshot_s: float = setting("seconds between two snapshots of a shard", 30.0)
    watch_stall_s: float = setting("seconds without a record in a partition until the alarm pipeline-stalled", 10.0)
    watch_start_grace_s: float = setting("the same, for a partition from which nothing has come since the start", 60.0)
    watch_object_store_mb: int = setting("Ray's object store, MB; shards exchange little through it", 80)
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if not 1 <= self.watch_shards <= self.partitions:
            raise ValueError(f"WATCH_SHARDS={self.watch_shards} must be 1 to PARTITIONS={self.partitions}")
        if min(self.watch_snapshot_s, self.watch_stall_s, self.watch_start_grace_s) <= 0:
            raise ValueError("WATCH_SNAPSHOT_S, WATCH_STALL_S and WATCH_START_GRACE_S must be positive")


@dataclass(frozen=True, kw_only=True)
class Notify(Kafka):
    """Settings of `python -m cloud notify`."""

    aws_endpoint_url: str | None = setting("address of SNS and SQS when it is not AWS's own", None)
    alert_outbox_url: str | None = setting("URL of an SQS queue that receives a copy of every message", None)
    console_url: str = setting("base of the link in messages", "http://127.0.0.1:18805")
    notify_defaults: tuple[str, ...] = setting(
        "contacts when nobody is on duty: ward=contact:phone:e-mail, comma-separated; ward * is any", ()
    )
    notify_technical_ward: str = setting("ward whose rota is told of alarms that belong to no ward", "technical")
    notify_burst: int = setting("messages a recipient gets at once before further alarms are merged", 10)
    notify_refill_s: float = setting("seconds until a recipient may get one more message", 6.0)
    notify_low_s: float = setting("seconds that low-priority alarms are collected for one message", 60.0)
    notify_stale_s: float = setting("an alarm that ended before it could be told of is left out when older, s", 300.0)
    notify_attempts: int = setting("tries per message, with doubling pauses, before the other channel", 4)
    notify_heartbeat_s: float = setting("seconds between two signs of life in topic status", 5.0)
    notify_threads: int = setting("publishes in flight", 8)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if min(self.notify_burst, self.notify_attempts, self.notify_threads) < 1:
            raise ValueError("NOTIFY_BURST, NOTIFY_ATTEMPTS and NOTIFY_THREADS must be at least 1")
        if min(self.notify_refill_s, self.notify_heartbeat_s) <= 0 or min(self.notify_low_s, self.notify_stale_s) < 0:
            raise ValueError("NOTIFY_…_S settings must be positive")
