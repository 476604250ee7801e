"""Advice on limits at the bed: what a limit spares and hides, and a person who sets it."""

import sys
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from cloud.console.advice_process import AdviceError, AdviceProcess
from cloud.console.auth.accounts import Role
from cloud.console.auth.audit_log import Wanted
from tests.console.conftest import Client
from tests.console.stage import Stage

NOW = 1_800_000_000_000
HIDDEN = {
    "id": "a", "patient": "p-00002", "ward": "icu", "bed": "icu-02", "condition": "spo2", "priority": 2,
    "start": NOW, "told": NOW, "over": NOW + 40_000, "value": 89.0, "limit": 90.0, "text": "SpO2 89 % below 90 %",
}  # fmt: skip
SPARES: dict[str, Any] = {
    "sign": "spo2", "bound": "low", "present": 90.0, "tried": 88.0, "alarms": 6, "spared": 5, "hidden": [HIDDEN],
    "later_s": 30.0, "advised": True,
}  # fmt: skip
HIDES = SPARES | {"tried": 87.0, "spared": 6, "hidden": [HIDDEN, HIDDEN | {"priority": 3}], "advised": False}
FORMER = SPARES | {"present": 92.0, "tried": 91.0}


class Told:
    """Advice that a test chose."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)

    def advise(self, patient: str, until: int) -> list[dict[str, Any]]:
        return self.found


def test_advice_is_for_nurses_and_leaves_out_what_was_tried_against_a_former_limit(
    client: Client, stage: Stage
) -> None:
    stage.parts.advisor = Told(SPARES, FORMER)
    found = client("bela", icu=Role.NURSE).get("/api/patients/p-00002/advice").json()
    assert [one["tried"] for one in found["tried"]] == [88.0]
    assert client("vera", icu=Role.VIEWER).get("/api/patients/p-00002/advice").status_code == 403
    assert client("ruth", med=Role.NURSE).get("/api/patients/p-00002/advice").status_code == 404
    assert "view-advice" in {e.what for e in stage.parts.audit.read(Wanted(patient="p-00002"))}


def test_without_a_lake_the_reason_is_given(client: Client) -> None:
    answer = client("bela", icu=Role.NURSE).get("/api/patients/p-00002/advice")
    assert (answer.status_code, "LAKE" in answer.json()["detail"]) == (503, True)


def script(text: str) -> AdviceProcess:
    return AdviceProcess((sys.executable, "-c", text))


def test_the_process_is_given_the_patient_and_its_answer_is_read() -> None:
    text = "import json, sys; print(json.dumps([{'argv': sys.argv[1:]}]))"
    ((found,),) = (script(text).advise("-x", NOW),)
    assert found["argv"] == ["--json", "--until", "2027-01-15T08:00:00+00:00", "--", "-x"]


def test_a_patient_without_readings_has_no_advice_and_a_failure_has_its_reason() -> None:
    nothing = "import sys; sys.exit('advise: the lake has no readings of patient p in that day')"
    assert script(nothing).advise("p", NOW) == []
    with pytest.raises(AdviceError, match="no bucket"):
        script("import sys; sys.exit('advise: no bucket')").advise("p", NOW)


def test_a_nurse_sees_what_a_limit_would_have_hidden_and_sets_it(page: Page, served: Stage) -> None:
    served.parts.advisor = Told(SPARES, HIDES)
    page.goto(page.url.partition("#")[0] + "#/patient/p-00002")
    page.get_by_role("link", name="Advice on limits").click()
    panel = page.get_by_role("region", name="SpO₂ low", exact=True)
    expect(panel).to_contain_text("6 alarms in 24 hours")
    rows = panel.locator("tbody tr")
    expect(rows.nth(1)).to_contain_text("not advised")
    expect(rows.nth(1).get_by_role("button")).to_have_count(0)
    rows.nth(0).get_by_role("button", name="Set this limit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("hides 1 medium").click()
    expect(dialog).to_contain_text("MEDIUM SpO2 89 % below 90 %, for 40 s")
    dialog.get_by_role("button", name="Set the limit").click()
    expect(page.locator("#toast")).to_contain_text("Limit set: SpO₂ below 88 instead of 90 %")
    (written,) = served.written("patients")
    assert msgspec.convert(written["overrides"]["spo2"], dict[str, float])["low"] == 88
    assert written["overrides"].keys() == {"spo2"}
