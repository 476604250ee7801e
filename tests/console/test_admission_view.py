"""Admission in four fields or one tap, and a roster file that is seen before it acts."""

from datetime import UTC, datetime

import msgspec
import pytest
from playwright.sync_api import Page, expect

from cloud.console.auth.accounts import Role
from cloud.console.auth.audit_log import Wanted
from tests.console.conftest import Client, open_view
from tests.console.stage import HOUR, Stage, admission

FOUR = {"patient": "p-00900", "name": "Nia Lomax", "born": "1958-03-21", "ward": "icu", "bed": "icu-04"}


def free_bed(stage: Stage, **changes: object) -> None:
    """A patient who left bed icu-04, with a monitor that reads once a second."""
    stage.admit(admission(4, "icu", stage.now(), discharged=stage.now() - HOUR, cadence_s=1.0, **changes))


def test_four_fields_admit_because_the_bed_implies_gateway_monitor_and_pace(client: Client, stage: Stage) -> None:
    free_bed(stage, cuff_s=900.0, news2=False)
    bela = client("bela", icu=Role.NURSE)
    places = {p["bed"]: p for p in bela.get("/api/wards/icu/places").json()["places"]}
    assert (places["icu-04"]["patient"], places["icu-01"]["patient"]) == (None, "p-00001")
    assert bela.post("/api/patients", json=FOUR).status_code == 201
    made = stage.person("p-00900")
    assert (made.gateway, made.devices, made.cadence_s, made.cuff_s, made.news2) == (
        "gw-icu",
        ("mon-icu-04",),
        1,
        900,
        False,
    )
    assert (made.profile, made.phone, made.address) == ("adult", "", "")


def test_a_monitor_that_went_with_its_patient_is_not_implied_by_the_former_bed(client: Client, stage: Stage) -> None:
    free_bed(stage)
    stage.admit(admission(5, "icu", stage.now(), devices=("mon-icu-04",)))
    bela = client("bela", icu=Role.NURSE)
    answer = bela.post("/api/patients", json=FOUR)
    assert (answer.status_code, "name both" in answer.json()["detail"]) == (422, True)
    assert bela.post("/api/patients", json=FOUR | {"devices": "mon-new"}).status_code == 201


def test_limits_follow_the_age_and_are_asked_for_without_one(client: Client, stage: Stage) -> None:
    free_bed(stage)
    bela = client("bela", icu=Role.NURSE)
    answer = bela.post("/api/patients", json=FOUR | {"born": ""})
    assert (answer.status_code, "profile must be given" in answer.json()["detail"]) == (422, True)
    today = datetime.fromtimestamp(stage.now() / 1000, UTC).date().isoformat()
    assert bela.post("/api/patients", json=FOUR | {"born": today}).json()["profile"] == "infant"


def test_an_unknown_patient_is_admitted_with_the_bed_alone_and_named_later(client: Client, stage: Stage) -> None:
    free_bed(stage)
    bela = client("bela", icu=Role.NURSE)
    made = bela.post("/api/patients/unknown", json={"ward": "icu", "bed": "icu-04"}).json()
    assert (made["name"], made["born"], made["bed"], made["profile"]) == ("Unknown patient", "", "icu-04", "adult")
    view = bela.get(f"/api/patients/{made['patient']}").json()
    assert view["bed"]["age"] is None
    assert "birthDate" not in bela.get(f"/fhir/Patient/{made['patient']}").json()
    named = {"version": made["version"], "name": "Nia Lomax", "born": "1958-03-21"}
    assert bela.post(f"/api/patients/{made['patient']}/identity", json=named).status_code == 200
    after = stage.person(made["patient"])
    assert (after.name, after.born, after.bed, after.since) == ("Nia Lomax", "1958-03-21", "icu-04", made["since"])
    assert bela.post(f"/api/patients/{made['patient']}/identity", json=named).status_code == 409
    assert bela.post("/api/patients/unknown", json={"ward": "icu", "bed": "icu-04"}).status_code == 409


