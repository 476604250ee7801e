"""Which partition a subject's records lie on: the same in every topic that is placed by lane."""

from dataclasses import dataclass

from cloud.kafka.port import Place
from vitals.alarm_events import AlarmEvent
from vitals.wire import topics


@dataclass(frozen=True, slots=True)
class Partitioning:
    """How the deployment lays subjects on partitions."""

    lanes: int
    partitions: int

    def partition(self, subject: str) -> int:
        """Returns the partition of a patient, device, gateway or bridge."""
        return topics.partition(topics.lane(subject, self.lanes), self.partitions)

    def of(self, event: AlarmEvent) -> int:
        """Returns the partition of `alarms` that an event goes to."""
        return self.partition(event.patient or event.subject)

    def places(self, topic: str) -> frozenset[Place]:
        """Returns all partitions of a topic that is placed by lane."""
        return frozenset((topic, p) for p in range(self.partitions))
