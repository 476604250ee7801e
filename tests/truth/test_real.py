"""From what a real run kept to the files that a judge reads."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import numpy as np
import pytest
from confluent_kafka import Producer

from cloud.cli import topics as topics_job
from cloud.kafka.settings import Topics
from tests.bench.path.run_files import keep
from tests.truth import real
from tests.truth.test_ledger import T0, ack, sent
from vitals.actions import Act, Action
from vitals.alarm_events import AlarmEvent, AlarmState, Call, Kind, Phase, Priority, alarm_id, encode
from vitals.contacts import Channel, Notification
from vitals.wire import topics

ROSTER = "patient,bed,gateway,devices,profile,overrides,cuff_s,canary\np,bed-1,gw,mon,adult,,0,no\n"


def event(condition: str = "spo2", patient: str | None = "p", **changes: Any) -> AlarmEvent:  # noqa: ANN401 - its fields
    subject = str(changes.pop("subject", patient))
    values: dict[str, Any] = {
        "id": alarm_id(subject, condition, T0),
        "n": 0,
        "subject": subject,
        "condition": condition,
        "kind": Kind.PHYSIOLOGICAL,
        "priority": Priority.HIGH,
        "phase": Phase.START,
        "state": AlarmState.ACTIVE,
        "start": T0,
        "t": T0,
        "log_t": T0,
        "text": "SpO2 78 %",
        "value": 78.0,
        "limit": 85.0,
        "side": -1,
        "patient": patient,
    }
    return AlarmEvent(**values | changes)


def note(about: AlarmEvent, sns: str | None = "m-1", contact: str = "nurse", **changes: Any) -> Notification:  # noqa: ANN401 - its fields
    values: dict[str, Any] = {
        "alarm": about.id,
        "n": about.n,
        "patient": about.patient or about.subject,
        "contact": contact,
        "handover": about.handover,
        "channels": (Channel.SMS,),
        "sns": sns,
        "t": about.t,
        "accepted": T0 + 500,
        "sms": "",
    }
    return Notification(**values | changes)


def test_a_page_names_its_problem_with_its_side() -> None:
    low, high = event(), event("hr", value=150.0, limit=140.0, side=1)
    found = real.told([low, high], [note(low), note(high, "m-2")], None)
    assert [(m["kind"], m["priority"], m["patient"], m["problems"]) for m in found] == [
        ("page", "high", "p", ["oxygen-low"]),
        ("page", "high", "p", ["rate-high"]),
    ]


def test_alarms_of_one_message_are_one_message() -> None:
    both = [event(), event("hr", value=30.0, limit=40.0)]
    (found,) = real.told(both, [note(one) for one in both], None)
    assert found["problems"] == ["oxygen-low", "rate-low"]


def test_silence_of_equipment_is_technical_and_of_all_its_patients() -> None:
    down = event("gateway-down", None, subject="gw", kind=Kind.TECHNICAL)
    (found,) = real.told([down], [note(down)], None)
    assert (found["kind"], found["problems"], found["patient"]) == ("technical", ["not-monitored"], None)


def test_what_passed_to_the_next_contact_is_a_handover() -> None:
    again = event(handover=1, n=1, phase=Phase.CONTINUE)
    assert [m["kind"] for m in real.told([again], [note(again)], None)] == ["handover"]


def test_what_sns_never_accepted_is_no_message() -> None:
    assert real.told([event()], [note(event(), None)], None) == []


def test_what_no_device_had_did_not_reach_anybody() -> None:
    one, other = event(), event("hr", value=30.0, limit=40.0)
    found = real.told([one, other], [note(one, "m-1"), note(other, "m-2")], frozenset({"m-2"}))
    assert {m["problems"][0]: m["reached"] for m in found} == {"oxygen-low": False, "rate-low": True}


def test_an_acknowledgement_names_what_it_acknowledged() -> None:
    pressed = Action(id="a", act=Act.ACKNOWLEDGE, patient="p", t=T0 + 9, by="nurse", alarm=event().id)
    stray = Action(id="b", act=Act.ACKNOWLEDGE, patient="p", t=T0 + 9, by="nurse", alarm="p.spo2.7")
    assert real.acts([event()], [pressed, stray]) == [
        {"t": T0 + 9, "act": "acknowledge", "patient": "p", "problems": ["oxygen-low"]}
    ]


def test_an_acknowledged_incident_is_each_alarm_that_went_on_as_it_was_shown() -> None:
    of: dict[str, Any] = {"incident": event().id, "raised": T0}
    lead = event(**of)
    alarms = [
        event("hr", **of, side=1),
        event("rr", **of | {"raised": T0 + 500}, side=1),
        event("temp", **of, side=1, phase=Phase.END, state=AlarmState.INACTIVE, n=1),
        event("sbp", **of | {"incident": "another"}),
    ]
    pressed = Action(
        id="a", act=Act.ACKNOWLEDGE, patient="p", t=T0 + 9, by="nurse", alarm=lead.id, incident=lead.id, shown=T0 + 5
    )
    assert real.acts([lead, *alarms], [pressed]) == [
        {"t": T0 + 9, "act": "acknowledge", "patient": "p", "problems": ["oxygen-low", "rate-high"]}
    ]


def test_a_call_of_an_incident_names_its_problems_and_a_reminder_is_one() -> None:
    about: dict[str, Any] = {"incident": event().id, "problems": ("oxygen-low", "rate-high")}
    call = event(**about, call=Call.PAGE)
    reminder = event(**about, n=1, phase=Phase.CONTINUE, call=Call.REMINDER, handover=1)
    found = real.told([call, reminder], [note(call), note(reminder, "m-2", accepted=T0 + 900)], None)
    assert [(m["kind"], m["problems"]) for m in found] == [
        ("page", ["oxygen-low", "rate-high"]),
        ("reminder", ["oxygen-low", "rate-high"]),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.json").write_text('{"cadence_s": 1, "alone": true}')
    (tmp_path / "roster.csv").write_text(ROSTER)
    (tmp_path / "ledger.jsonl").write_text("\n".join(json.dumps(one) for one in (sent(0, T0), ack(0, T0 + 5))))
    stranger = event(patient="q")
    (tmp_path / "alarms.jsonl").write_bytes(b"\n".join(encode(one) for one in (event(), stranger)))
    notes = [note(event()), note(stranger, "m-2")]

    (tmp_path / "notifications.jsonl").write_bytes(b"\n".join(msgspec.json.encode(one) for one in notes))
    (tmp_path / "actions.jsonl").write_bytes(b"")
    return tmp_path


def test_a_run_becomes_the_files_that_a_judge_reads(folder: Path) -> None:
    notes = real.convert(folder)
    with np.load(folder / "life.npz") as life:
        assert {"cadence_s", "patients", "story", "line", "t", "shown", "state", "pulse", "heard", "limits"} <= set(
            life
        )
        assert life["limits"].shape == (1, 8, 4)
        assert bool(life["alone"])
    (message,) = (json.loads(line) for line in (folder / "messages.jsonl").read_text().splitlines())
    assert (message["patient"], message["reached"]) == ("p", True)
    assert notes["reached"] == real.NOT_REACHED


def test_with_the_bad_sns_it_is_known_what_reached_people(folder: Path) -> None:
    line = {"message_id": "m-9", "protocol": "sms"}
    (folder / "reached.jsonl").write_text(json.dumps(line) + "\n")
    notes = real.convert(folder)
    assert json.loads((folder / "messages.jsonl").read_text())["reached"] is False
    assert notes["reached"] == real.REACHED


def test_a_run_is_kept_as_its_topics_have_it(kafka: str, folder: Path, tmp_path: Path) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    run = uuid4().hex[:8]
    producer = Producer({"bootstrap.servers": kafka})
    made = [event(patient=f"{run}-{k}") for k in range(3)]
    for k, one in enumerate(made):
        producer.produce(topics.ALARMS, encode(one), partition=k, timestamp=T0 + 10 - k)
    producer.flush(30)
    kept = tmp_path / "kept"
    ledger, roster = folder / "ledger.jsonl", folder / "roster.csv"
    keep(kept, bootstrap=kafka, ledger=ledger, roster=roster, cadence_s=1, alone=False)
    patients = [json.loads(line)["patient"] for line in (kept / "alarms.jsonl").read_text().splitlines()]
    assert [p for p in patients if p.startswith(run)] == [one.patient for one in reversed(made)]
    assert (kept / "ledger.jsonl").read_text() == ledger.read_text()
    assert not (kept / "reached.jsonl").exists()
