"""FHIR R4: what is given validates, what is asked wrongly is answered by an OperationOutcome."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.capabilitystatement import CapabilityStatement
from fhir.resources.R4B.device import Device
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.flag import Flag
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.operationoutcome import OperationOutcome
from fhir.resources.R4B.patient import Patient

from cloud.console.auth.accounts import Role
from cloud.console.fhir import resource_builders, search_parameters, stay_resources
from tests.console.conftest import Client
from tests.console.stage import Stage, admission, event
from vitals.signs import FIELDS, SIGNS, SUSPECT_BITS, Suspect

T0 = 1_763_812_800_123
READING: dict[str, Any] = {
    "device": "mon-1", "boot": 7, "seq": 1, "t": T0, "suspect": 0,
    "hr": 72, "pr": 72, "rr": 16, "spo2": 98, "temp": 36.8, "sbp": 118, "dbp": 76, "map": 90,
}  # fmt: skip
EVERY = frozenset(FIELDS)


def by_code(found: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {o["code"]["coding"][0]["code"]: o for o in found}


def test_a_reading_is_one_valid_observation_per_sign_and_one_panel_with_loinc_and_ucum() -> None:
    found = by_code(resource_builders.observations(READING, "p-1", EVERY))
    for resource in found.values():
        checked = Observation.model_validate(resource)
        assert checked.status == "final"
        assert resource["category"][0]["coding"][0]["code"] == "vital-signs"
        assert resource["effectiveDateTime"] == "2025-11-22T12:00:00.123Z"
    single = {s.loinc[0]: s for s in SIGNS if s.field not in resource_builders.COMPONENTS and s.field in READING}
    assert found.keys() == {*single, resource_builders.PANEL}
    for code, sign in single.items():
        quantity = found[code]["valueQuantity"]
        assert (quantity["value"], quantity["code"], quantity["system"]) == (
            READING[sign.field],
            sign.unit,
            resource_builders.UCUM,
        )
        assert {c["code"] for c in found[code]["code"]["coding"]} == set(sign.loinc)
    panel = {
        c["code"]["coding"][0]["code"]: c["valueQuantity"]["value"] for c in found[resource_builders.PANEL]["component"]
    }
    assert panel == {"8480-6": 118, "8462-4": 76, "8478-0": 90}
    assert "valueQuantity" not in found[resource_builders.PANEL]


def test_the_profiles_are_r4s_own() -> None:
    found = by_code(resource_builders.observations(READING, "p-1", EVERY))
    profiles = {code: o["meta"]["profile"][0].rpartition("/")[2] for code, o in found.items() if "meta" in o}
    assert {c: profiles[c] for c in ("8867-4", "9279-1", "2708-6", "8310-5", "85354-9")} == {
        "8867-4": "heartrate", "9279-1": "resprate", "2708-6": "oxygensat", "8310-5": "bodytemp", "85354-9": "bp",
    }  # fmt: skip


def test_an_absent_value_has_its_reason_and_never_a_zero() -> None:
    suspect = Suspect.SENSOR_OFF << (SUSPECT_BITS * FIELDS.index("spo2")) | Suspect.DROPOUT << (
        SUSPECT_BITS * FIELDS.index("hr")
    )
    found = by_code(
        resource_builders.observations(
            READING | {"spo2": None, "hr": None, "dbp": None, "suspect": suspect}, "p-1", EVERY
        )
    )
    for code, reason in (("2708-6", "not-performed"), ("8867-4", "error")):
        Observation.model_validate(found[code])
        assert "valueQuantity" not in found[code]
        assert found[code]["dataAbsentReason"]["coding"][0] == {"system": resource_builders.ABSENT, "code": reason}
    components = {c["code"]["coding"][0]["code"]: c for c in found[resource_builders.PANEL]["component"]}
    assert components["8462-4"]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    # Not measured and nothing said of it: no observation, rather than an empty one.
    assert "8889-8" not in by_code(resource_builders.observations(READING | {"pr": None}, "p-1", EVERY))


def test_a_value_that_is_not_to_be_trusted_says_so() -> None:
    suspect = Suspect.SPIKE << (SUSPECT_BITS * FIELDS.index("hr"))
    found = by_code(resource_builders.observations(READING | {"suspect": suspect}, "p-1", EVERY))
    assert "not to be trusted, spike" in found["8867-4"]["note"][0]["text"]
    assert "note" not in found["9279-1"]
    Observation.model_validate(found["8867-4"])


def test_a_patient_validates_even_with_markup_for_a_name_and_an_id_that_fhir_does_not_allow() -> None:
    person = admission(1, "icu", T0, name="<b>Robert</b> O'Neill & Söhne", patient="Bett 7_ä", phone=" ", address="")
    resource = resource_builders.patient(person)
    Patient.model_validate(resource)
    assert resource["name"][0]["text"] == "<b>Robert</b> O'Neill & Söhne"
    assert resource["identifier"][0]["value"] == "Bett 7_ä"


@pytest.mark.parametrize(
    ("date", "begin", "end"),
    [
        ("2025", 1735689600000, 1767225600000),
        ("2025-12", 1764547200000, 1767225600000),
        ("2025-11-22", 1763769600000, 1763856000000),
        ("eq2025-11-22T12:00", 1763812800000, 1763812860000),
        ("2025-11-22T12:00:00Z", 1763812800000, 1763812801000),
        ("2025-11-22T14:00:00.123+02:00", 1763812800123, 1763812800124),
        ("ge2025-11-22", 1763769600000, search_parameters.LAST),
        ("gt2025-11-22", 1763856000000, search_parameters.LAST),
        ("lt2025-11-22", 0, 1763769600000),
        ("le2025-11-22", 0, 1763856000000),
    ],
)
def test_a_date_means_the_whole_span_of_its_precision(date: str, begin: int, end: int) -> None:
    found = search_parameters.parse([("patient", "p-1"), ("date", date)])
    assert (found.begin, found.end) == (begin, end)


@pytest.mark.parametrize(
    ("query", "issue"),
    [
        ("", "required"),
        ("patient=", "required"),
        ("patient=a&patient=b", "value"),
        ("patient=p-00001&date=yesterday", "value"),
        ("patient=p-00001&date=2025-13", "value"),
        ("patient=p-00001&date=2025-02-30", "value"),
        ("patient=p-00001&date=0000", "value"),
        ("patient=p-00001&date=ap2025", "value"),
        ("patient=p-00001&code=http://snomed.info/sct|8867-4", "value"),
        ("patient=p-00001&code=,", "value"),
        ("patient=p-00001&_count=many", "value"),
        ("patient=p-00001&_sort=code", "not-supported"),
        ("patient=p-00001&_summary=text", "not-supported"),
        ("patient=p-00001&_count=99999999999999999999", "value"),
        ("patient=p-00001&_offset=-1", "value"),
        ("patient=p-00001&category=laboratory", "value"),
        ("patient=p-00001&_format=xml", "not-supported"),
        ("patient=p-00001&value-quantity=gt5", "not-supported"),
        ("patient=p-00001&date=" + "9" * 5000, "value"),
    ],
)
def test_a_malformed_query_is_an_operation_outcome(client: Client, query: str, issue: str) -> None:
    answer = client("bela", icu=Role.NURSE).get(f"/fhir/Observation?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/fhir+json"
    OperationOutcome.model_validate(answer.json())
    assert answer.json()["issue"][0]["code"] == issue


def test_every_other_error_below_fhir_is_an_operation_outcome_too(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    stage.history.down = "no route"
    answers = {
        401: client().get("/fhir/Patient/p-00001"),
        404: bela.get("/fhir/Patient/nobody"),
        405: bela.delete("/fhir/Patient/p-00001"),
        503: bela.get("/fhir/Observation?patient=p-00001"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        OperationOutcome.model_validate(answer.json())
    assert bela.get("/fhir/Practitioner").status_code == 404


def test_a_search_gives_a_valid_bundle_page_by_page(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    since = quote(resource_builders.instant(stage.now() - 600_000))
    path: str | None = (
        f"/fhir/Observation?patient=Patient/p-00001&code=http://loinc.org|8867-4,85354-9&date=ge{since}&_count=8"
    )
    seen: list[str] = []
    while path:
        answer = bela.get(path)
        assert answer.status_code == 200, answer.text
        bundle = answer.json()
        Bundle.model_validate(bundle)
        assert {e["resource"]["subject"]["reference"] for e in bundle["entry"]} == {"Patient/p-00001"}
        seen += [e["resource"]["id"] for e in bundle["entry"]]
        path = next(
            (link["url"].removeprefix(stage.url) for link in bundle["link"] if link["relation"] == "next"), None
        )
    # Readings each 30 s for ten minutes, a heart rate and a panel each, none twice.
    assert len(seen) == len(set(seen)) == 2 * 20
    assert ("bela", "fhir-observations", "p-00001") in {(e.who, e.what, e.patient) for e in stage.parts.audit.read()}


def test_a_code_that_is_not_measured_finds_nothing(client: Client) -> None:
    bundle = client("bela", icu=Role.NURSE).get("/fhir/Observation?patient=p-00001&code=2339-0").json()
    Bundle.model_validate(bundle)
    assert "entry" not in bundle


def test_the_server_says_what_it_can(client: Client) -> None:
    CapabilityStatement.model_validate(client().get("/fhir/metadata").json())


def bundle(client: Client, query: str) -> dict[str, Any]:
    found: dict[str, Any] = client("bela", icu=Role.NURSE).get(f"/fhir/{query}").json()
    Bundle.model_validate(found)
    return found


def times(found: dict[str, Any]) -> list[str]:
    return [e["resource"]["effectiveDateTime"] for e in found["entry"]]


def test_the_newest_and_the_oldest_value_are_asked_for_as_clients_do(client: Client, stage: Stage) -> None:
    hr = "Observation?patient=p-00001&code=8867-4&_count=1"
    newest, oldest = (times(bundle(client, f"{hr}&_sort={sort}")) for sort in ("-date", "date"))
    assert newest == [resource_builders.instant(stage.history.newest)]
    assert oldest == [resource_builders.instant(stage.history.newest - 3_570_000)]
    assert times(bundle(client, "Observation?subject:Patient=p-00001&code=8867-4&_count=1")) == newest


def test_what_was_stored_since_a_time_is_found_by_last_updated(client: Client, stage: Stage) -> None:
    since = quote(resource_builders.instant(stage.history.newest - 60_000))
    found = bundle(client, f"Observation?patient=p-00001&code=8867-4&_lastUpdated=gt{since}")
    # A reading is stored a second after its time.
    assert len(found["entry"]) == 3
    assert found["entry"][0]["resource"]["meta"]["lastUpdated"] == resource_builders.instant(
        stage.history.newest + 1000
    )


def test_a_summary_counts_or_has_fewer_elements(client: Client, stage: Stage) -> None:
    one = "Observation?patient=p-00001&code=8867-4,85354-9"
    for query in ("_summary=count", "_count=0"):
        found = bundle(client, f"{one}&{query}")
        assert (found["total"], "entry" in found) == (2 * 120, False)
    assert bundle(client, f"{one}&_total=accurate&_count=2")["total"] == 2 * 120
    short = bundle(client, f"{one}&_summary=true&_count=1")["entry"][0]["resource"]
    assert short["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert "performer" not in short


def test_an_observation_is_read_by_its_id_by_those_of_its_ward_alone(client: Client, stage: Stage) -> None:
    found = bundle(client, "Observation?patient=p-00001&_count=2")["entry"]
    bela = client("bela", icu=Role.NURSE)
    for entry in found:
        assert bela.get(f"/fhir/Observation/{entry['resource']['id']}").json() == entry["resource"]
    name = found[0]["resource"]["id"]
    assert client("mona", med=Role.NURSE).get(f"/fhir/Observation/{name}").status_code == 404
    assert bela.get(f"/fhir/Observation/{name}x").status_code == 404
    assert bela.get("/fhir/Observation/nothing").status_code == 404


def test_a_pulse_rate_claims_no_profile_that_lacks_its_code_and_everything_has_a_performer() -> None:
    found = by_code(resource_builders.observations(READING, "p-1", EVERY))
    assert "meta" not in found["8889-8"]
    assert all(o["performer"] for o in found.values())


def test_a_stay_its_devices_and_its_alarms_are_resources(client: Client, stage: Stage) -> None:
    stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    (stay,) = [Encounter.model_validate(e["resource"]) for e in bundle(client, "Encounter?patient=p-00001")["entry"]]
    assert (stay.status, stay.subject.reference) == ("in-progress", "Patient/p-00001")
    (device,) = [Device.model_validate(e["resource"]) for e in bundle(client, "Device?patient=p-00001")["entry"]]
    (flag,) = [Flag.model_validate(e["resource"]) for e in bundle(client, "Flag?patient=Patient/p-00001")["entry"]]
    assert flag.code.text == "high: SpO2 84 % below 85 %"
    bela, mona = client("bela", icu=Role.NURSE), client("mona", med=Role.NURSE)
    for path in ("Encounter/p-00001", f"Device/{device.id}"):
        assert bela.get(f"/fhir/{path}").status_code == 200
        assert mona.get(f"/fhir/{path}").status_code == 404
    assert bela.get("/fhir/Device/none").status_code == 404
    for query in ("Encounter", "Encounter?patient=a&_sort=date"):
        answer = bela.get(f"/fhir/{query}")
        assert answer.status_code == 400
        OperationOutcome.model_validate(answer.json())


def test_a_stay_that_has_ended_has_its_end_and_no_devices() -> None:
    left = msgspec.structs.replace(admission(1, "icu", T0), discharged=T0 + 1)
    assert stay_resources.encounter(left)["status"] == "finished"
    assert stay_resources.devices(left) == []
