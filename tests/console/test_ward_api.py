"""What the page asks for and what people do at it: through the app, without a browser."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import msgspec
import pytest
from fastapi.testclient import TestClient

from cloud.ack_links import AckToken, sign_token
from cloud.console.auth.accounts import Role
from cloud.console.auth.audit_log import Wanted
from cloud.duty.proofs import ids
from cloud.kafka.port import KafkaUnavailableError, Record
from tests.console.conftest import Client
from tests.console.stage import HOUR, Stage, admission, event
from vitals.alarm_events import Inactivation, Kind, Priority
from vitals.contact_standing import ContactStanding, Standing, addresses
from vitals.contacts import Channel, Contact, DutyRole, Rota
from vitals.wire import topics

NEW = {
    "patient": "p-00900", "name": "Nia Lomax", "born": "1958-03-21", "phone": "+44 1632 960123",
    "address": "1 Elm Road",
    "ward": "icu", "bed": "icu-09", "gateway": "gw-icu", "devices": "mon-icu-09", "cadence_s": 1.0,
}  # fmt: skip


def version(stage: Stage, patient: str) -> int:
    return stage.person(patient).version


def test_a_ward_shows_each_bed_with_its_signs_score_and_alarms(client: Client, stage: Stage) -> None:
    stage.alarm(event(stage.person("p-00002"), "spo2", stage.now(), "SpO2 84 % below 85 % (extreme)"))
    stage.read("p-00002", spo2=84)
    stage.parts.feed.tick()
    beds = {b["bed"]: b for b in client("vera", icu=Role.VIEWER).get("/api/wards/icu").json()["beds"]}
    assert beds.keys() == {"icu-01", "icu-02", "icu-03"}
    bed = beds["icu-02"]
    assert bed["signs"]["spo2"][0] == 84
    assert bed["signs"]["spo2"][2] == 1
    assert bed["news2"]["parts"]["spo2"] == 3
    assert [(a["priority"], a["text"]) for a in bed["alarms"]] == [(3, "SpO2 84 % below 85 % (extreme)")]
    assert beds["icu-01"]["alarms"] == []


def test_equipment_alarms_reach_the_beds_that_they_concern_and_the_wards_above_them(
    client: Client, stage: Stage
) -> None:
    person = stage.person("p-00001")
    technical: dict[str, Any] = {"kind": Kind.TECHNICAL, "patient": None, "bed": None}
    stage.alarm(
        event(
            person,
            "device-silent",
            stage.now(),
            "monitor silent",
            subject="mon-icu-01",
            device="mon-icu-01",
            **technical,
        )
    )
    stage.alarm(
        event(
            person,
            "gateway-down",
            stage.now(),
            "gateway gw-icu is down",
            subject="gw-icu",
            gateway="gw-icu",
            **technical,
        )
    )
    stage.alarm(
        event(person, "pipeline-stalled", stage.now(), "no readings", subject="pipeline", **technical | {"ward": None})
    )
    # Of a gateway that serves two wards each is told by an alarm of its own.
    of_med = technical | {"ward": "med"}
    stage.alarm(
        event(
            person,
            "gateway-down",
            stage.now() + 1,
            "gateway gw-icu is down",
            subject="gw-icu",
            gateway="gw-icu",
            **of_med,
        )
    )
    stage.parts.feed.tick()
    hub = stage.parts.feed
    beds = {b["bed"]: [a["condition"] for a in b["alarms"]] for b in hub.ward("icu").values()}
    assert beds == {"icu-01": ["device-silent", "gateway-down"], "icu-02": ["gateway-down"], "icu-03": ["gateway-down"]}
    above = {ward: [a["condition"] for a in hub._above_beds(ward)] for ward in ("icu", "med")}
    assert above == {"icu": ["gateway-down", "pipeline-stalled"], "med": ["pipeline-stalled", "gateway-down"]}
    # A stalled pipeline ends when it moves: a button to acknowledge it does nothing.
    assert [alarm["answerable"] for alarm in hub._above_beds("icu")] == [True, False]
    # A stalled pipeline is everybody's: whoever is a nurse somewhere may acknowledge it.
    stalled = next(e.id for e in stage.alarms.values() if e.condition == "pipeline-stalled")
    assert client("mona", med=Role.NURSE).post("/api/alarms/acknowledge", json={"alarm": stalled}).status_code == 200


def test_every_view_of_a_patient_is_in_the_audit_log(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    bela.get("/api/wards/icu")
    bela.get("/api/patients/p-00001")
    bela.get("/api/patients/p-00001/history?hours=1")
    bela.get("/fhir/Patient/p-00001")
    lines = [e for e in stage.parts.audit.read() if e.who == "bela" and e.what.startswith(("view", "fhir"))]
    assert [(e.what, e.patient) for e in reversed(lines)] == [
        ("view-ward", None), ("view-patient", "p-00001"), ("view-history", "p-00001"), ("fhir-patient", "p-00001"),
    ]  # fmt: skip
    assert all(p in lines[-1].detail for p in ("p-00001", "p-00002", "p-00003"))


def test_acknowledging_one_alarm_leaves_the_patients_other_alarm_alone(client: Client, stage: Stage) -> None:
    person = stage.person("p-00001")
    first = stage.alarm(event(person, "spo2", stage.now(), "SpO2 84 %"))
    second = stage.alarm(event(person, "hr", stage.now(), "heart rate 150"))
    stage.parts.feed.tick()
    bela = client("bela", icu=Role.NURSE)
    assert bela.post("/api/alarms/acknowledge", json={"alarm": first.id}).status_code == 200
    assert bela.post("/api/alarms/pause", json={"alarm": second.id, "seconds": 60}).status_code == 200
    assert bela.post("/api/alarms/pause", json={"alarm": second.id, "seconds": 601}).status_code == 422
    assert [(a["act"], a["alarm"], a.get("pause_s")) for a in stage.written("actions")] == [
        ("acknowledge", first.id, None), ("audio-pause", second.id, 60),
    ]  # fmt: skip


def test_a_call_is_answered_with_coming_or_cannot(client: Client, stage: Stage) -> None:
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 %")).id
    stage.parts.feed.tick()
    bela = client("bela", icu=Role.NURSE)
    for answer in ("coming", "cannot"):
        assert bela.post(f"/api/alarms/{answer}", json={"alarm": alarm}).status_code == 200
        assert client("vera", icu=Role.VIEWER).post(f"/api/alarms/{answer}", json={"alarm": alarm}).status_code == 403
    answers = [(a["act"], a["by"], a["alarm"]) for a in stage.written("actions")]
    assert answers == [("coming", "bela", alarm), ("cannot", "bela", alarm)]


def test_a_patient_is_admitted_transferred_and_discharged(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE, med=Role.NURSE)
    assert bela.post("/api/patients", json=NEW).status_code == 201
    moved = {
        "version": version(stage, "p-00900"),
        "ward": "med",
        "bed": "med-50",
        "gateway": "gw-med",
        "devices": "mon-med-50",
    }
    assert bela.post("/api/patients/p-00900/transfer", json=moved).status_code == 200
    assert bela.post("/api/patients/p-00900/discharge", json={"version": version(stage, "p-00900")}).status_code == 200
    steps = [(a["ward"], a["bed"], "discharged" in a) for a in stage.written("patients")]
    assert steps == [("icu", "icu-09", False), ("med", "med-50", False), ("med", "med-50", True)]
    versions = [a["version"] for a in stage.written("patients")]
    assert versions == sorted(set(versions))
    whats = [e.what for e in stage.parts.audit.read(Wanted(patient="p-00900"))]
    assert whats == ["discharge", "transfer", "admit"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"bed": "icu-01"}, 409), ({"devices": "mon-icu-02"}, 409), ({"patient": "p-00001"}, 409),
        ({"ward": "med"}, 403),
        ({"born": "tomorrow"}, 422), ({"bed": "a/b"}, 422), ({"profile": "martian"}, 422), ({"phone": "call me"}, 422),
        ({"cadence_s": -1}, 422), ({"patient": ""}, 422), ({"patient": "p-00041", "bed": "icu-30"}, 409),
    ],
)  # fmt: skip
def test_an_admission_that_cannot_be_is_refused_with_its_reason(
    client: Client, stage: Stage, change: dict[str, Any], status: int
) -> None:
    answer = client("bela", icu=Role.NURSE).post("/api/patients", json=NEW | change)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert stage.written("patients") == []


def test_limits_change_for_the_signs_that_differ_and_keep_their_delays(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    body = {
        "version": version(stage, "p-00001"),
        "profile": "copd",
        "scale2": True,
        "bounds": {"spo2": [80, 86, None, None], "hr": [40, 50, 120, 140]},
    }
    assert bela.post("/api/patients/p-00001/limits", json=body).status_code == 200
    (written,) = stage.written("patients")
    assert (written["profile"], written["scale2"]) == ("copd", True)
    assert written["overrides"] == {"spo2": {"extreme_low": 80.0, "low": 86.0, "delay_s": 15.0}}
    view = bela.get("/api/patients/p-00001").json()
    assert view["limits"]["spo2"] == [80, 86, None, None]


@pytest.mark.parametrize("bounds", [{"spo2": [90, 85, None, None]}, {"mood": [1, 2, 3, 4]}, {"hr": [1, 2]}])
def test_limits_that_contradict_each_other_are_refused(client: Client, stage: Stage, bounds: dict[str, Any]) -> None:
    body = {"version": version(stage, "p-00001"), "profile": "adult", "scale2": False, "bounds": bounds}
    assert client("bela", icu=Role.NURSE).post("/api/patients/p-00001/limits", json=body).status_code == 422
    assert stage.written("patients") == []


def test_of_two_who_change_the_same_patient_the_second_is_told(client: Client, stage: Stage) -> None:
    bela, ruth = client("bela", icu=Role.NURSE), client("ruth", icu=Role.NURSE)
    body = {"version": version(stage, "p-00001"), "profile": "copd", "scale2": False, "bounds": {}}
    assert bela.post("/api/patients/p-00001/limits", json=body).status_code == 200
    late = ruth.post("/api/patients/p-00001/limits", json=body)
    assert (late.status_code, "meanwhile" in late.json()["detail"]) == (409, True)


def test_charting_goes_to_the_log_with_who_and_what(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    assert bela.post("/api/patients/p-00001/chart", json={"oxygen": True, "consciousness": "C"}).status_code == 200
    assert bela.post("/api/patients/p-00001/chart", json={}).status_code == 422
    assert bela.post("/api/patients/p-00001/chart", json={"consciousness": "X"}).status_code == 422
    (written,) = stage.written("actions")
    assert (written["act"], written["by"], written["oxygen"], written["consciousness"]) == ("chart", "bela", True, "C")


def test_a_standby_goes_to_the_log_with_its_bed_its_length_and_who(client: Client, stage: Stage) -> None:
    bela, bed = client("bela", icu=Role.NURSE), stage.person("p-00001").bed
    url = "/api/patients/p-00001/standby"
    assert bela.post(url, json={"minutes": 30, "bed": bed}).status_code == 200
    assert bela.post(url, json={"minutes": 0, "bed": bed}).status_code == 200
    for minutes in (-1, 4, 61):
        assert bela.post(url, json={"minutes": minutes, "bed": bed}).status_code == 422
    assert bela.post(url, json={"minutes": 30, "bed": "elsewhere"}).status_code == 409
    begun, ended = stage.written("actions")
    assert (begun["act"], begun["by"], begun["bed"], begun["pause_s"]) == ("standby", "bela", bed, 1800)
    assert (ended["act"], ended["by"], ended["bed"]) == ("standby-end", "bela", bed)
    assert {e.what for e in stage.parts.audit.read(Wanted(patient="p-00001"))} >= {"standby", "standby-end"}
    other = client("vera", icu=Role.VIEWER)
    assert other.post(url, json={"minutes": 30, "bed": bed}).status_code == 403


def test_no_standby_is_asked_for_while_a_high_alarm_is_not_acknowledged(client: Client, stage: Stage) -> None:
    bela, person = client("bela", icu=Role.NURSE), stage.person("p-00001")
    alarm = stage.alarm(event(person, "spo2", stage.now(), "SpO2 84 %"))
    stage.parts.feed.tick()
    url, body = "/api/patients/p-00001/standby", {"minutes": 30, "bed": person.bed}
    assert bela.post(url, json=body).status_code == 409
    assert stage.written("actions") == []
    stage.change(alarm, inactivation=Inactivation.ACKNOWLEDGED)
    stage.parts.feed.tick()
    assert bela.post(url, json=body).status_code == 200


def test_the_rota_is_changed_by_the_wards_admin_against_the_version_they_saw(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.ADMIN)
    rota = bela.get("/api/wards/icu/rota").json()
    one = rota["contacts"][0] | {"phone": "+44 1632 960 009"}
    changed = bela.put("/api/wards/icu/rota", json={"version": rota["version"], "contacts": [one]})
    assert changed.status_code == 200, changed.text
    assert [c["phone"] for c in changed.json()["contacts"]] == ["+441632960009"]
    person, duties = stage.written("contacts")
    assert (person["contact"], person["phone"], person["ward"]) == ("nurse-icu", "+441632960009", "icu")
    assert [(c["contact"], "phone" in c) for c in duties["contacts"]] == [("nurse-icu", False)]
    assert bela.put("/api/wards/icu/rota", json={"version": rota["version"], "contacts": []}).status_code == 409
    bad = {"version": changed.json()["version"], "contacts": [one | {"end": one["start"]}]}
    assert bela.put("/api/wards/icu/rota", json=bad).status_code == 422


def duty(client: TestClient, ward: str, **changes: object) -> int:
    """Adds one duty to a ward's rota."""
    rota = client.get(f"/api/wards/{ward}/rota").json()
    one = {"start": rota["now"], "end": rota["now"] + HOUR, **changes}
    body = {"version": rota["version"], "contacts": [*rota["contacts"], one]}
    return client.put(f"/api/wards/{ward}/rota", json=body).status_code


