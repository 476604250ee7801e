import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from bridge.health_server import serve
from bridge.metrics import Metrics
from bridge.settings import Settings
from vitals.runtime.settings import SettingsError, documented, load

DOCS = Path(__file__).parents[2] / "docs" / "bridge.md"


def test_without_any_setting_a_bridge_serves_all_slots() -> None:
    assert load(Settings, {}).bridge_slots == tuple(range(16))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"BRIDGE_SLOTS": "16"}, "BRIDGE_SLOTS"),
        ({"BRIDGE_SLOTS": "a"}, "BRIDGE_SLOTS"),
        ({"BRIDGE": "a/b"}, "BRIDGE"),
        ({"UPLINK": "http://x"}, "UPLINK"),
        ({"UPLINK_CERT": "/x"}, "UPLINK_KEY"),
        ({"RECEIVE_MAXIMUM": "70000"}, "RECEIVE_MAXIMUM"),
        ({"PARTITIONS": "32"}, "PARTITIONS"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(Settings, environ)


def test_scram_over_tls_reaches_the_kafka_client() -> None:
    settings = load(
        Settings,
        {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_USERNAME": "u",
            "KAFKA_SASL_PASSWORD": "p",
            "KAFKA_CA": "/ca.pem",
        },
    )
    config = settings.kafka()
    assert (config["security.protocol"], config["sasl.mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert (config["sasl.username"], config["sasl.password"], config["ssl.ca.location"]) == ("u", "p", "/ca.pem")


def test_the_documentation_lists_every_setting_and_every_metric_and_no_other() -> None:
    text = DOCS.read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    settings = {row.split("`")[1] for row in rows if "`wardwatch_bridge_" not in row}
    assert settings == set(documented(Settings))
    registry = CollectorRegistry()
    Metrics(registry)
    exported = {f"{family.name}_total" if family.type == "counter" else family.name for family in registry.collect()}
    metrics = {row.split("`")[1] for row in rows if "`wardwatch_bridge_" in row}
    assert metrics == exported


@pytest.mark.parametrize(("ok", "status"), [(True, 200), (False, 503)])
def test_health_and_metrics_are_served_on_loopback(ok: bool, status: int) -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    server = serve(0, registry, lambda: {"ok": ok, "waiting": 3})
    base = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        try:
            with urllib.request.urlopen(f"{base}/health") as answer:  # noqa: S310 - loopback
                found, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                found, body = error.code, error.read()
        assert (found, json.loads(body)) == (status, {"ok": ok, "waiting": 3})
        with urllib.request.urlopen(f"{base}/metrics") as answer:  # noqa: S310 - loopback
            assert b"wardwatch_bridge_batches_confirmed_total" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
