"""Settings of Kafka that all jobs of the cloud share."""

from dataclasses import dataclass

from cloud.kafka.partitioning import Partitioning
from vitals.runtime.kafka_settings import KafkaAccess
from vitals.runtime.settings import setting
from vitals.wire.topics import LANES


@dataclass(frozen=True, kw_only=True)
class Kafka(KafkaAccess):
    """Address and security of Kafka, and the layout of its topics; common to all jobs."""

    lanes: int = setting("lanes of the deployment; never changes during its life", LANES)
    partitions: int = setting(
        "partitions of every topic that is partitioned by lane; fixed when the topics are created", LANES
    )

    @property
    def layout(self) -> Partitioning:
        """Mapping of subjects to partitions."""
        return Partitioning(self.lanes, self.partitions)

    def __post_init__(self) -> None:
        KafkaAccess.__post_init__(self)
        if not 1 <= self.partitions <= self.lanes:
            raise ValueError(f"PARTITIONS={self.partitions} must be 1 to LANES={self.lanes}: more would stay empty")


@dataclass(frozen=True, kw_only=True)
class Topics(Kafka):
    """Settings of `python -m cloud topics`."""

    replication_factor: int = setting("copies of each partition; 3 in production, min.insync.replicas is one less", 1)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if self.replication_factor < 1:
            raise ValueError(f"REPLICATION_FACTOR={self.replication_factor} must be at least 1")
