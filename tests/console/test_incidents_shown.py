"""An incident at the page, its API and its link: shown as one, acknowledged as it was shown, each alarm its own."""

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, expect
from starlette.testclient import TestClient

from cloud import ack_links
from cloud.console.auth.accounts import Role
from cloud.console.command_writer import LogDownError
from tests.console.conftest import Client
from tests.console.stage import KEY, Stage, event
from vitals.actions import Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority
from vitals.contacts import Rota

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


def answer(phone: TestClient, path: str, act: str = "acknowledge") -> tuple[int, str]:
    """Opens a link's page and presses a button of it."""
    said = phone.post(path, data={**form(phone.get(path).text), "act": act})
    return said.status_code, said.text


def form(text: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', text))


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
    assert phone.post(link(stage, first), data=form(asked)).status_code == 200
    assert acts(stage) == [("acknowledge", first.id, first.id, second.log_t)]


def test_a_link_is_void_and_shown_anew_once_an_alarm_of_its_incident_has_risen(client: Client, stage: Stage) -> None:
    first, _ = deteriorate(stage)
    phone = client()
    asked = phone.get(link(stage, first)).text
    late = rising(stage, first)
    # The alarm engine has not been asked since: the log knows.
    void = phone.post(link(stage, first), data=form(asked))
    assert (void.status_code, "look again" in void.text, "3 alarms of one patient" in void.text) == (409, True, True)
    assert acts(stage) == []
    assert phone.post(link(stage, first), data=form(void.text)).status_code == 200
    assert acts(stage) == [("acknowledge", first.id, first.id, late.log_t)]


def test_m14_a_stale_link_does_not_acknowledge_an_escalation(client: Client, stage: Stage) -> None:
    now = stage.now()
    about: dict[str, Any] = {"priority": Priority.MEDIUM, "raised": now - 60_000}
    alarm = stage.alarm(event(stage.person(PATIENT), "spo2", now - 60_000, "SpO2 89 % below 90 %", **about))
    stage.parts.feed.tick()
    phone, path = client(), link(stage, alarm)
    asked = phone.get(path).text
    stage.change(alarm, phase=Phase.ESCALATE, priority=Priority.HIGH, raised=stage.now())
    void = phone.post(path, data=form(asked))
    assert (void.status_code, "It is HIGH now: look again" in void.text) == (409, True)
    assert "HIGH priority" in void.text
    assert acts(stage) == []
    assert phone.post(path, data=form(asked) | {"act": "coming"}).status_code == 200, "on the way at any priority"


def test_m14_a_link_shown_at_high_does_not_acknowledge_what_is_medium_now(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    phone, path = client(), link(stage, first)
    asked = phone.get(path).text
    stage.change(first, phase=Phase.DEESCALATE, priority=Priority.MEDIUM)
    assert phone.post(path, data=form(asked)).status_code == 409
    assert acts(stage) == []
    # A new value alone changes nothing.
    asked = phone.get(path).text
    stage.change(second, value=131.0)
    assert phone.post(path, data=form(asked)).status_code == 200


def test_m14_a_stale_page_does_not_acknowledge_an_escalation_by_the_api(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    bela = client("bela", icu=Role.NURSE)
    raised = stage.change(second, phase=Phase.ESCALATE, priority=Priority.HIGH, raised=stage.now())
    stage.parts.feed.tick()
    stale = bela.post("/api/alarms/acknowledge", json={"alarm": second.id, "shown": second.log_t})
    assert (stale.status_code, "high" in stale.json()["detail"]) == (409, True)
    of_all = {"incident": first.incident, "shown": first.raised - 1}
    assert bela.post("/api/alarms/acknowledge-incident", json=of_all).status_code == 409
    assert acts(stage) == []
    fresh = {"alarm": second.id, "shown": raised.log_t}
    assert bela.post("/api/alarms/acknowledge", json=fresh).status_code == 200


def test_coming_and_cannot_answer_a_call_as_the_links_contact(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    phone = client()
    came = answer(phone, link(stage, first), "coming")
    assert (came[0], "are coming" in came[1]) == (200, True)
    passed = answer(phone, link(stage, first), "cannot")
    assert (passed[0], "passed on" in passed[1]) == (200, True)
    assert acts(stage) == [("coming", first.id, first.id, second.log_t), ("cannot", first.id, "", 0)]
    assert {a["by"] for a in stage.written("actions")} == {"nurse-icu"}


def test_standby_is_not_on_a_link(client: Client, stage: Stage) -> None:
    first, _ = deteriorate(stage)
    phone = client()
    assert "standby" not in phone.get(link(stage, first)).text.lower()
    for act in ("standby", "standby-end", "chart", "audio-pause", "", "x"):
        assert answer(phone, link(stage, first), act)[0] == 409
    assert acts(stage) == []


@pytest.mark.parametrize("act", ["coming", "cannot", "acknowledge"])
def test_a_link_is_void_once_its_contacts_duty_is_over(client: Client, stage: Stage, act: str) -> None:
    first, _ = deteriorate(stage)
    phone, now = client(), stage.now()
    path = "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(first.id, "nurse-icu", now + 9 * 3_600_000))
    asked = form(phone.get(path).text)
    # The nurse's duty ends after four hours, and the registrar's has twenty.
    stage.ahead_ms = 5 * 3_600_000
    void = phone.post(path, data=asked | {"act": act})
    assert (void.status_code, "duty is over" in void.text, form(void.text)) == (409, True, {})
    assert acts(stage) == []
    # Nobody else on duty: whoever was told may answer.
    stage.parts.topics.enter(Rota(ward="icu", version=2, contacts=stage.parts.topics.house.duties("icu")[:1]))
    assert answer(phone, path, act)[0] == 200


def test_a_link_whose_alarm_has_ended_acknowledges_what_is_left_of_its_incident(client: Client, stage: Stage) -> None:
    first, second = deteriorate(stage)
    phone = client()
    before = phone.get(link(stage, first)).text
    stage.change(first, phase=Phase.END, state=AlarmState.INACTIVE)
    stage.parts.feed.tick()
    asked = phone.get(link(stage, first)).text
    assert "MEDIUM priority" in asked
    assert phone.post(link(stage, first), data=form(before)).status_code == 409
    phone.post(link(stage, first), data=form(asked))
    assert acts(stage) == [("acknowledge", second.id, first.id, second.log_t)]
    stage.change(second, phase=Phase.END, state=AlarmState.INACTIVE)
    stage.parts.feed.tick()
    assert phone.post(link(stage, first), data=form(asked)).status_code == 409


@pytest.mark.parametrize(
    "changed", [{"shown": ""}, {"shown": "-1"}, {"shown": "1e9"}, {"shown": "9" * 5000}, {"priority": "low"}, None]
)
def test_a_form_that_does_not_say_what_it_showed_acknowledges_nothing(
    client: Client, stage: Stage, changed: dict[str, str] | None
) -> None:
    first, _ = deteriorate(stage)
    phone = client()
    shown = form(phone.get(link(stage, first)).text)
    given = {} if changed is None else shown | changed
    assert phone.post(link(stage, first), data=given).status_code == 409
    assert acts(stage) == []


def test_a_link_that_could_not_be_saved_keeps_the_time_for_the_next_try(
    client: Client, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = deteriorate(stage)

    def down(_: object, action: Action) -> None:
        raise LogDownError(f"{action.id} is not saved")

    monkeypatch.setattr(type(stage.parts.commands), "act", down)
    status, text = answer(client(), link(stage, first))
    assert (status, form(text)["shown"]) == (503, str(second.log_t))


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


def test_a_tile_has_one_strip_for_an_incident_with_its_problems_present_values_and_one_acknowledgement(
    page: Page, served: Stage
) -> None:
    first, second = deteriorate(served)
    served.read(PATIENT, spo2=82, hr=134)
    person = served.person(PATIENT)
    technical: dict[str, Any] = {"kind": Kind.TECHNICAL, "patient": None, "device": person.devices[0]}
    served.alarm(event(person, "sensor-off", served.now(), "sensor is off", priority=Priority.LOW, **technical))
    tile = page.locator(TILE)
    rows = tile.locator(".alarm")
    expect(rows).to_have_count(2)
    strip = tile.locator(f'[data-incident="{first.id}"]')
    expect(strip).to_contain_text("!!! HIGH")
    expect(strip.locator(".problems")).to_have_text("SpO₂ 82 % low, HR 134 high")
    expect(strip).to_contain_text(re.compile(r"since \d\d:\d\d, 2 min"))
    expect(strip.get_by_role("button")).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("TECHNICAL")
    serious = [v for v in Axe().run(page).response["violations"] if v["impact"] in {"serious", "critical"}]
    assert [v["id"] for v in serious] == []
    strip.get_by_role("button", name="Acknowledge: icu-02, SpO₂ low, HR high").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged: icu-02, SpO₂ low, HR high")
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
    expect(strip.locator(".sign-of")).to_have_text(["Systolic", "SpO₂", "HR"])
    expect(strip).not_to_have_class(re.compile("cared"))


def test_the_patients_view_has_each_alarm_of_an_incident_with_its_own_button(page: Page, served: Stage) -> None:
    _, second = deteriorate(served)
    page.locator(f"{TILE} a.open").click()
    page.get_by_text("Each alarm by itself").click()
    single = page.locator(".single .alarm")
    expect(single).to_have_count(2)
    page.get_by_role("button", name="Acknowledge: icu-02, heart rate 130 above 120").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged: icu-02, heart rate")
    assert acts(served) == [("acknowledge", second.id, "", 0)]


def test_a_nurse_who_is_coming_says_so_at_the_strip(page: Page, served: Stage) -> None:
    first, second = deteriorate(served)
    strip = page.locator(f'{TILE} [data-incident="{first.id}"]')
    strip.get_by_role("button", name="Coming").click()
    expect(page.locator("#toast")).to_contain_text("You are coming: icu-02")
    assert acts(served) == [("coming", first.id, first.id, second.log_t)]
    served.change(first, coming="bela")
    expect(strip).to_contain_text("bela is coming")
    expect(strip.get_by_role("button", name="Coming")).to_be_hidden()
    expect(strip.get_by_role("button", name="Acknowledge")).to_be_visible()


def test_a_strip_shows_the_present_value_and_none_where_none_is_known(page: Page, served: Stage) -> None:
    now = served.now()
    about: dict[str, Any] = {"incident": f"{PATIENT}.spo2.{now}", "side": -1, "limit": 85.0, "raised": now}
    served.read(PATIENT, spo2=84)
    alarm = served.alarm(event(served.person(PATIENT), "spo2", now, "SpO2 84 % below 85 %", **about))
    shown = page.locator(f"{TILE} .problems")
    expect(shown).to_have_text("SpO₂ 84 % below 85")
    served.read(PATIENT, spo2=66)
    expect(shown).to_have_text("SpO₂ 66 % below 85")
    served.read(PATIENT, spo2=97)
    served.change(alarm, state=AlarmState.LATCHED)
    expect(shown).to_have_text("SpO₂ 97 % was below 85")
    served.read(PATIENT, served.now() - 95_000, spo2=66)
    expect(shown).to_have_text("SpO₂ below 85, no value now")


def test_an_incident_of_one_alarm_keeps_its_pause_in_the_patients_view(page: Page, served: Stage) -> None:
    now = served.now()
    incident = f"{PATIENT}.spo2.{now}"
    alarm = event(served.person(PATIENT), "spo2", now, "SpO2 84 % below 85 %", incident=incident, side=-1, raised=now)
    served.alarm(alarm)
    page.locator(f"{TILE} a.open").click()
    page.locator(f'[data-incident="{incident}"]').get_by_role("button", name="Pause audio").click()
    expect(page.locator("#toast")).to_contain_text("Audio paused")
    assert acts(served) == [("audio-pause", alarm.id, "", 0)]


def test_a_phone_answers_a_call_by_its_link_and_axe_finds_nothing_serious(
    context: BrowserContext, served: Stage
) -> None:
    first, second = deteriorate(served)
    phone = context.new_page()
    phone.set_viewport_size({"width": 390, "height": 844})
    phone.goto(link(served, first))
    expect(phone.get_by_text("bed icu-02")).to_be_visible()
    serious = [v["id"] for v in Axe().run(phone).response["violations"] if v["impact"] in {"serious", "critical"}]
    assert serious == []
    phone.get_by_role("button", name="I am coming").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("You are coming")
    phone.get_by_role("link", name="Back to the alarm").click()
    phone.get_by_role("button", name="Acknowledge").click()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Acknowledged")
    shown = second.log_t
    assert acts(served) == [("coming", first.id, first.id, shown), ("acknowledge", first.id, first.id, shown)]


def test_a_links_page_opens_the_incident_of_its_bed_for_who_is_signed_in(page: Page, served: Stage) -> None:
    first, _ = deteriorate(served)
    page.goto(link(served, first))
    page.get_by_role("link", name="Open the bed on the ward page").click()
    expect(page.locator("main h1")).to_contain_text(served.person(PATIENT).name)
    expect(page.locator(f'[data-incident="{first.id}"]').first).to_be_visible()
    page.goto(f"{served.url}/#/bed/icu/icu-99")
    expect(page.locator("main")).to_contain_text("Nobody lies in bed icu-99 any more")
