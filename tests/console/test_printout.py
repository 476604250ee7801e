"""The printout of a ward: on paper before a downtime, and as a file when the system is down."""

import logging
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from cloud.console.auth.accounts import Role
from cloud.console.pages.printout import Printouts
from tests.console.conftest import Client
from tests.console.stage import Stage, admission, event
from vitals.duty import Assignments, BedDuty


def test_a_printout_has_who_where_values_with_times_alarms_limits_and_who_is_on_duty(
    client: Client, stage: Stage
) -> None:
    person = stage.person("p-00002")
    stage.read("p-00002", spo2=84)
    stage.alarm(event(person, "spo2", stage.now(), "SpO2 84 % below 85 % (extreme)"))
    duty = BedDuty(bed="icu-02", nurse="nurse-icu", start=stage.now() - 1000, end=stage.now() + 3_600_000)
    stage.parts.topics.enter(Assignments(ward="icu", version=1, beds=(duty,)))
    stage.parts.feed.tick()
    answer = client("vera", icu=Role.VIEWER).get("/print/icu")
    assert answer.status_code == 200
    (row,) = re.findall(r"<tr class=\"patient\">\s*<th scope=\"row\">icu-02.*?</tr>", answer.text, re.DOTALL)
    for text in (
        person.name,
        "p-00002",
        "<b>SpO₂</b> 84",
        "!!! SpO2 84 %",
        "SpO₂ from 90",
        "HR 50 to 120",
        "Bela Holt",
    ):
        assert text in row
    assert re.search(r"<b>SpO₂</b> 84\.?0? <small>\d\d:\d\d</small>", row)
    assert "not assigned" in answer.text
    assert "Imani Frost (turn 2)" in answer.text
    assert re.search(r"class=\"at\">.*\d\d:\d\d:\d\d UTC", answer.text)


def test_a_printout_is_for_the_wards_people_and_in_the_audit_log(client: Client, stage: Stage) -> None:
    assert client("vera", icu=Role.VIEWER).get("/print/med").status_code == 403
    assert client().get("/print/icu").status_code == 401
    client("ruth", med=Role.NURSE).get("/print/med")
    assert [(e.who, e.ward) for e in stage.parts.audit.read() if e.what == "view-printout"] == [("ruth", "med")]


def test_a_name_is_text_on_paper_too(client: Client, stage: Stage) -> None:
    stage.admit(admission(3, "icu", stage.now(), name="<script>alert(1)</script>", version=stage.now()))
    text = client("vera", icu=Role.VIEWER).get("/print/icu").text
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_files_lie_ready_for_each_ward_and_open_without_the_system(stage: Stage, tmp_path: Path, page: Page) -> None:
    folder = tmp_path / "printouts"
    (tmp_path / "printouts").mkdir()
    (folder / "ward-gone.html").write_text("former")
    Printouts(stage.parts, folder, 600).write()
    assert sorted(path.name for path in folder.iterdir()) == ["ward-icu.html", "ward-med.html"]
    assert (folder / "ward-icu.html").stat().st_mode & 0o777 == 0o600
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((folder / "ward-icu.html").as_uri())
    expect(page.locator("tr.patient")).to_have_count(3)
    expect(page.locator("h1")).to_have_text("Ward ICU")
    assert page.locator("table").evaluate("node => getComputedStyle(node).borderCollapse") == "collapse"
    assert [url for url in asked if not url.startswith("file:")] == []


def test_while_the_alarm_service_is_down_or_nothing_is_known_the_last_good_file_stays(
    stage: Stage, tmp_path: Path
) -> None:
    printouts = Printouts(stage.parts, tmp_path / "printouts", 600)
    printouts.write()
    file = tmp_path / "printouts" / "ward-icu.html"
    before = file.read_text()
    stage.state.down = "nobody answers"
    stage.ahead_ms = 3_600_000
    stage.parts.feed.tick()
    printouts.write()
    assert file.read_text() == before
    stage.state.down = None
    stage.parts.feed.tick()
    for one in stage.parts.topics.present():
        stage.parts.topics._leave(one)
    printouts.write()
    assert file.read_text() == before


def test_a_folder_that_takes_nothing_is_logged_once_and_the_page_goes_on(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "printouts"
    blocked.write_text("a file where the folder should be")
    printouts = Printouts(stage.parts, blocked, 600)
    with caplog.at_level(logging.WARNING, logger="console"):
        printouts.write()
        printouts.write()
        blocked.unlink()
        printouts.write()
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(" to ")[0] for text in told] == ["printouts cannot be written", "printouts are written again"]
    assert (blocked / "ward-icu.html").exists()


def test_what_is_printed_has_date_and_time(page: Page, served: Stage) -> None:
    page.emulate_media(media="print")
    line = page.locator(".printed")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(line).to_be_visible()
    expect(line).to_have_text(re.compile(r"^Wardwatch · ward ICU · printed \d\d \w+ \d{4}, \d\d:\d\d:\d\d"))
