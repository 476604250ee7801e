"""The list of a fleet, and the policy under which its gateways speak."""

import json

import pytest

from infra.iot.fleet import DEVICE, GATEWAY, Member, read
from infra.iot.policy import SLOT, THING, document
from vitals.wire import topics

HEADER = "kind,name,ward,bed,gateway,serial,firmware"
PREFIX = "arn:aws:iot:eu-west-1:123456789012"


def test_every_bad_row_is_told_with_its_line() -> None:
    rows = [
        HEADER,
        "device,mon-1,icu,bed-1,gw-icu,,",
        "gateway,gw icu,icu,,,,",
        "gateway,gw-icu,icu,,,,",
        "gateway,gw-icu,icu,,,,",
        "device,mon-2,icu,,gw-icu,,",
        "robot,r2,icu,,,,",
        "device,mon-3,icu,bed-3,mon-1,,",
    ]
    errors = read(rows).errors
    assert [error.split(":")[0] for error in errors] == ["line 3", "line 5", "line 6", "line 7", "line 8"]
    assert "stands in line 4 already" in errors[1]


def test_gateways_come_before_the_devices_behind_them() -> None:
    members = read([HEADER, "device,mon-1,icu,bed-1,gw-icu,,", "gateway,gw-icu,icu,,,,"]).members
    assert [member.kind for member in members] == [GATEWAY, DEVICE]


@pytest.mark.parametrize("rows", [[], [HEADER], ["name,ward", "gw,icu"], [HEADER + ",colour", "gateway,g,icu,,,,,red"]])
def test_a_file_that_is_no_fleet_is_refused(rows: list[str]) -> None:
    assert read(rows).errors


def test_a_gateways_slot_is_an_attribute_that_its_policy_fills_in() -> None:
    assert Member(kind=GATEWAY, name="gw-icu", ward="icu").attributes()["slot"] == str(topics.slot("gw-icu"))


def allowed(action: str, gateway: str) -> set[str]:
    """What the policy lets a gateway do, its variables filled in as AWS IoT Core does."""
    statements = [s for s in document(PREFIX)["Statement"] if s["Action"] == action]
    text = json.dumps([s["Resource"] for s in statements])
    text = text.replace(THING, gateway).replace(SLOT, str(topics.slot(gateway)))
    found = [resource for entry in json.loads(text) for resource in ([entry] if isinstance(entry, str) else entry)]
    return {resource.removeprefix(f"{PREFIX}:").partition("/")[2] for resource in found}


def test_a_gateway_may_use_exactly_its_own_topics_under_its_own_name() -> None:
    up = {topics.gateway_topic("gw-icu", name) for name in topics.UP}
    down = {topics.gateway_topic("gw-icu", name) for name in topics.DOWN}
    assert allowed("iot:Connect", "gw-icu") == {"gw-icu"}
    assert allowed("iot:Publish", "gw-icu") == up
    assert allowed("iot:Subscribe", "gw-icu") == allowed("iot:Receive", "gw-icu") == down


def test_the_policy_has_no_wildcard_and_needs_an_attached_certificate() -> None:
    policy = document(PREFIX)
    assert "*" not in json.dumps(policy)
    (connect,) = (s for s in policy["Statement"] if s["Action"] == "iot:Connect")
    assert connect["Condition"] == {"Bool": {"iot:Connection.Thing.IsAttached": "true"}}
