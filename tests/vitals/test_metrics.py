"""Metrics keep their former names for one release beside the present ones."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from vitals.runtime.metrics import WithFormerNames


@pytest.fixture
def shown() -> dict[str, float]:
    registry = CollectorRegistry()
    Counter("wardwatch_edge_accepted_readings", "a", registry=registry).inc(3)
    Counter("wardwatch_bridge_rejected", "r", ["reason"], registry=registry).labels("late").inc()
    Histogram("wardwatch_load_seconds", "s", buckets=(1.0,), registry=registry).observe(0.5)
    Gauge("wardwatch_notify_waiting", "w", registry=registry).set(7)
    text = generate_latest(WithFormerNames(registry)).decode()
    return {
        s.name + str(sorted(s.labels.items())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edge_accepted_readings_total[]", 3),
        ("bridge_rejected_total[('reason', 'late')]", 1),
        ("load_seconds_count[]", 1),
        ("load_seconds_bucket[('le', '1.0')]", 1),
    ],
)
def test_a_renamed_metric_is_shown_under_both_names(shown: dict[str, float], name: str, value: float) -> None:
    assert shown[name] == shown[f"wardwatch_{name}"] == value


def test_a_metric_that_was_not_renamed_is_shown_once(shown: dict[str, float]) -> None:
    assert shown["wardwatch_notify_waiting[]"] == 7
    assert "notify_waiting[]" not in shown
