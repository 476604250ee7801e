"""What a link's page shows without a sign-in: as much as the ward has set, in the deployment's language and zone."""

import dataclasses
from typing import Any

import msgspec
import pytest

from cloud import ack_links
from cloud.console.auth.accounts import Role
from cloud.console.live.feed import RecentValues
from tests.console.conftest import Client
from tests.console.stage import KEY, Stage, event
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Channel, Detail, Messages, Notification, Rota

PATIENT = "p-00002"


def called(stage: Stage) -> tuple[AlarmEvent, str]:
    """A low saturation with ten minutes of trend, told to the registrar, too; and the nurse's link."""
    person, now = stage.person(PATIENT), stage.now()
    trail = stage.parts.feed.trails[PATIENT] = RecentValues(PATIENT)
    for minutes in range(12, 0, -1):
        trail.put(now - 60_000 * minutes, {"spo2": 85.0 + minutes})
    stage.read(PATIENT, now, spo2=85.0)
    alarm = stage.alarm(event(person, "spo2", now, "SpO2 86 % below 90 %", value=86.0, limit=90.0))
    stage.parts.feed.tick()
    for contact in ("nurse-icu", "registrar"):
        stage.parts.topics.notifications.append(
            Notification(
                alarm=alarm.id, n=0, patient=PATIENT, contact=contact, handover=0, channels=(Channel.SMS,), sns="m",
                t=now, accepted=now, sms="HIGH",
            )
        )  # fmt: skip
    return alarm, "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", now + 60_000))


def set_link(stage: Stage, link: Detail) -> None:
    known = stage.parts.topics.house.rotas["icu"]
    rota = msgspec.structs.replace(known, version=known.version + 1, messages=Messages(link=link))
    stage.parts.topics.enter(rota)


@pytest.mark.parametrize("detail", Detail)
def test_a_link_shows_as_much_as_the_ward_has_set_and_no_name(client: Client, stage: Stage, detail: Detail) -> None:
    _, path = called(stage)
    set_link(stage, detail)
    person, text = stage.person(PATIENT), client().get(path).text
    assert "HIGH priority" in text
    assert "ward ICU" in text
    assert (person.bed in text, "Also told: Imani Frost" in text) == (detail is not Detail.MINIMAL,) * 2
    whole = detail is Detail.BED_AND_SIGN
    assert ("oxygen saturation 85 %" in text, "The last ten minutes" in text, "94 %" in text) == (whole,) * 3
    assert "97 %" not in text, "older than ten minutes"
    assert not [secret for secret in (person.name, PATIENT, person.phone, person.born) if secret in text]


def test_a_link_is_in_the_deployments_language_and_zone(client: Client, stage: Stage) -> None:
    alarm, path = called(stage)
    settings = dataclasses.replace(stage.parts.settings, message_language="de", message_time_zone="Asia/Kolkata")
    stage.parts.settings = settings
    phone = client()
    text = phone.get(path).text
    assert 'lang="de"' in text
    assert "Priorität HOCH" in text
    assert settings.wording.clock(alarm.log_t) in text
    for button in ("Ich komme", "Kann nicht, weitergeben", "Quittieren"):
        assert button in text
    assert "Sauerstoffsättigung 85 %" in text
    stale = phone.post(path, data={"act": "acknowledge"})
    assert (stale.status_code, "bitte neu ansehen" in stale.text) == (409, True)
    assert "Sie kommen" in phone.post(path, data={"act": "coming"}).text
    assert "Dieser Link gilt hier nicht." in phone.get("/a/x").text
    assert "Dieser Link gilt hier nicht." in phone.get("/p/x").text


def test_an_admin_sets_what_messages_tell_and_it_stays_with_the_rota(client: Client, stage: Stage) -> None:
    admin, nurse = client("ada", icu=Role.ADMIN), client("bela", icu=Role.NURSE)
    shown = admin.get("/api/wards/icu/rota").json()
    assert shown["messages"] == {"text": "bed", "link": "bed-and-sign", "email_patient": True}
    least = {"text": "minimal", "link": "minimal", "email_patient": False}
    wanted: dict[str, Any] = {"version": shown["version"], "contacts": [], "messages": least}
    assert nurse.put("/api/wards/icu/rota", json=wanted).status_code == 403
    changed = admin.put("/api/wards/icu/rota", json=wanted).json()
    assert changed["messages"] == least
    assert stage.written("contacts")[-1]["messages"] == least
    kept = admin.put("/api/wards/icu/rota", json={"version": changed["version"], "contacts": []}).json()
    assert kept["messages"] == least
    bad = {"version": kept["version"], "contacts": [], "messages": least | {"text": "names"}}
    assert admin.put("/api/wards/icu/rota", json=bad).status_code == 422
    assert isinstance(stage.parts.topics.house.rotas["icu"], Rota)
