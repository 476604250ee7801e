"""Prometheus metrics of the gateway."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """All metrics of one gateway.

    Args:
        registry: Registry of the metrics.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.accepted = Counter(
            "wardwatch_edge_accepted_readings", "Readings committed to the outbox", registry=registry
        )
        self.duplicates = Counter(
            "wardwatch_edge_duplicate_readings", "Readings that had been accepted before", registry=registry
        )
        self.rejected = Counter(
            "wardwatch_edge_rejected_messages", "Messages that were no readings", ["kind"], registry=registry
        )
        self.suspect = Counter(
            "wardwatch_edge_suspect_values", "Values marked or made absent", ["reason"], registry=registry
        )
        self.commit = Histogram("wardwatch_edge_commit_seconds", "Duration of an outbox commit", registry=registry)
        self.sealed = Counter("wardwatch_edge_sealed_batches", "Batches made", registry=registry)
        self.published = Counter(
            "wardwatch_edge_published_batches", "Publishes of batches, repeated ones too", registry=registry
        )
        self.confirmed = Counter(
            "wardwatch_edge_confirmations", "Confirmed ranges that deleted something", registry=registry
        )
        self.trimmed = Counter(
            "wardwatch_edge_trimmed_readings",
            "Readings dropped because the outbox was full or too old",
            registry=registry,
        )
        self.down_invalid = Counter(
            "wardwatch_edge_invalid_downlinks",
            "Messages from above that could not be used",
            ["name"],
            registry=registry,
        )
        self.backlog = Gauge("wardwatch_edge_backlog_batches", "Batches not confirmed", registry=registry)
        self.backlog_bytes = Gauge("wardwatch_edge_backlog_bytes", "Their size", registry=registry)
        self.passed_over = Gauge(
            "wardwatch_edge_passed_over",
            "Readings and messages that the bedside engine could not apply",
            registry=registry,
        )
        self.driver_restarts = Counter(
            "wardwatch_edge_driver_restarts",
            "Drivers in processes of their own that ended and were started again",
            ["driver"],
            registry=registry,
        )
        self.uplink = Gauge("wardwatch_edge_uplink_up", "Whether the uplink is connected", registry=registry)
        self.alarms = Gauge(
            "wardwatch_edge_local_alarms", "Alarms active at the bedside and of the gateway itself", registry=registry
        )