def test_the_admin_of_one_ward_does_not_change_the_address_of_anothers_contact(client: Client, stage: Stage) -> None:
    bela, root = client("bela", icu=Role.ADMIN), client("root", everywhere=Role.ADMIN)
    for claimed in ("nurse-med", "registrar"):
        assert duty(bela, "icu", contact=claimed, name="Bela Holt", phone="+441632960999") == 403
    assert stage.written("contacts") == []
    assert any(e.what == "refused-contact" and e.who == "bela" for e in stage.parts.audit.read())
    assert duty(bela, "icu", contact="nurse-med") == 200
    # On the own ward's rota it is still the other ward's contact.
    assert duty(bela, "icu", contact="nurse-med", name="Bela Holt", phone="+441632960999") == 403
    assert duty(bela, "icu", contact="stranger") == 403
    assert root.put("/api/wards/med/rota", json={"version": 1, "contacts": []}).status_code == 200
    assert duty(root, "icu", contact="nurse-med", name="Imani Frost", phone="+441632960999") == 200
    moved = bela.get("/api/wards/icu/rota").json()
    assert [c["phone"] for c in moved["contacts"] if c["contact"] == "nurse-med"] == ["+441632960999"] * 2


def test_a_duty_is_proven_by_a_pressed_button_and_not_by_a_followed_link(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.ADMIN)
    rota = bela.get("/api/wards/icu/rota").json()
    assert rota["proof"] is False
    wanted = bela.put("/api/wards/icu/rota", json={key: rota[key] for key in ("version", "contacts")} | {"proof": True})
    assert {c["contact"]: c["proven"] for c in wanted.json()["contacts"]} == {"nurse-icu": False, "registrar": False}
    (request, *_) = [r for r in ids(stage.parts.topics.house, stage.now()) if r.startswith("nurse-icu.")]
    token = sign_token(str(stage.parts.settings.link_key), AckToken(request, "nurse-icu", stage.now() + HOUR))
    phone = client()
    assert phone.get(f"/p/{token}").status_code == 200
    assert stage.parts.topics.house.proofs == {}
    assert phone.post(f"/p/{token}").status_code == 200
    proven = {c["contact"]: c["proven"] for c in bela.get("/api/wards/icu/rota").json()["contacts"]}
    assert proven == {"nurse-icu": True, "registrar": False}
    assert stage.written("contacts")[-1]["contact"] == "nurse-icu"
    assert phone.post(f"/p/{token[:-1]}x").status_code == 404
    stage.ahead_ms += 2 * HOUR
    assert phone.post(f"/p/{token}").status_code == 410
    stage.ahead_ms += 24 * HOUR
    assert phone.post(f"/p/{token}").status_code == 404


