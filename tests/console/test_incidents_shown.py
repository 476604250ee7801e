"""An incident at the page, its API and its link: shown as one, acknowledged as it was shown, each alarm its own."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from cloud import ack_links
from cloud.console.auth.accounts import Role
from cloud.console.command_writer import LogDownError
from tests.console.conftest import Client
from tests.console.stage import KEY, Stage, event
from vitals.actions import Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority

PATIENT = "p-00002"
TILE = f'.tile[data-patient="{PATIENT}"]'


def deteriorate(stage: Stage) -> tuple[AlarmEvent, AlarmEvent]:
    """Two alarms of one incident: oxygen, high, and rate, medium, a minute later."""
    person, now = stage.person(PATIENT), stage.now()
    start = now - 120_000
    incident = f"{PATIENT}.spo2.{start}"
    first = event(person, "spo2", start, "SpO2 84 % below 85 %", incident=incident, side=-1, raised=start)
    about: dict[str, Any] = {"incident": incident, "side": 1, "raised": start + 60_000, "priority": Priority.MEDIUM}
    second = event(person, "hr", start + 60_000, "heart rate 130 above 120", **about)
    stage.alarm(first)
    stage.alarm(second)
    stage.parts.feed.tick()
    return first, second


def acts(stage: Stage) -> list[tuple[str, str, str, int]]:
    return [(a["act"], a["alarm"], a.get("incident", ""), a.get("shown", 0)) for a in stage.written("actions")]


def link(stage: Stage, alarm: AlarmEvent) -> str:
    return "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, "nurse-icu", stage.now() + 60_000))


def field(text: str) -> str:
    found = re.search(r'name="shown" value="(\d+)"', text)
    assert found is not None
    return found[1]


def rising(stage: Stage, like: AlarmEvent) -> AlarmEvent:
    """A third alarm of the incident, which nobody has seen."""
    now = stage.now()
    about: dict[str, Any] = {"incident": like.incident, "side": -1, "raised": now}
    return stage.alarm(event(stage.person(PATIENT), "sbp", now, "systolic pressure 70 below 80", **about))


def test_an_incident_is_acknowledged_as_it_was_shown(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    bed = client("bela", icu=Role.NURSE).get("/api/wards/icu").json()["beds"][1]
    assert [(a["incident"], a["problem"], a["log_t"]) for a in bed["alarms"]] == [
        (first.id, "oxygen-low", first.log_t),
        (first.id, "rate-high", second.log_t),
    ]
    late = rising(stage, first)
    stage.parts.feed.tick()
    shown = max(a["log_t"] for a in bed["alarms"])
    answer = client("mona", icu=Role.NURSE).post(
        "/api/alarms/acknowledge-incident", json={"incident": first.id, "shown": shown}
    )
    assert answer.status_code == 200
    stage.obey()
    inactivations = {a.condition: a.inactivation for a in stage.alarms.values()}
    assert inactivations.pop(late.condition) is Inactivation.NONE
    assert set(inactivations.values()) == {Inactivation.ACKNOWLEDGED}
    assert acts(stage) == [("acknowledge", first.id, first.id, shown)]


def test_no_page_acknowledges_what_it_cannot_have_shown(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    bela = client("bela", icu=Role.NURSE)
    body = {"incident": first.id, "shown": stage.now() + 10**12}
    assert bela.post("/api/alarms/acknowledge-incident", json=body).status_code == 200
    assert acts(stage)[-1][-1] == second.log_t


def test_each_alarm_of_an_incident_is_acknowledged_by_itself(client: Client, stage: Stage) -> None:
    _, second = deteriorate(stage)
    assert client("bela", icu=Role.NURSE).post("/api/alarms/acknowledge", json={"alarm": second.id}).status_code == 200
    assert acts(stage) == [("acknowledge", second.id, "", 0)]


def test_an_incident_of_another_ward_or_of_nobody_or_that_is_over_is_not_acknowledged(
    client: Client, stage: Stage
) -> None:
    first, second = deteriorate(stage)
    here = {"incident": first.id, "shown": second.log_t}
    assert client("mona", med=Role.NURSE).post("/api/alarms/acknowledge-incident", json=here).status_code == 404
    assert client("vera", icu=Role.VIEWER).post("/api/alarms/acknowledge-incident", json=here).status_code == 403
    bela = client("bela", icu=Role.NURSE)
    for body in ({"incident": "p-1.hr.1", "shown": 1}, {"incident": "", "shown": 1}, here | {"shown": -1}):
        assert bela.post("/api/alarms/acknowledge-incident", json=body).status_code in {404, 422}
    for alarm in (first, second):
        stage.change(alarm, phase=Phase.END, state=AlarmState.INACTIVE)
    stage.parts.feed.tick()
    assert bela.post("/api/alarms/acknowledge-incident", json=here).status_code == 404
    assert stage.written("actions") == []


def test_a_link_acknowledges_the_incident_as_its_form_showed_it(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    phone = client()
    asked = phone.get(link(stage, first)).text
    assert "2 alarms of one patient" in asked
    assert not [word for word in ("SpO2", "oxygen", "rate", stage.person(PATIENT).name, PATIENT) if word in asked]
    rising(stage, first)
    stage.parts.feed.tick()
    assert phone.post(link(stage, first), data={"shown": field(asked)}).status_code == 200
    assert acts(stage) == [("acknowledge", first.id, first.id, second.log_t)]


def test_a_link_whose_alarm_has_ended_acknowledges_what_is_left_of_its_incident(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    stage.change(first, phase=Phase.END, state=AlarmState.INACTIVE)
    stage.parts.feed.tick()
    phone = client()
    asked = phone.get(link(stage, first)).text
    assert "MEDIUM priority" in asked
    phone.post(link(stage, first), data={"shown": field(asked)})
    assert acts(stage) == [("acknowledge", second.id, first.id, second.log_t)]


@pytest.mark.parametrize("fields", [{}, {"shown": ""}, {"shown": "-1"}, {"shown": "1e9"}, {"shown": "9" * 5000}])
def test_a_form_without_a_time_acknowledges_the_links_alarm_alone(
    client: Client, stage: Stage, fields: dict[str, str]
) -> None:
    first, _ = deteriorate(stage)
    assert client().post(link(stage, first), data=fields).status_code == 200
    assert acts(stage) == [("acknowledge", first.id, "", 0)]


def test_a_link_that_could_not_be_saved_keeps_the_time_for_the_next_try(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = deteriorate(stage)

    def down(_: object, action: Action) -> None:
        raise LogDownError(f"{action.id} is not saved")

    monkeypatch.setattr(type(stage.parts.commands), "act", down)
    answer = client().post(link(stage, first), data={"shown": str(second.log_t)})
    assert (answer.status_code, field(answer.text)) == (503, str(second.log_t))


def test_a_link_of_an_acknowledged_incident_says_so_and_of_a_part_does_not(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    stage.change(first, inactivation=Inactivation.ACKNOWLEDGED, by="bela")
    stage.parts.feed.tick()
    asked = client().get(link(stage, first)).text
    assert "Already acknowledged" not in asked
    assert "MEDIUM priority" in asked
    stage.change(second, inactivation=Inactivation.ACKNOWLEDGED, by="bela")
    stage.parts.feed.tick()
    assert "Already acknowledged by bela" in client().get(link(stage, first)).text


def test_a_tile_has_one_strip_for_an_incident_with_its_problems_and_one_button(page: Page, served: Stage) -> None:
    first, second = deteriorate(served)
    person = served.person(PATIENT)
    technical: dict[str, Any] = {"kind": Kind.TECHNICAL, "patient": None, "device": person.devices[0]}
    served.alarm(event(person, "sensor-off", served.now(), "sensor is off", priority=Priority.LOW, **technical))
    tile = page.locator(TILE)
    rows = tile.locator(".alarm")
    expect(rows).to_have_count(2)
    strip = tile.locator(f'[data-incident="{first.id}"]')
    expect(strip).to_contain_text("!!! HIGH")
    expect(strip).to_contain_text("oxygen low, rate high")
    expect(strip).to_contain_text("for 2 min")
    expect(strip.get_by_role("button")).to_have_count(1)
    expect(rows.nth(1)).to_contain_text("TECHNICAL")
    serious = [v for v in Axe().run(page).response["violations"] if v["impact"] in {"serious", "critical"}]
    assert [v["id"] for v in serious] == []
    strip.get_by_role("button", name="Acknowledge: oxygen low, rate high").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged: oxygen low, rate high")
    assert acts(served) == [("acknowledge", first.id, first.id, second.log_t)]
    served.obey()
    expect(strip).to_contain_text("acknowledged by bela")
    expect(strip.get_by_role("button", name="Acknowledge")).to_be_hidden()


def test_a_strip_calls_again_for_what_rose_after_its_acknowledgement(page: Page, served: Stage) -> None:
    first, _ = deteriorate(served)
    strip = page.locator(f'{TILE} [data-incident="{first.id}"]')
    strip.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged")
    served.obey()
    expect(strip).to_have_class(re.compile("cared"))
    rising(served, first)
    expect(strip).to_contain_text("2 of 3 acknowledged")
    expect(strip).to_contain_text("oxygen low, pressure low, rate high")
    expect(strip).not_to_have_class(re.compile("cared"))


def test_the_patients_view_has_each_alarm_of_an_incident_with_its_own_button(page: Page, served: Stage) -> None:
    _, second = deteriorate(served)
    page.locator(f"{TILE} a.open").click()
    expect(page.locator(".alarms .alarm")).to_have_count(2)
    page.get_by_role("button", name="Acknowledge: heart rate 130 above 120").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged: heart rate")
    assert acts(served) == [("acknowledge", second.id, "", 0)]


def test_an_incident_of_one_alarm_keeps_its_text_and_its_pause(page: Page, served: Stage) -> None:
    now = served.now()
    incident = f"{PATIENT}.spo2.{now}"
    alarm = event(served.person(PATIENT), "spo2", now, "SpO2 84 % below 85 %", incident=incident, side=-1, raised=now)
    served.alarm(alarm)
    strip = page.locator(f'{TILE} [data-incident="{incident}"]')
    expect(strip).to_contain_text("SpO2 84 % below 85 %")
    strip.get_by_role("button", name="Pause audio").click()
    expect(page.locator("#toast")).to_contain_text("Audio paused")
    assert acts(served) == [("audio-pause", alarm.id, "", 0)]
