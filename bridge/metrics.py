"""What the bridge counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """All metrics of a bridge.

    Args:
        registry: Where they are registered; tests give each bridge its own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.batches_in = Counter("wardwatch_bridge_batches_in", "Batches taken from gateways", registry=registry)
        self.repeats = Counter(
            "wardwatch_bridge_repeats", "Batches that came again and were not written again", registry=registry
        )
        self.readings_in = Counter("wardwatch_bridge_readings_in", "Usable readings in them", registry=registry)
        self.statuses_in = Counter("wardwatch_bridge_statuses_in", "Statuses taken from gateways", registry=registry)
        self.records_out = Counter(
            "wardwatch_bridge_records_out", "Records that Kafka holds", ["topic"], registry=registry
        )
        self.batches_confirmed = Counter("wardwatch_bridge_batches_confirmed", "Batches confirmed", registry=registry)
        self.rejected = Counter("wardwatch_bridge_rejected", "Refusals, by kind", ["reason"], registry=registry)
        self.unreadable = Counter(
            "wardwatch_bridge_records_unreadable",
            "Records of the log that cannot be used, by topic",
            ["topic"],
            registry=registry,
        )
        self.shed = Counter(
            "wardwatch_bridge_shed",
            "Messages left to be sent again: their gateway had too many waiting",
            registry=registry,
        )
        self.failed = Counter(
            "wardwatch_bridge_deliveries_failed", "Records that Kafka refused; sent again", registry=registry
        )
        self.given_up = Counter(
            "wardwatch_bridge_records_given_up", "Records that Kafka never takes", registry=registry
        )
        self.waiting = Gauge(
            "wardwatch_bridge_waiting", "Messages taken from the broker and not yet read", registry=registry
        )
        self.in_flight = Gauge(
            "wardwatch_bridge_in_flight", "Batches and statuses that wait for Kafka", registry=registry
        )
        self.stalled = Gauge(
            "wardwatch_bridge_stalled", "1 while Kafka's queue is full and nothing is taken", registry=registry
        )
        self.uplink = Gauge(
            "wardwatch_bridge_uplink_connected", "1 while the site broker is connected", registry=registry
        )
        self.connections = Counter("wardwatch_bridge_uplink_connections", "Connections made to it", registry=registry)
        self.gateways = Gauge("wardwatch_bridge_gateways", "Gateways heard of", registry=registry)
        self.down = Counter("wardwatch_bridge_down", "Messages published down to gateways", ["name"], registry=registry)
        self.confirm_s = Histogram(
            "wardwatch_bridge_confirm_seconds",
            "From a batch's arrival to its confirmation",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