def test_beds_are_assigned_taken_and_given_back_from_the_page(client: Client, stage: Stage) -> None:
    stage.parts.topics.enter(
        Rota(ward="icu", version=2, contacts=tuple(
            Contact(contact=name, name=name.title(), start=0, end=2**53, phone="+441632960001", role=role)
            for name, role in (("anna", DutyRole.STAFF), ("bela", DutyRole.STAFF), ("head", DutyRole.CHARGE))
        ))
    )  # fmt: skip
    nurse, path = client("nora", icu=Role.NURSE), "/api/wards/icu/beds"
    before = nurse.get(path).json()
    assert (
        before["everybodys"] == ["icu-01", "icu-02", "icu-03"] == nurse.get("/api/wards/icu/rota").json()["everybodys"]
    )
    assert before["charge"] == ["head"]
    wanted = {"version": before["version"], "beds": ["icu-01", "icu-02"], "nurse": "anna", "buddy": "bela"}
    assert client("vera", icu=Role.VIEWER).put(path, json=wanted).status_code == 403
    assigned = nurse.put(path, json=wanted).json()
    first = assigned["beds"][0]
    assert (first["bed"], first["nurse"], first["buddy"]) == ("icu-01", "anna", "bela")
    assert assigned["everybodys"] == ["icu-03"]
    assert nurse.put(path, json=wanted).status_code == 409
    assert nurse.put(path, json=wanted | {"version": assigned["version"], "nurse": "stranger"}).status_code == 422
    taken = nurse.post(f"{path}/take", json={"of": "anna", "by": "bela"}).json()
    assert (taken["beds"][0]["nurse"], taken["beds"][0]["covers"]) == ("bela", "anna")
    stage.ahead_ms += 20 * 60_000
    assert nurse.get(path).json()["beds"][0]["nurse"] == "anna"
    assert nurse.post(f"{path}/take", json={"of": "anna", "by": "anna"}).status_code == 422
    freed = {"version": nurse.get(path).json()["version"], "beds": ["icu-01", "icu-02"], "nurse": None}
    assert nurse.put(path, json=freed).json()["everybodys"] == ["icu-01", "icu-02", "icu-03"]
    assert [e.what for e in stage.parts.audit.read() if e.who == "nora" and e.what.endswith("-beds")][
        -1
    ] == "assign-beds"


