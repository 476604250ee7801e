"""What the storm decides of lights and of a bad SNS without a stack."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from infra.demo.faults import Fault, What
from infra.demo.supervisor import Struck, wait_for
from infra.local.servers.moto import CREDENTIALS
from infra.local.servers.sns.server import Options, Sns
from infra.local.servers.sns.trouble import Fate, Pace, State, Trouble
from infra.local.stack import LocalStack
from tests.faults.path import bedside
from tests.faults.path.ledgers import reached
from tests.faults.path.lights import Recorder, light
from tests.faults.path.strikes import order
from tests.truth.beds import Light, Stay, Verdict
from tests.truth.ledger import Person

T0 = 1_763_812_800_000
PEOPLE = (Person("p", "w0-01", "gw-w0"), Person("q", "w1-01", "gw-w1"))
SIGNAL = {
    "bed": "w0-01",
    "priority": "high",
    "alarms": [{"id": "p.1.spo2.5", "condition": "spo2", "priority": "high", "state": "active", "text": "SpO2 78 %"}],
}


def struck(what: What, target: str) -> Struck:
    return Struck(Fault(1.0, what, target), T0, T0 + 1000)


def test_a_light_shows_whose_alarms_it_is_told() -> None:
    told = light("gw-w0", "beds/w0-01/alarm", json.dumps(SIGNAL).encode(), T0)
    assert (told.t, told.gateway, told.bed, told.says) == (T0, "gw-w0", "w0-01", "w0-01")
    assert [(a.subject, a.condition, a.state) for a in told.alarms] == [("p.1", "spo2", "active")]


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"alarms":[{}]}'])
def test_a_light_that_is_told_nothing_readable_shows_nothing(payload: bytes) -> None:
    assert light("gw-w0", "beds/w0-01/alarm", payload, T0).alarms == ()


@pytest.mark.parametrize(
    ("what", "target"),
    [(What.KILL, "edge-gw-w0"), (What.STALL, "device-broker-gw-w0"), (What.NEW_OUTBOX, "gw-w0")],
)
def test_a_fault_of_its_own_gateway_or_broker_gives_a_bed_until_it_is_back(what: What, target: str) -> None:
    found = bedside.struck([struck(what, target)], PEOPLE)
    assert found == {"w0-01": [(T0, T0 + 1000 + bedside.BACK_MS)]}


@pytest.mark.parametrize(
    ("what", "target"),
    [(What.CUT, "gw-w0"), (What.SLOW, "gw-w0"), (What.KILL, "kafka"), (What.CLOCK, "gw-w0"), (What.FULL_DISK, "gw-w0")],
)
def test_no_other_fault_excuses_a_dark_bed(what: What, target: str) -> None:
    assert bedside.struck([struck(what, target)], PEOPLE) == {}


def test_a_bed_has_its_patient_from_the_first_word_of_its_light_on_and_a_mute_one_after_a_minute() -> None:
    found = bedside.stays(PEOPLE, [Light(T0 + 5, "gw-w0", "w0-01"), Light(T0 + 9, "gw-w0", "w0-01")], T0)
    assert found == [Stay("p", "w0-01", T0 + 5), Stay("q", "w1-01", T0 + bedside.CHARGE_MS)]


def test_the_rows_name_what_failed() -> None:
    rows = bedside.rows(Verdict(due=3, dark=1, lines=[{"what": "dark", "patient": "p", "problem": "rate-low"}]))
    assert [(row["name"], row["value"], row["goal"]) for row in rows] == [
        ("beds.dark", 1, 0),
        ("beds.late", 0, 0),
        ("beds.gone", 0, 0),
        ("beds.stuck", 0, 0),
        ("beds.wrong_bed", 0, 0),
    ]
    assert "rate-low" in rows[0]["note"]


def test_lights_are_recorded_as_they_change_and_as_they_stood_before(mosquitto: LocalStack, tmp_path: Path) -> None:
    url = mosquitto.device_broker_url(mosquitto.gateways[0])
    ward = Client(CallbackAPIVersion.VERSION2, client_id="lights-ward", protocol=MQTTProtocolVersion.MQTTv5)
    ward.connect("127.0.0.1", int(url.rsplit(":", 1)[1]))
    ward.loop_start()
    ward.publish("beds/lights-1/alarm", json.dumps(SIGNAL), qos=1, retain=True).wait_for_publish(10)
    with Recorder({"gw": url}, tmp_path / "lights.jsonl", lambda: T0) as recorder:
        assert wait_for(lambda: len(recorder.lights) == 1, 20, 0.05)
        ward.publish("beds/lights-1/alarm", b"", qos=1, retain=True)
        assert wait_for(lambda: len(recorder.lights) == 2, 20, 0.05)
    ward.disconnect()
    ward.loop_stop()
    lines = [json.loads(line) for line in (tmp_path / "lights.jsonl").read_text().splitlines()]
    assert [(line["gateway"], line["bed"], line["priority"], line["text"]) for line in lines] == [
        ("gw", "lights-1", "high", "SpO2 78 %"),
        ("gw", "lights-1", None, ""),
    ]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sns, Any]]:
    for key, value in CREDENTIALS.items():
        monkeypatch.setenv(key, value)
    with Sns(Options(confirmed=True)) as bad:
        client = boto3.client("sns", endpoint_url=bad.url)
        yield bad, client
        client.close()


def test_what_reached_a_phone_is_told_by_its_message_id(sent: tuple[Sns, Any]) -> None:
    bad, client = sent
    first = client.publish(PhoneNumber="+441632960001", Message="read")["MessageId"]
    bad.control(State(endpoint="+441632960001", to="opted-out"))
    client.publish(PhoneNumber="+441632960001", Message="not read")
    assert reached(bad.url) == {first}


def test_the_storms_orders_reach_a_bad_sns(sent: tuple[Sns, Any]) -> None:
    bad, client = sent
    order(bad.url, Trouble(fate=Fate.ERROR, error="AuthorizationError"))
    with pytest.raises(client.exceptions.AuthorizationErrorException):
        client.publish(PhoneNumber="+441632960001", Message="not taken")
    order(bad.url, Pace(answer_ms=0, publishes_per_s=0))
    assert client.publish(PhoneNumber="+441632960001", Message="read")["MessageId"]
