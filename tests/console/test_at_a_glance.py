"""A ward on one screen: all beds without scrolling, trouble large, places that hold still under a finger."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cloud.alarm.query.answers import StandbyNow
from cloud.console.auth.accounts import Role
from tests.console.conftest import sign_in
from tests.console.stage import PASSWORD, Stage, event, ward
from tests.support.waiting import until
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Inactivation, Priority

WALL = {"width": 1920, "height": 1080}
DESK = {"width": 1440, "height": 900}
WHOLE = """() => {
  const last = [...document.querySelectorAll('.tile')].map(node => node.getBoundingClientRect().bottom);
  return [document.documentElement.scrollHeight <= innerHeight, Math.max(...last) <= innerHeight];
}"""
LETTERS = "node => parseFloat(getComputedStyle(node).fontSize)"


def breach(stage: Stage, person: Admission, priority: Priority = Priority.HIGH, **changes: object) -> AlarmEvent:
    """An alarm of SpO2 that opens an incident, with its value."""
    now = stage.now()
    stage.read(person.patient, spo2=82)
    about: dict[str, Any] = {"incident": f"{person.patient}.spo2.{now}", "side": -1, "limit": 85.0, "raised": now}
    return stage.alarm(event(person, "spo2", now, "SpO2 82 % below 85 %", priority=priority, **(about | changes)))


def at(
    context: BrowserContext, stage: Stage, beds: int, size: dict[str, int], name: str = "wall"
) -> tuple[Page, list[Admission]]:
    """A page that shows a ward of so many beds."""
    people = ward(stage, name, beds, first=301)
    stage.user("gerda", {name: Role.NURSE})
    page = context.new_page()
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    page.goto("/")
    page.fill("#name", "gerda")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    expect(page.locator(".tile")).to_have_count(beds)
    return page, people


def becomes_whole(page: Page) -> None:
    """Waits until every bed is on the screen."""
    expect(page.locator(".beds")).to_have_attribute("data-fits", "yes")
    until(lambda: page.evaluate(WHOLE) == [True, True], "all beds are on the screen")


@pytest.mark.parametrize(("beds", "size", "sick"), [(30, WALL, 5), (30, WALL, 30), (12, DESK, 12)])
def test_all_beds_are_on_the_screen_without_scrolling(
    context: BrowserContext, served: Stage, beds: int, size: dict[str, int], sick: int
) -> None:
    page, people = at(context, served, beds, size)
    becomes_whole(page)
    for person in people[:sick]:
        breach(served, person, Priority.HIGH if person is people[0] else Priority.MEDIUM)
    expect(page.locator(".tile.large")).to_have_count(sick)
    expect(page.locator(".tile.line")).to_have_count(beds - sick)
    becomes_whole(page)


def test_what_alarms_is_large_and_calm_beds_are_a_line_of_numbers(context: BrowserContext, served: Stage) -> None:
    page, people = at(context, served, 30, WALL)
    breach(served, people[17])
    tile = page.locator(".tile.large")
    expect(tile).to_have_count(1)
    expect(tile).to_have_attribute("data-patient", people[17].patient)
    # At three metres on a screen of 24 inches a capital letter of 9 mm has some 45 px.
    assert tile.locator(".bed").evaluate(LETTERS) >= 45
    assert tile.locator(".problems b").evaluate(LETTERS) >= 45
    line = page.locator(".tile.line").first
    for sign in ("hr", "spo2", "rr", "bp", "temp"):
        expect(line.locator(f".{sign} .digits")).to_have_text(re.compile(r"\d"))
    assert line.evaluate("node => node.offsetHeight") < 100


def test_bed_order_keeps_each_bed_in_its_place_and_is_remembered(context: BrowserContext, served: Stage) -> None:
    page, people = at(context, served, 12, DESK)
    page.get_by_role("button", name="Worst first: change to bed order").click()
    names = page.locator(".tile .bed")
    wanted = [person.bed for person in people]
    expect(names).to_have_text(wanted)
    breach(served, people[7])
    expect(page.locator(".tile .alarm")).to_have_count(1)
    expect(names).to_have_text(wanted)
    page.reload()
    expect(names).to_have_text(wanted)
    becomes_whole(page)
    page.get_by_role("button", name="In bed order: change to worst first").click()
    expect(page.locator(".tile").first).to_have_attribute("data-patient", people[7].patient)


def test_no_bed_moves_under_a_finger(page: Page, served: Stage) -> None:
    last = page.locator(".tile").last
    breach(served, served.person("p-00001"))
    expect(page.locator(".tile.large")).to_have_count(1)
    button = page.locator(".tile.large").get_by_role("button", name="Acknowledge")
    button.hover()
    served.obey()
    breach(served, served.person("p-00003"), log_t=served.now())
    expect(page.locator(".tile[data-patient='p-00003'] .alarm")).to_be_visible()
    expect(last).to_have_class(re.compile("line"))
    assert page.locator(".tile.large").count() == 1, "it waits until the pointer has rested"
    page.mouse.move(5, 5)
    expect(page.locator(".tile.large")).to_have_count(2)


def test_a_press_just_after_a_bed_has_moved_under_the_pointer_is_nobodys(page: Page, served: Stage) -> None:
    breach(served, served.person("p-00001"))
    page.locator(".tile.large").get_by_role("button", name="Acknowledge").hover()
    page.evaluate("""() => new MutationObserver((_, seen) => {
      seen.disconnect();
      const press = new MouseEvent("click", {detail: 1, bubbles: true, cancelable: true});
      document.querySelector(".tile.large .acknowledge").dispatchEvent(press);
    }).observe(document.querySelector(".tiles"), {childList: true})""")
    breach(served, served.person("p-00003"))
    expect(page.locator("#toast")).to_contain_text("have just moved")
    assert served.written("actions") == []


def test_acknowledged_and_standby_are_lines_that_say_so(page: Page, served: Stage) -> None:
    medium = breach(served, served.person("p-00002"), Priority.MEDIUM)
    expect(page.locator(".tile.large")).to_have_count(1)
    served.change(medium, inactivation=Inactivation.ACKNOWLEDGED, by="bela")
    served.standbys["p-00003"] = StandbyNow("p-00003", served.now() + 600_000, "bela")
    served.read("p-00003", served.now() - 95_000)
    expect(page.locator(".tile.large")).to_have_count(0)
    expect(page.locator(".tile[data-patient='p-00002'] .alarm.cared .what")).to_have_text("!! MEDIUM")
    away = page.locator(".tile[data-patient='p-00003']")
    expect(away.locator(".standby")).to_contain_text(re.compile(r"Standby, 9:\d\d left, by bela"))
    expect(away.locator(".hr .digits")).to_have_css("text-decoration-line", "line-through")
    expect(page.locator("#counts")).to_have_text("no open alarm")


def test_standby_is_set_from_a_tile_in_trouble(page: Page, served: Stage) -> None:
    breach(served, served.person("p-00002"), Priority.MEDIUM)
    page.get_by_role("button", name="Standby of icu-02").click()
    page.get_by_role("dialog").get_by_role("button", name="Set standby").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert [(a["act"], a["bed"]) for a in served.written("actions")] == [("standby", "icu-02")]


def test_a_phone_has_one_line_of_head_and_a_list_worst_first_whose_bed_opens_the_incident(
    browser: Browser, served: Stage
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = sign_in(context, served.url)
    breach(served, served.person("p-00003"))
    first = page.locator(".tile").first
    expect(first).to_have_attribute("data-patient", "p-00003")
    assert page.locator("#head").evaluate("node => node.offsetHeight") <= 56
    expect(first.locator(".problems")).to_have_text("SpO₂ 82 % below 85")
    assert page.evaluate(WHOLE)[1], "three beds need no scrolling"
    first.locator(".open").tap()
    buttons = page.locator("main > .alarms").get_by_role("button")
    expect(buttons).to_have_text(["Coming", "Acknowledge", "Pause audio"])
    for box in (button.bounding_box() for button in buttons.all()):
        assert box is not None
        assert box["height"] >= 48
        assert box["y"] + box["height"] <= 844, "without scrolling"
    context.close()
