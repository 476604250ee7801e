"""The audit log in sentences, filtered and exported."""

import ast
import csv
import re
from pathlib import Path

from playwright.sync_api import Browser, expect

import cloud.console
from cloud.console.auth.accounts import Role
from cloud.console.auth.audit_log import Entry, Wanted, detail
from cloud.console.auth.audit_sentences import SENTENCES, sentence
from tests.console.conftest import Client, open_view, sign_in
from tests.console.stage import Stage
from vitals.actions import Act

NOW = 1_800_000_000_000


def kinds() -> set[str]:
    """Every kind of line that the console's source writes as a constant, and those of actions."""
    found = {act.value for act in Act}
    for file in Path(next(iter(cloud.console.__path__))).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = {"audit": 2, "change": 3, "Entry": 3}.get(name)
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                found.add(str(ast.literal_eval(node.args[place])))
    return found


def test_each_kind_of_line_has_a_sentence() -> None:
    written = kinds()
    assert {"view-ward", "change-limits", "refused-forged", "identify"} <= written
    assert written - SENTENCES.keys() == set()


def test_a_line_is_a_sentence_with_its_facts_and_an_unknown_kind_keeps_them() -> None:
    changes = {"profile": "copd", "scale2": "True", "version": "7"}
    line = Entry(NOW, "bela", "::1", "change-limits", "icu", "p-1", detail(changes=changes))
    assert sentence(line) == "changed the limits of p-1: profile copd, scale2 True"
    beds = Entry(NOW, "bela", "::1", "assign-beds", "icu", None, detail(beds=["icu-01", "icu-02"], nurse=None))
    assert sentence(beds) == "assigned beds icu-01, icu-02 to -"
    strange = Entry(NOW, "bela", "::1", "polish-floor", "icu", None, detail(room=3))
    assert sentence(strange) == "polish floor: room 3"


def test_lines_are_filtered_by_person_ward_patient_and_time(client: Client, stage: Stage) -> None:
    for t, who, ward, patient in ((1, "ada", "icu", "p-1"), (2, "bo", "icu", "p-1"), (3, "ada", "med", "p-2")):
        stage.parts.audit.add(Entry(NOW + t, who, "::1", "view-patient", ward, patient))
    ines = client("ines", everywhere=Role.ADMIN)

    def found(query: str) -> list[int]:
        lines = ines.get(f"/api/audit?{query}").json()
        return [line["t"] - NOW for line in lines if line["what"] == "view-patient"]

    assert found("user=ada") == [3, 1]
    assert found("ward=icu") == [2, 1]
    assert found("patient=p-2") == [3]
    assert found(f"user=ada&since={NOW + 2}") == [3]
    assert found(f"user=ada&before={NOW + 3}") == [1]
    assert found("user=nobody") == []


def test_the_export_has_the_same_lines_and_no_cell_that_is_a_formula(client: Client, stage: Stage) -> None:
    stage.parts.audit.add(Entry(NOW, '=HYPERLINK("x")', "::1", "sign-in-refused"))
    answer = client("ines", everywhere=Role.ADMIN).get(f"/api/audit.csv?since={NOW}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    (row,) = [row for row in csv.DictReader(answer.text.splitlines()) if row["kind"] == "sign-in-refused"]
    assert (row["time"], row["who"], row["did"]) == (
        "2027-01-15T08:00:00.000+00:00", '\'=HYPERLINK("x")', "failed to sign in",
    )  # fmt: skip


def test_log_and_export_are_for_admins_of_all_wards_and_are_themselves_in_the_log(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.ADMIN)
    assert [bela.get(f"/api/audit{kind}").status_code for kind in ("", ".csv")] == [403, 403]
    client("ines", everywhere=Role.ADMIN).get("/api/audit.csv?patient=p-00001")
    newest = stage.parts.audit.read(Wanted(who="ines"))[0]
    assert (newest.what, newest.patient, "export" in newest.detail) == ("view-audit", "p-00001", True)


def test_an_admin_reads_the_log_in_words_and_filters_it(browser: Browser, served: Stage) -> None:
    served.user("bela", {"*": Role.ADMIN})
    served.parts.audit.add(Entry(served.now(), "vera", "::1", "discharge", "icu", "p-00002"))
    context = browser.new_context(base_url=served.url)
    page = sign_in(context)
    open_view(page, "Audit log")
    expect(page.locator("tbody tr").filter(has_text="bela").first).to_contain_text("looked at")
    page.get_by_label("Person").fill("vera")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("discharged p-00002")
    expect(page.get_by_role("link", name="Export")).to_have_attribute("href", re.compile("user=vera"))
    context.close()