def test_a_contact_who_leaves_the_house_is_on_no_rota_any_more(client: Client, stage: Stage) -> None:
    bela, root = client("bela", icu=Role.ADMIN), client("root", everywhere=Role.ADMIN)
    assert bela.delete("/api/contacts/nurse-icu").status_code == 403
    assert root.delete("/api/contacts/nurse-icu").json() == {"contact": "nurse-icu", "wards": ["icu"]}
    assert root.delete("/api/contacts/nurse-icu").status_code == 404
    assert [c["contact"] for c in bela.get("/api/wards/icu/rota").json()["contacts"]] == ["registrar"]
    ids = [c["contact"] for c in bela.get("/api/contacts").json()]
    assert "nurse-icu" not in ids
    assert "phone" not in bela.get("/api/contacts").json()[0]
    assert "phone" in root.get("/api/contacts").json()[0]
    assert client("vera", icu=Role.VIEWER).get("/api/contacts").status_code == 403


def test_the_rota_says_by_which_channels_a_contact_is_not_reached(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.VIEWER)
    contact = stage.parts.topics.house.duties("icu")[0]
    assert bela.get("/api/wards/icu/rota").json()["contacts"][0]["channels"] == {}
    found = {Channel.SMS: Standing.OPTED_OUT}
    standing = ContactStanding(contact=contact.contact, of=addresses(contact), channels=found, t=1)
    record = Record(topics.CHANNELS, 0, 0, 1, b"standing", msgspec.json.encode(standing))
    assert stage.parts.topics.take(record) is None
    assert bela.get("/api/wards/icu/rota").json()["contacts"][0]["channels"] == {"sms": "opted-out"}


