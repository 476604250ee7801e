"""Observations that are due, and charting in two taps."""

import re

import pytest
from playwright.sync_api import Page, expect

from cloud.alarm.query.answers import News2Now, PatientNow
from cloud.console.auth.accounts import Role
from cloud.console.live.observations import observations
from tests.console.conftest import Client, open_view
from tests.console.stage import HOUR, Stage, admission
from vitals.actions import Act, Action

NOW = 1_800_000_000_000
MINUTE = 60_000


def scored(
    patient: str, total: int, parts: dict[str, int], *, age_min: int | None, missing: tuple[str, ...] = ()
) -> PatientNow:
    ages = {"consciousness": None if age_min is None else age_min * 60}
    return PatientNow(patient, "icu", NOW, {}, News2Now(total, "any", parts, ages, missing, bool(missing)), False, "A")


# RCP, National Early Warning Score (NEWS) 2, 2017, chart 4: minimum 12 hourly; minimum 4-6 hourly; minimum 1 hourly for
# 3 in a single parameter and for 5 or more; continuous monitoring for 7 or more.
@pytest.mark.parametrize(
    ("total", "parts", "hours", "continuous"),
    [
        (0, {}, 12, False), (1, {"rr": 1}, 4, False), (4, {"rr": 2, "spo2": 2}, 4, False),
        (3, {"rr": 3}, 1, False), (5, {"rr": 2, "spo2": 2, "temp": 1}, 1, False), (6, {"rr": 3, "spo2": 3}, 1, False),
        (7, {"rr": 3, "spo2": 3, "temp": 1}, 1, True),
    ],
)  # fmt: skip
def test_the_next_observation_is_due_by_the_frequency_of_the_score(
    total: int, parts: dict[str, int], hours: int, continuous: bool
) -> None:
    person = admission(1, "icu", NOW)
    (row,) = observations([person], {person.patient: scored(person.patient, total, parts, age_min=90)}, (), NOW)
    assert (row.every_h, row.continuous) == (hours, continuous)
    assert row.due == NOW - 90 * MINUTE + hours * HOUR


def test_a_score_of_zero_with_a_missing_input_is_no_reason_to_wait_twelve_hours() -> None:
    person = admission(1, "icu", NOW)
    seen = scored(person.patient, 0, {}, age_min=0, missing=("temp", "consciousness"))
    (row,) = observations([person], {person.patient: seen}, (), NOW)
    assert (row.every_h, row.measure, row.incomplete) == (4, ("temp",), True)


def test_who_was_never_observed_is_due_since_the_admission_and_comes_before_who_is_due_later() -> None:
    new, calm, late = (admission(n, "icu", NOW) for n in (1, 2, 3))
    patients = {
        new.patient: scored(new.patient, 0, {}, age_min=None),
        calm.patient: scored(calm.patient, 0, {}, age_min=5),
        late.patient: scored(late.patient, 6, {"rr": 3, "spo2": 3}, age_min=61),
    }
    rows = observations([calm, late, new], patients, (), NOW)
    assert [row.patient for row in rows] == [new.patient, late.patient, calm.patient]
    assert rows[0].due == new.since


def test_who_has_no_reading_yet_is_due_and_a_child_has_no_frequency_of_news2() -> None:
    new, child = admission(1, "icu", NOW), admission(2, "icu", NOW, profile="toddler")
    rows = observations([child, new], {}, (), NOW)
    assert [(row.patient, row.due) for row in rows] == [(new.patient, new.since), (child.patient, None)]


def test_a_charting_counts_before_the_engine_has_applied_it_and_not_one_of_an_earlier_stay() -> None:
    person = admission(1, "icu", NOW, since=NOW - HOUR)
    seen = {person.patient: scored(person.patient, 0, {}, age_min=None)}

    def charted(t: int) -> Action:
        return Action(id=str(t), act=Act.CHART, patient=person.patient, t=t, by="bela", consciousness="V")

    (row,) = observations([person], seen, [charted(NOW - 2 * HOUR), charted(NOW - 1)], NOW)
    assert (row.charted, row.consciousness) == (NOW - 1, "V")
    (row,) = observations([person], seen, [charted(NOW - 2 * HOUR)], NOW)
    assert row.charted is None


def test_a_wards_observations_are_for_its_people_and_in_the_audit_log(client: Client, stage: Stage) -> None:
    vera = client("vera", icu=Role.VIEWER)
    found = vera.get("/api/wards/icu/observations").json()
    assert {row["bed"] for row in found["rows"]} == {"icu-01", "icu-02", "icu-03"}
    assert found["down"] is None
    assert vera.get("/api/wards/med/observations").status_code == 403
    assert client().get("/api/wards/icu/observations").status_code == 401
    assert "view-observations" in {e.what for e in stage.parts.audit.read() if e.who == "vera"}


def test_a_nurse_charts_in_two_taps_and_the_row_says_so(page: Page, served: Stage) -> None:
    open_view(page, "Observations")
    row = page.locator(".row-card", has_text="icu-02")
    row.get_by_role("button", name="C: new confusion").click()
    row.get_by_role("button", name=re.compile("^Chart new confusion, on air")).click()
    expect(page.locator("#toast")).to_contain_text("Charted: icu-02")
    expect(row).to_contain_text("C charted just now")
    (written,) = served.written("actions")
    assert (written["patient"], written["consciousness"], written["oxygen"]) == ("p-00002", "C", False)


def test_the_order_of_the_round_holds_while_a_choice_is_open(page: Page, served: Stage) -> None:
    served.read("p-00003", rr=34, spo2=82)
    served.parts.feed.tick()
    open_view(page, "Observations")
    beds = page.locator(".row-card .bed")
    expect(beds.first).to_have_text("icu-03")
    before = beds.all_inner_texts()
    page.locator(".row-card").last.get_by_role("button", name="A: alert").click()
    first = page.locator(".row-card").first
    first.get_by_role("button", name="A: alert").click()
    first.get_by_role("button", name=re.compile("^Chart alert")).click()
    expect(first).to_contain_text("due in")
    assert beds.all_inner_texts() == before
    expect(page.locator(".row-card").last.get_by_role("button", name=re.compile("^Chart alert"))).to_be_enabled()


def test_the_wards_own_view_asks_for_what_is_due(page: Page, served: Stage) -> None:
    served.read("p-00003", rr=34, spo2=82)
    served.parts.feed.tick()
    page.reload()
    page.get_by_role("link", name="1 observation due").click()
    expect(page.locator(".row-card").first).to_contain_text("icu-03")
    expect(page.locator(".row-card").first).to_contain_text("due since")


def test_the_number_of_due_observations_is_for_the_wards_people(client: Client, stage: Stage) -> None:
    vera = client("vera", icu=Role.VIEWER)
    assert vera.get("/api/wards/icu/observations/due").json() == {"due": 0, "down": None}
    assert vera.get("/api/wards/med/observations/due").status_code == 403
