"""The ward page for everybody: axe on every view, forced colours, a screen reader, the keyboard."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cloud.alarm.query.answers import StandbyNow
from cloud.console.auth.accounts import Role
from tests.console.conftest import open_view, sign_in
from tests.console.stage import Stage, event
from vitals.alarm_events import Inactivation, Kind, Phase, Priority

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
SHAPE = """node => [getComputedStyle(node).backgroundColor, getComputedStyle(node).clipPath,
                    getComputedStyle(document.body).backgroundColor]"""


def violations(page: Page) -> list[str]:
    """Violations of WCAG 2.2 A and AA that axe finds, whatever their impact."""
    found = Axe().run(page, options=RULES).response
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]


def busy(stage: Stage) -> None:
    """One bed of each form and state: high incident of two, acknowledged medium, low, stale and on standby."""
    now = stage.now()
    about: dict[str, Any] = {"incident": f"p-00002.spo2.{now}", "raised": now}
    person = stage.person("p-00002")
    stage.read("p-00002", spo2=82, hr=131)
    stage.alarm(event(person, "spo2", now, "SpO2 82 % below 85 %", side=-1, limit=85.0, **about))
    stage.alarm(event(person, "hr", now, "heart rate 131", side=1, limit=120.0, priority=Priority.MEDIUM, **about))
    first = stage.person("p-00001")
    stage.alarm(
        event(first, "hr", now, "heart rate 124", priority=Priority.MEDIUM, inactivation=Inactivation.ACKNOWLEDGED)
    )
    stage.alarm(event(first, "sensor-off", now, "sensor off", priority=Priority.LOW, kind=Kind.TECHNICAL))
    stage.standbys["p-00003"] = StandbyNow("p-00003", now + 600_000, "bela")
    stage.read("p-00003", now - 95_000)


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("dark", 1440),
        ("light", 390),
        pytest.param("light", 1440, marks=pytest.mark.long),
        pytest.param("dark", 390, marks=pytest.mark.long),
    ],
)
def test_axe_finds_no_violation_on_any_view(browser: Browser, served: Stage, scheme: str, width: int) -> None:
    served.user("bela", {"*": Role.ADMIN})
    light = scheme == "light"
    context = browser.new_context(
        base_url=served.url, viewport={"width": width, "height": 900}, color_scheme="light" if light else "dark"
    )
    page = sign_in(context)
    busy(served)
    expect(page.locator(".tile.stale")).to_be_visible()
    expect(page.locator(".alarm.cared")).to_be_visible()
    found = {"ward": violations(page)}
    page.get_by_role("button", name="Worst first").click()
    expect(page.locator(".tile .bed").first).to_have_text("icu-01")
    found["bed order"] = violations(page)
    page.locator("#menu summary").click()
    found["menu"] = violations(page)
    page.keyboard.press("Escape")
    page.goto(f"{served.url}/#/patient/p-00002")
    expect(page.locator(".trend canvas")).to_have_count(5)
    page.get_by_text("Each alarm by itself").click()
    found["patient"] = violations(page)
    for view in ("Rota", "Users"):
        open_view(page, view)
        expect(page.locator("main table").first).to_be_visible()
        found[view] = violations(page)
    served.state.down = "nobody answers"
    expect(page.locator("#lost")).to_be_visible()
    found["down"] = violations(page)
    context.close()
    assert {view: wrong for view, wrong in found.items() if wrong} == {}


def test_forced_colours_keep_shapes_and_the_state_of_the_link(browser: Browser, served: Stage) -> None:
    context = browser.new_context(base_url=served.url, forced_colors="active")
    page = sign_in(context)
    busy(served)
    mark = page.locator(".tile[data-patient='p-00002'] .mark")
    expect(mark).to_be_visible()
    ink, shape, ground = mark.evaluate(SHAPE)
    assert ink != ground
    assert shape.startswith("polygon")
    dot = "getComputedStyle(document.getElementById('link'), '::before').backgroundColor"
    assert page.evaluate(dot) != ground
    context.close()


def test_a_screen_reader_hears_a_new_high_incident_once(page: Page, served: Stage) -> None:
    page.evaluate("""() => {
      window.heard = [];
      const hear = (all) => heard.push(...all.flatMap((one) => [...one.addedNodes].map((node) => node.textContent)));
      new MutationObserver(hear).observe(document.getElementById("told"), {childList: true});
    }""")
    busy(served)
    expect(page.locator("#told")).to_contain_text("HIGH priority, bed icu-02: SpO₂ low, HR high")
    alarm = next(a for a in served.alarms.values() if a.condition == "spo2")
    served.change(alarm, value=80.0)
    served.read("p-00002", spo2=79)
    expect(page.locator(".tile[data-patient='p-00002'] .problems")).to_contain_text("79")
    served.change(alarm, n=2, phase=Phase.CONTINUE, handover=1)
    expect(page.locator(".tile[data-patient='p-00002'] .state")).to_contain_text("handed over")
    heard = page.evaluate("heard")
    assert [line for line in heard if "icu-02" in line] == ["HIGH priority, bed icu-02: SpO₂ low, HR high"]
    # Nothing that counts seconds may be read aloud each second.
    assert page.locator("main [role=status], main [aria-live]").count() == 0


def test_menu_order_and_strip_are_reached_by_keyboard(page: Page, served: Stage) -> None:
    busy(served)
    expect(page.locator(".tile.large")).to_be_visible()
    page.locator("#menu summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#menu a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#menu summary")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".order")).to_be_focused()
    for name in ("Admit a patient", None, "Coming", "Acknowledge"):
        page.keyboard.press("Tab")
        if name:
            expect(page.locator(":focus")).to_have_text(name)
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Acknowledged: icu-02")
