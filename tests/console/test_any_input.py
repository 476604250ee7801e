"""Whatever is typed into the ward page is written as it is read, or refused with its reason and nothing is written."""

from typing import Any

import pytest

from cloud.console.auth.accounts import Role
from tests.console.conftest import Client
from tests.console.stage import Stage

NEW = {
    "patient": "p-00900", "name": "Nia Grieg", "born": "1958-03-21", "phone": "+44 1632 960123", "address": "1 Elm Rd",
    "ward": "icu", "bed": "icu-09", "gateway": "gw-icu", "devices": "mon-icu-09",
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"cadence_s": 3_000_000}, {"cadence_s": 0.05}, {"cadence_s": -1}, {"bed": "icu\u200b09"}, {"bed": "a/b"},
        {"devices": "mon\u20119"}, {"gateway": "gw-\u0456cu"}, {"patient": "x\\' OR 1=1 --"}, {"patient": "  "},
    ],
)  # fmt: skip
def test_an_admission_that_a_later_part_cannot_hold_is_refused(
    client: Client, stage: Stage, change: dict[str, Any]
) -> None:
    answer = client("bela", icu=Role.NURSE).post("/api/patients", json=NEW | change)
    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert stage.written("patients") == []


@pytest.mark.parametrize("number", ["Infinity", "-Infinity", "NaN", "1e400", "9" * 400])
def test_a_number_that_json_does_not_have_is_refused(client: Client, stage: Stage, number: str) -> None:
    bela = client("bela", icu=Role.NURSE)
    body = "{" + ",".join(f'"{key}":"{value}"' for key, value in NEW.items()) + f',"cadence_s":{number}' + "}"
    answer = bela.post("/api/patients", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert stage.written("patients") == []


def test_an_id_with_a_space_before_it_is_that_patient(client: Client, stage: Stage) -> None:
    """Looked up raw and admitted stripped, it once took another ward's patient."""
    bela = client("bela", icu=Role.NURSE)
    for patient in ("p-00041", " p-00041", "p-00041 ", "\tp-00041"):
        assert bela.post("/api/patients", json=NEW | {"patient": patient}).status_code in {409, 422}, patient
    assert stage.written("patients") == []


def test_limits_beyond_every_sign_are_refused(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    version = stage.parts.topics.admissions["p-00001"].version
    body = {"version": version, "profile": "adult", "scale2": False, "bounds": {"hr": [None, None, None, 1e300]}}
    assert bela.post("/api/patients/p-00001/limits", json=body).status_code == 422
    assert stage.written("patients") == []


@pytest.mark.parametrize(
    "change",
    [
        {"start": 10**30}, {"end": 10**30}, {"start": -1}, {"contact": "müller"}, {"contact": "canary"},
        {"contact": "a\u200b"}, {"phone": "+²²²²"}, {"email": "x"}, {"contact": "x" * 200},
    ],
)  # fmt: skip
def test_a_rota_that_a_later_part_cannot_hold_is_refused(client: Client, stage: Stage, change: dict[str, Any]) -> None:
    row = {"contact": "nurse", "name": "B. Holt", "start": 1, "end": 253_402_300_000_000, "phone": "+441632960001"}
    ada = client("ada", icu=Role.ADMIN)
    version = ada.get("/api/wards/icu/rota").json()["version"]
    put = {"version": version, "contacts": [row | change]}
    assert ada.put("/api/wards/icu/rota", json=put).status_code == 422
    assert stage.written("contacts") == []
    assert ada.put("/api/wards/icu/rota", json={"version": version, "contacts": [row]}).status_code == 200


def test_a_question_with_any_number_is_answered_or_refused(client: Client) -> None:
    ada = client("ada", everywhere=Role.ADMIN)
    assert ada.get(f"/api/audit?before={'9' * 30}").status_code == 422
    for query in ("date=9999-12-31", "date=9999", "_count=" + "9" * 5000, "_count=000000001" + "0" * 30, "_offset=²"):
        assert ada.get(f"/fhir/Observation?patient=p-00001&{query}").status_code in {200, 400}, query
