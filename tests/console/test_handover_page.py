"""The hand-over report as a nurse opens it: rights, honesty about what is missing, and what is on paper."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext

from cloud.console.auth.accounts import Role
from cloud.console.ward_rows import Minute, WardRows
from cloud.wording import wording
from tests.console.conftest import Client, sign_in
from tests.console.stage import HOUR, Stage, event
from vitals.alarm_events import Inactivation, Kind
from vitals.contacts import Channel, Notification
from vitals.limits import Limit

MINUTE = 60_000


def shift(stage: Stage) -> None:
    """Twelve hours of p-00001: a quarter of an hour without values, oxygen low at the end, limits changed."""
    person, now = stage.person("p-00001"), stage.now()
    begin = (now - 12 * HOUR) // MINUTE * MINUTE
    values = {"hr": (80.0, 75.0, 88.0), "rr": (16.0, 14.0, 18.0), "spo2": (96.0, 83.0, 98.0)}
    times = [t for t in range(begin, now, MINUTE) if not 4 * HOUR <= t - begin < 4 * HOUR + 15 * MINUTE]
    changed = person.__struct_fields__ and [(begin - HOUR, person)]
    stage.history.kept = WardRows({"p-00001": [Minute(t, values) for t in times]}, {"p-00001": changed or []})
    stage.alarm(event(person, "spo2", now - 5 * MINUTE, "SpO2 84 % below 85 %", value=84.0, limit=85.0))
    stage.parts.feed.tick()


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html.split("<body>")[1]).split())


def test_only_a_nurse_of_the_ward_opens_it_and_that_is_in_the_audit_log(client: Client, stage: Stage) -> None:
    assert client().get("/handover/icu").headers["location"] == "/signin"
    assert client("vera", icu=Role.VIEWER).get("/handover/icu").status_code == 403
    assert client("mona", med=Role.NURSE).get("/handover/icu").status_code == 403
    page = client("bela", icu=Role.NURSE).get("/handover/icu")
    assert page.status_code == 200
    people = stage.parts.topics.on_ward("icu")
    assert all(person.name in page.text for person in people)
    others = {person.name for person in stage.parts.topics.on_ward("med")} - {person.name for person in people}
    assert others
    assert not any(name in page.text for name in others)
    (line,) = [e for e in stage.parts.audit.read() if e.what == "view-handover"]
    assert (line.who, line.ward) == ("bela", "icu")
    assert "p-00001" in line.detail


def test_the_report_has_worst_and_now_gaps_incidents_and_what_is_due(client: Client, stage: Stage) -> None:
    shift(stage)
    told = text_of(client("bela", icu=Role.NURSE).get("/handover/icu").text)
    first = told.split("icu-02")[0]
    assert re.search(r"oxygen saturation % \d+ .*?83 !!", first)
    assert "(15 min)" in first
    assert "acknowledge: HIGH SpO2 84 % below 85 %" in first
    assert re.search(r"HIGH \d\d:\d\d-goes on oxygen saturation; no answer; no message", first)
    assert "Limits not changed" in first


def test_a_warehouse_that_is_away_is_said_and_nothing_is_called_none(client: Client, stage: Stage) -> None:
    shift(stage)
    stage.history.down = "The warehouse does not answer"
    told = text_of(client("bela", icu=Role.NURSE).get("/handover/icu").text)
    assert "The history cannot be read" in told
    assert "not changed" not in told
    assert "none of" not in told
    assert "no answer in the log; no message in the log" in told
    assert "none in the log; earlier ones are not known" in told
    assert "acknowledge: HIGH SpO2 84 %" in told


def test_a_warehouse_that_is_behind_and_an_alarm_service_that_is_away_are_said(client: Client, stage: Stage) -> None:
    shift(stage)
    bela = client("bela", icu=Role.NURSE)
    stage.ahead_ms += 20 * MINUTE
    stage.read("p-00001")
    stage.parts.feed.tick()
    late = text_of(bela.get("/handover/icu").text)
    assert "The history ends at" in late
    assert "not known" in late
    assert "The alarm service does not answer" not in late
    stage.state.down = "away"
    stage.parts.feed.tick()
    assert "The alarm service does not answer" in text_of(bela.get("/handover/icu").text)


def test_a_silent_monitor_is_due_and_its_old_values_are_struck_out(client: Client, stage: Stage) -> None:
    person, now = stage.person("p-00001"), stage.now()
    stage.read("p-00001", now - 10 * MINUTE)
    about = {"kind": Kind.TECHNICAL, "patient": None, "device": person.devices[0], "subject": person.devices[0]}
    alarm = stage.alarm(event(person, "device-silent", now - 9 * MINUTE, "monitor mon-icu-01 is silent", **about))
    stage.parts.topics.notifications.append(
        Notification(
            alarm=alarm.id, n=0, patient=person.devices[0], contact="nurse-icu", handover=0, channels=(Channel.SMS,),
            sns="m", t=alarm.t, accepted=alarm.t + 300, sms="x",
        )
    )  # fmt: skip
    stage.parts.feed.tick()
    html = client("bela", icu=Role.NURSE).get("/handover/icu").text
    first, second = (part for part in html.split("<article>")[1:3])
    assert "acknowledge: HIGH monitor mon-icu-01 is silent" in text_of(f"<body>{first}")
    assert "<s title=" in first
    assert "monitor silent; no answer; messages: 1, people: 1, of whom 0" in text_of(f"<body>{first}")
    assert "mon-icu-01" not in second
    assert "<s title=" not in second


def test_the_page_is_in_the_language_and_zone_of_the_deployment(client: Client, stage: Stage) -> None:
    shift(stage)
    object.__setattr__(stage.parts.settings, "message_language", "de")
    object.__setattr__(stage.parts.settings, "message_time_zone", "Europe/Berlin")
    told = text_of(client("bela", icu=Role.NURSE).get("/handover/icu").text)
    assert told.startswith(f"Übergabe der Station ICU {wording('de', 'Europe/Berlin').moment(stage.now())[:10]}")
    assert re.search(r"\b(CET|CEST)\b", told)
    assert not re.search(r"\b(Hand-over|Lowest|acknowledge|known|ward|Due)\b", told)


def test_a_changed_limit_is_shown_before_and_after(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    shift(stage)
    person = stage.person("p-00001")
    body = {"version": person.version, "profile": "adult", "scale2": False, "bounds": {"spo2": [80, 88, None, None]}}
    assert bela.post("/api/patients/p-00001/limits", json=body).status_code == 200
    assert stage.person("p-00001").overrides["spo2"] == Limit(80, 88, None, None, 15)
    told = text_of(bela.get("/handover/icu").text)
    assert "oxygen saturation: 90 … - (85 … -) → 88 … - (80 … -)" in told


def test_a_name_that_is_markup_stays_text(client: Client, stage: Stage) -> None:
    shift(stage)
    acknowledged = {"inactivation": Inactivation.ACKNOWLEDGED, "by": "<b>x</b>"}
    alarm = next(iter(stage.alarms.values()))
    stage.change(alarm, **acknowledged)
    stage.parts.feed.tick()
    assert "acknowledged by &lt;b&gt;x&lt;/b&gt;" in client("bela", icu=Role.NURSE).get("/handover/icu").text


@pytest.mark.parametrize("width", [390, 820, 1440])
def test_the_page_fits_its_screen_and_has_no_accessibility_fault(
    context: BrowserContext, served: Stage, width: int
) -> None:
    shift(served)
    page = sign_in(context)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/handover/icu")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert Axe().run(page).response["violations"] == []
    page.emulate_media(media="print")
    assert page.locator(".tools").is_hidden()
    assert page.locator("article").first.is_visible()
