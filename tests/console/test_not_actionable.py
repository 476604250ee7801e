"""A nurse marks an alarm as one that needed no action."""

from playwright.sync_api import Page, expect

from cloud.console.auth.accounts import Role
from tests.console.conftest import Client
from tests.console.stage import Stage, event
from vitals.alarm_events import AlarmState, Inactivation, Phase


def test_a_nurse_marks_an_alarm_that_goes_on_or_has_ended(client: Client, stage: Stage) -> None:
    person, now = stage.person("p-00001"), stage.now()
    ended = stage.alarm(event(person, "hr", now - 60_000, "heart rate 125"))
    stage.change(ended, phase=Phase.END, state=AlarmState.INACTIVE)
    active = stage.alarm(event(person, "spo2", now, "SpO2 88 %"))
    stage.parts.feed.tick()
    bela = client("bela", icu=Role.NURSE)
    for alarm in (ended.id, active.id):
        assert bela.post("/api/alarms/not-actionable", json={"alarm": alarm}).status_code == 200
    marks = [(a["act"], a["by"], a["patient"], a["alarm"]) for a in stage.written("actions")]
    assert marks == [("not-actionable", "bela", "p-00001", alarm) for alarm in (ended.id, active.id)]
    assert ("bela", "not-actionable", "icu") in [(e.who, e.what, e.ward) for e in stage.parts.audit.read()]


def test_a_mark_needs_a_nurse_of_the_ward_and_a_known_alarm(client: Client, stage: Stage) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "hr", stage.now(), "heart rate 125")).id
    stage.parts.feed.tick()
    codes = [
        client("vera", icu=Role.VIEWER).post("/api/alarms/not-actionable", json={"alarm": alarm}).status_code,
        client("mona", med=Role.NURSE).post("/api/alarms/not-actionable", json={"alarm": alarm}).status_code,
        client("bela", icu=Role.NURSE).post("/api/alarms/not-actionable", json={"alarm": "p.hr.1"}).status_code,
    ]
    assert codes == [403, 404, 404]
    assert stage.written("actions") == []


def test_an_acknowledged_alarm_is_marked_at_the_patients_view_and_the_report_is_a_link_away(
    page: Page, served: Stage
) -> None:
    alarm = served.alarm(event(served.person("p-00001"), "hr", served.now(), "heart rate 125"))
    served.change(alarm, n=2, inactivation=Inactivation.ACKNOWLEDGED, by="bela")
    page.goto("/#/patient/p-00001")
    page.get_by_role("button", name="Not actionable").first.click()
    expect(page.locator("#toast")).to_contain_text("Marked as not actionable")
    assert [(a["act"], a["alarm"]) for a in served.written("actions")] == [("not-actionable", alarm.id)]
    page.goto("/#/print/icu")
    expect(page.get_by_role("link", name="Open the hand-over report")).to_have_attribute("href", "/handover/icu")
