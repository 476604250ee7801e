"""Settings and the command line."""

from pathlib import Path

import pytest

from edge.__main__ import main
from edge.devices.mqtt_bulk_reader import READ_EVERY_S
from edge.settings import Settings
from edge.uplink.client import limited
from edge.uplink.send_scheduler import BACKLOG_BYTES_PER_S
from edge.uplink.side_messages import RESEND_S
from vitals.runtime.settings import SettingsError, load
from vitals.wire.uplink_batch import MAX_PAYLOAD_BYTES

GOOD = {"GATEWAY": "gw-1", "UPLINK": "mqtt://127.0.0.1:1883"}


def test_what_is_not_set_has_a_default() -> None:
    settings = load(Settings, GOOD)
    assert settings.uplink_flush_s == 30.0
    assert settings.metrics_port == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"GATEWAY": ""}, "GATEWAY is not set"),
        ({"GATEWAY": "a/b"}, "letters, digits and - _"),
        ({"UPLINK": "https://x"}, "mqtt or mqtts"),
        ({"DEVICE_BROKER": "mqtts://x:1"}, "DEVICE_BROKER"),
        ({"UPLINK": "mqtts://x:8883"}, "UPLINK_CERT is not set"),
        ({"COMMIT_LINGER_MS": "5000"}, "COMMIT_LINGER_MS=5000"),
        ({"UPLINK_FLUSH_S": "0"}, "UPLINK_FLUSH_S=0.0 must be above 0"),
        ({"UPLINK_LIMITS": "some"}, "UPLINK_LIMITS='some' must be auto, iot-core or none"),
        ({"STATUS_S": "often"}, "STATUS_S='often' cannot be read"),
    ],
)
def test_a_wrong_setting_is_named_with_what_to_do(change: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(Settings, GOOD | change)


def test_check_config_prints_every_setting_but_no_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check-config"], GOOD | {"DEVICE_PASSWORD": "hunter2"}) == 0
    printed = capsys.readouterr().out
    assert "UPLINK=mqtt://127.0.0.1:1883" in printed
    assert "hunter2" not in printed


def test_check_config_fails_on_a_wrong_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check-config"], {}) == 2
    assert "GATEWAY is not set" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "accepted"])
def test_asking_where_no_gateway_ran_says_so(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command], {"EDGE_DATA": str(tmp_path)}) == 1
    assert "has the gateway run there?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "limits", "kept_to"),
    [
        ("a1b2-ats.iot.eu-central-1.amazonaws.com", "auto", True),
        ("a1b2.iot.cn-north-1.amazonaws.com.cn", "auto", True),
        ("site.hospital.example", "auto", False),
        ("iot.hospital.example", "iot-core", True),
        ("notamazonaws.com", "auto", False),
        ("a1b2-ats.iot.eu-central-1.amazonaws.com", "none", False),
    ],
)
def test_iot_cores_limits_are_kept_by_its_host_or_where_a_setting_says_so(
    host: str, limits: str, kept_to: bool
) -> None:
    settings = load(Settings, GOOD | {"UPLINK": f"mqtt://{host}:1883", "UPLINK_LIMITS": limits})
    assert limited(settings) == kept_to


def test_backlog_live_batches_and_status_together_stay_below_iot_cores_limits() -> None:
    settings = load(Settings, GOOD)
    live_per_s = 1 / READ_EVERY_S
    told_per_s = 1 / settings.status_s + 2 / RESEND_S
    assert settings.backlog_per_s + live_per_s + told_per_s < 100
    assert BACKLOG_BYTES_PER_S <= 512 * 1024 / 2
    assert MAX_PAYLOAD_BYTES <= 128 * 1024
