"""Devices for Web Push: added by a signed-in person, or by the recipient of a link."""

import base64
from dataclasses import replace
from typing import Any

import pytest

from cloud import ack_links
from cloud.console.auth.accounts import Role
from cloud.push_services import new_private_key, public_key
from tests.console.conftest import Client
from tests.console.stage import KEY, Stage
from tests.console.test_link_receipts import linked

PRIVATE = new_private_key()
DAY_MS = 86_400_000


def device(endpoint: str = "https://fcm.googleapis.com/fcm/send/x") -> dict[str, str]:
    def words(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return {"endpoint": endpoint, "p256dh": words(b"\x04" + b"k" * 64), "auth": words(b"a" * 16)}


@pytest.fixture
def pushing(stage: Stage) -> Stage:
    stage.parts.settings = replace(stage.parts.settings, push_key=PRIVATE)
    return stage


def stored(stage: Stage) -> list[tuple[Any, ...]]:
    return [(d["contact"], d["endpoint"], d["until"] - d["since"]) for d in stage.written("channels")]


def test_a_signed_in_person_adds_a_device_of_their_own_name(client: Client, pushing: Stage) -> None:
    bela = client("bela", icu=Role.VIEWER)
    assert bela.get("/api/push").json() == {"key": public_key(PRIVATE), "contact": "bela"}
    assert bela.put("/api/push/device", json=device()).status_code == 204
    assert stored(pushing) == [("bela", device()["endpoint"], 30 * DAY_MS)]
    forged = bela.put("/api/push/device", json=device(), headers={"x-csrf": "no"})
    assert (forged.status_code, client().get("/api/push").status_code) == (403, 401)
    assert len(stored(pushing)) == 1


def test_a_links_recipient_adds_a_device_for_a_day_and_no_forged_link_does(client: Client, pushing: Stage) -> None:
    path, _ = linked(pushing)
    phone = client()
    assert phone.post(f"{path}/push", data=device()).status_code == 204
    assert stored(pushing) == [("nurse-icu", device()["endpoint"], DAY_MS)]
    assert phone.post(f"{path[:-1]}/push", data=device()).status_code == 404
    elsewhere = {"origin": "https://elsewhere.example.org"}
    assert phone.post(f"{path}/push", data=device(), headers=elsewhere).status_code == 403
    old = ack_links.sign_token(KEY, ack_links.AckToken("p-1.spo2.1", "nurse-icu", pushing.now() - 1))
    assert phone.post(f"/a/{old}/push", data=device()).status_code == 404
    assert len(stored(pushing)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "https://169.254.169.254/latest"},
        {"endpoint": "http://fcm.googleapis.com/x"},
        {"endpoint": "x" * 3000},
        {"endpoint": ""},
        {"p256dh": "short"},
        {"p256dh": "A" * 87 + "\n"},
        {"auth": "<script>"},
    ],
)
def test_what_is_no_push_subscription_of_a_known_service_is_refused(
    client: Client, pushing: Stage, change: dict[str, str]
) -> None:
    bela = client("bela", icu=Role.VIEWER)
    assert bela.put("/api/push/device", json=device() | change).status_code == 422
    path, _ = linked(pushing)
    assert client().post(f"{path}/push", data=device() | change).status_code == 422
    assert stored(pushing) == []


def test_without_a_key_there_is_no_push(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.VIEWER)
    assert bela.get("/api/push").json()["key"] is None
    assert bela.put("/api/push/device", json=device()).status_code == 404
    assert stored(stage) == []
