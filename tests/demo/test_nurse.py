"""The nurse of the demo: charts once, takes one patient off the monitor, comes and acknowledges high alarms."""

import json
from pathlib import Path

import msgspec

from infra.demo import scenario
from infra.demo.faults import What
from infra.demo.nurse import Nurse, patients
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Kind, Phase, Priority

T0 = 1_800_000_000_000
ROSTER = {"mon-icu-05": ("p-5", "icu-05"), "mon-icu-09": ("p-9", "icu-09")}


def high(start: int, **changes: object) -> AlarmEvent:
    made = AlarmEvent(
        id=f"p-5.spo2.{start}", n=0, subject="p-5", condition="spo2", kind=Kind.PHYSIOLOGICAL, priority=Priority.HIGH,
        phase=Phase.START, state=AlarmState.ACTIVE, start=start, t=start, log_t=start, text="SpO2 80 %", patient="p-5",
        ward="icu", bed="icu-05", incident="p-5.1",
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def nurse() -> tuple[Nurse, list[Action]]:
    written: list[Action] = []
    return Nurse(written.append, ROSTER, "mon-icu-09", T0), written


def test_everybody_is_charted_once_and_one_is_taken_off_the_monitor() -> None:
    made, written = nurse()
    made.look((), T0 + 1_000)
    assert written == []
    for t in (10_000, 11_000):
        made.look((), T0 + t)
    assert [(a.act, a.patient) for a in written] == [
        (Act.CHART, "p-5"), (Act.CHART, "p-9"), (Act.STANDBY, "p-9"),
    ]  # fmt: skip
    assert {a.consciousness for a in written} == {"A", None}
    assert written[-1].bed == "icu-09"


def test_a_high_alarm_is_answered_with_coming_then_acknowledged_with_its_incident() -> None:
    made, written = nurse()
    made.look((), T0 + 10_000)
    written.clear()
    event = high(T0 + 10_000)
    for age in (5_000, 21_000, 22_000, 61_000, 62_000):
        made.look([event], event.start + age)
    assert [(a.act, a.alarm, a.incident) for a in written] == [
        (Act.COMING, event.id, "p-5.1"), (Act.ACKNOWLEDGE, event.id, "p-5.1"),
    ]  # fmt: skip


def test_what_is_acknowledged_over_or_not_high_is_left_alone() -> None:
    made, written = nurse()
    made.look((), T0 + 10_000)
    written.clear()
    old = T0 - 100_000
    others = (
        high(old, inactivation=Inactivation.ACKNOWLEDGED), high(old, phase=Phase.END),
        high(old, priority=Priority.MEDIUM), high(old, patient=None, kind=Kind.TECHNICAL),
    )  # fmt: skip
    made.look(others, T0 + 10_000)
    assert written == []


def test_the_endless_demo_has_an_arrest_a_patient_off_the_monitor_and_a_dead_gateway(tmp_path: Path) -> None:
    brokers = dict.fromkeys(scenario.WARDS, "mqtt://127.0.0.1:1")

    def stories(duration_s: float | None) -> set[str]:
        plan = json.loads(scenario.plan(brokers, duration_s=duration_s, seed=1))
        return {device["story"] for device in plan["devices"] if "story" in device}

    assert stories(None) - stories(90) == {"sudden-arrest", "transport"}
    (fault,) = scenario.ordinary_faults(None)
    assert (fault.what, fault.target) == (What.STALL, "edge-gw-med")
    file = tmp_path / "roster.csv"
    file.write_text("patient,name,bed,devices\np-1,Ada,icu-01,mon-icu-01\n")
    assert patients(file) == {"mon-icu-01": ("p-1", "icu-01")}