def test_admission_and_roster_are_for_nurses_of_the_ward(client: Client, stage: Stage) -> None:
    vera, ruth = client("vera", icu=Role.VIEWER), client("ruth", med=Role.NURSE)
    for other in (vera, ruth):
        assert other.get("/api/wards/icu/places").status_code == 403
        assert other.post("/api/patients/unknown", json={"ward": "icu", "bed": "icu-04"}).status_code == 403
        assert other.post("/api/wards/icu/roster/preview", json={"csv": ""}).status_code == 403
        assert other.post("/api/wards/icu/roster", json={"csv": "", "seen": ""}).status_code == 403
    assert ruth.post("/api/patients/p-00001/identity", json={"version": 1, "name": "x"}).status_code == 404
    assert vera.post("/api/patients/p-00001/identity", json={"version": 1, "name": "x"}).status_code == 403
    assert stage.written("patients") == []


HEAD = "patient,name,born,phone,address,ward,bed,gateway,devices,cadence_s\n"


def row(stage: Stage, patient: str, **changes: object) -> str:
    one = msgspec.structs.replace(stage.person(patient), **changes)
    facts = (one.patient, one.name, one.born, one.phone, f'"{one.address}"', one.ward, one.bed, one.gateway)
    return ",".join((*facts, one.devices[0], "30")) + "\n"