def test_what_the_log_does_not_take_is_told_and_the_next_try_gets_a_new_connection(
    client: Client, stage: Stage
) -> None:
    bela = client("bela", icu=Role.NURSE)
    connect = stage.parts.commands.connect

    def refuse() -> NoReturn:
        raise KafkaUnavailableError("no broker")

    stage.parts.commands.connect = refuse
    answer = bela.post("/api/patients/p-00001/chart", json={"oxygen": True})
    assert (answer.status_code, "nothing has been changed" in answer.json()["detail"]) == (503, True)
    stage.parts.commands.connect = connect
    assert bela.post("/api/patients/p-00001/chart", json={"oxygen": True}).status_code == 200


def test_history_says_when_the_warehouse_is_down_and_gives_what_the_page_itself_knows(
    client: Client, stage: Stage
) -> None:
    bela = client("bela", icu=Role.NURSE)
    stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 %", priority=Priority.HIGH))
    stage.history.down = "no route"
    found = bela.get("/api/patients/p-00001/history?hours=1").json()
    assert found["down"] == "no route"
    assert [a["message"] for a in found["alarms"]] == ["SpO2 84 %"]
    assert found["trend"]
    stage.history.down = None
    again = bela.get("/api/patients/p-00001/history?hours=1").json()
    assert again["down"] is None
    assert len(again["trend"]) > len(found["trend"])


