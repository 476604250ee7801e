"""A nurse marks an alarm as one that needed no action."""

from cloud.console.auth.accounts import Role
from tests.console.conftest import Client
from tests.console.stage import Stage, event
from vitals.alarm_events import AlarmState, Phase


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