def test_a_roster_file_is_seen_before_it_acts_and_acts_as_it_was_seen(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    csv = HEAD + row(stage, "p-00001", bed="icu-20") + row(stage, "p-00002")
    seen = bela.post("/api/wards/icu/roster/preview", json={"csv": csv}).json()
    assert [(s["effect"], s["changes"]) for s in seen["steps"]] == [
        ("change", {"bed": ["icu-01", "icu-20"]}),
        ("same", {}),
    ]
    assert stage.written("patients") == []
    assert bela.post("/api/wards/icu/roster", json={"csv": csv, "seen": "something"}).status_code == 409
    assert bela.post("/api/wards/icu/roster", json={"csv": csv, "seen": seen["seen"]}).json() == {"written": 1}
    assert [a["bed"] for a in stage.written("patients")] == ["icu-20"]
    assert stage.parts.audit.read(Wanted(patient="p-00001"))[0].what == "roster-change"


@pytest.mark.parametrize("meanwhile", ["discharged", "moved"])
def test_a_ward_that_changed_since_the_preview_is_looked_at_again(client: Client, stage: Stage, meanwhile: str) -> None:
    bela = client("bela", icu=Role.NURSE)
    csv = HEAD + row(stage, "p-00001", bed="icu-20")
    seen = bela.post("/api/wards/icu/roster/preview", json={"csv": csv}).json()["seen"]
    changed = {"discharged": stage.now()} if meanwhile == "discharged" else {"bed": "icu-40"}
    known = stage.person("p-00001")
    stage.admit(msgspec.structs.replace(known, version=known.version + 1, **changed))
    assert bela.post("/api/wards/icu/roster", json={"csv": csv, "seen": seen}).status_code == 409
    assert stage.written("patients") == []


def test_a_file_takes_nobody_from_another_ward(client: Client, stage: Stage) -> None:
    csv = HEAD + row(stage, "p-00041", ward="icu", bed="icu-30") + row(stage, "p-00042")
    steps = client("bela", icu=Role.NURSE).post("/api/wards/icu/roster/preview", json={"csv": csv}).json()["steps"]
    assert [(s["effect"], s["reason"]) for s in steps] == [
        ("refused", "this patient id belongs to another ward"), ("refused", "the row is of ward med: load it there"),
    ]  # fmt: skip


def test_a_file_with_errors_says_them_all(client: Client) -> None:
    answer = client("bela", icu=Role.NURSE).post("/api/wards/icu/roster/preview", json={"csv": "patient;name\n"})
    assert answer.json()["errors"][0].startswith("line 1: missing columns")


def test_a_nurse_admits_an_unknown_patient_in_one_tap(page: Page, served: Stage) -> None:
    free_bed(served)
    open_view(page, "Admit a patient")
    page.get_by_role("button", name="Unknown adult to icu-04").click()
    expect(page.locator("h1")).to_contain_text("Unknown patient")
    assert [a["bed"] for a in served.written("patients")] == ["icu-04"]
    page.get_by_role("button", name="Name and facts").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Nia Lomax")
    dialog.get_by_label("Date of birth").fill("2021-03-21")
    expect(dialog.get_by_label("Limits")).to_have_value("child")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_contain_text("Nia Lomax")
    assert [a.get("profile", "adult") for a in served.written("patients")] == ["adult", "child"]


def test_a_nurse_admits_a_child_with_four_fields_and_sees_the_limits_before(page: Page, served: Stage) -> None:
    free_bed(served)
    open_view(page, "Admit a patient")
    page.get_by_role("group", name="Free beds").get_by_role("button", name="icu-04 mon").click()
    page.get_by_label("Patient id").fill("p-00900")
    page.get_by_label("Name", exact=True).fill("Nia Lomax")
    page.get_by_label("Date of birth").fill("2021-05-01")
    expect(page.get_by_text("Limits: child · monitor mon-icu-04, gateway gw-icu")).to_be_visible()
    page.get_by_role("button", name="Admit", exact=True).click()
    expect(page.locator("#toast")).to_contain_text("Admitted Nia Lomax to icu-04, limits child")
    assert served.person("p-00900").profile == "child"


def test_a_nurse_sees_what_a_file_would_change_and_writes_it(page: Page, served: Stage) -> None:
    open_view(page, "Roster file")
    csv = HEAD + row(served, "p-00001", phone="+44 1632 960999")
    page.get_by_label("or its text").fill(csv)
    page.get_by_role("button", name="Show what it would change").click()
    expect(page.get_by_role("region", name="Effect of each row")).to_contain_text(
        "phone: +44 1632 960123 → +44 1632 960999"
    )
    page.get_by_role("button", name="Write 1 row").click()
    expect(page.get_by_role("heading", name="Would change: 1 as it is")).to_be_visible()
    assert served.person("p-00001").phone == "+44 1632 960999"


def test_a_taken_bed_is_said_before_and_after_the_press_and_a_new_one_needs_its_monitor(
    page: Page, served: Stage
) -> None:
    open_view(page, "Admit a patient")
    for label, value in {"Patient id": "p-00077", "Name": "Nia Lomax", "Date of birth": "1958-03-21"}.items():
        page.get_by_label(label, exact=label == "Name").fill(value)
    page.get_by_label("Bed", exact=True).fill("icu-01")
    expect(page.get_by_text("Bed icu-01 is taken.")).to_be_visible()
    page.get_by_role("button", name="Admit", exact=True).click()
    expect(page.locator("main").get_by_role("alert")).to_have_text("Bed icu-01 is taken")
    page.get_by_label("Bed", exact=True).fill("icu-77")
    page.get_by_label("Monitor").fill("mon-icu-77")
    page.get_by_role("button", name="Admit", exact=True).click()
    expect(page.locator("h1")).to_contain_text("icu-77")
    assert served.person("p-00077").gateway == "gw-icu"


def test_a_transfer_to_a_free_bed_takes_the_beds_gateway_and_monitor(page: Page, served: Stage) -> None:
    free_bed(served, gateway="gw-icu-2")
    page.goto(page.url.partition("#")[0] + "#/patient/p-00002")
    page.get_by_role("button", name="Transfer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("group", name="Free beds").get_by_role("button", name="icu-04").click()
    dialog.get_by_role("button", name="Transfer").click()
    expect(page.locator("#toast")).to_contain_text("Transferred")
    moved = served.person("p-00002")
    assert (moved.bed, moved.gateway, moved.devices) == ("icu-04", "gw-icu-2", ("mon-icu-04",))