def test_history_has_the_slope_of_each_sign_with_a_trend_and_no_forecast(client: Client, stage: Stage) -> None:
    stage.read("p-00001", spo2=93, slopes={"spo2": -0.05})
    stage.parts.feed.tick()
    found = client("bela", icu=Role.NURSE).get("/api/patients/p-00001/history?hours=1").json()
    assert found["slopes"] == {"spo2": -0.05}
    assert "ahead" not in found, "no forecast"


def test_a_frame_holds_what_changed_and_a_page_that_falls_behind_gets_everything(stage: Stage) -> None:
    hub = stage.parts.feed

    async def watch() -> list[bytes | None]:
        feed = hub.open("icu")
        stage.read("p-00002", spo2=91)
        hub.tick()
        await asyncio.sleep(0)
        frames = [feed.frames.get_nowait() for _ in range(feed.frames.qsize())]
        for k in range(20):
            stage.read("p-00002", spo2=70 + k)
            hub.tick()
            await asyncio.sleep(0)
        assert feed.frames.qsize() <= 8
        late = [feed.frames.get_nowait() for _ in range(feed.frames.qsize())]
        hub.tick()
        await asyncio.sleep(0)
        return [*frames, *late[-1:], feed.frames.get_nowait()]

    # In a thread of its own: the browser of other tests keeps a loop running in this one.
    with ThreadPoolExecutor(1) as apart:
        whole, some, *_, again = apart.submit(asyncio.run, watch()).result(30)
    assert whole is not None
    assert some is not None
    assert again is not None
    assert whole.startswith(b"event: ward\n")
    assert (some.startswith(b"event: tiles\n"), some.count(b'"patient"')) == (True, 1)
    assert again.startswith(b"event: ward\n")
    assert b'"spo2":[89,' in again


def test_a_page_that_opens_later_misses_nothing_that_came_between(stage: Stage) -> None:
    hub = stage.parts.feed

    async def watch() -> tuple[bytes | None, list[bytes | None]]:
        hub.open("icu")
        stage.admit(admission(9, "icu", stage.now()))
        stage.read("p-00002", spo2=71)
        hub.tick()
        await asyncio.sleep(0)
        stage.read("p-00003", spo2=72)
        later = hub.open("icu")
        first = later.frames.get_nowait()
        stage.read("p-00001", spo2=73)
        again = hub.open("icu")
        same = again.frames.get_nowait()
        hub.tick()
        await asyncio.sleep(0)
        assert same == first, "one frame for those who come between two polls"
        return first, [later.frames.get_nowait(), again.frames.get_nowait()]

    with ThreadPoolExecutor(1) as apart:
        first, rest = apart.submit(asyncio.run, watch()).result(30)
    assert first is not None
    assert (b"p-00009" in first, b'"spo2":[71,' in first) == (True, True)
    for frame in rest:
        assert frame is not None
        assert (b'"spo2":[72,' in frame, b'"spo2":[73,' in frame) == (True, True)


def test_the_interface_is_described_by_openapi(client: Client) -> None:
    paths = client().get("/api/openapi.json").json()["paths"]
    assert {
        "/api/wards/{ward}",
        "/api/patients/{patient}/limits",
        "/api/alarms/acknowledge",
        "/fhir/Observation",
    } <= paths.keys()
