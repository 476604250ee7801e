"""Every view of a ward's work: axe by WCAG 2.2 AA, three sizes without a sideways scroll, keyboard, forced colours."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cloud.console.auth.accounts import Role
from tests.console.conftest import sign_in
from tests.console.stage import Stage
from tests.console.test_advice_view import HIDES, SPARES, Told
from tests.console.test_system_view import with_system

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES = ((1920, 1080), (1440, 900), (390, 844))
VIEWS = {
    "#/round/icu": ".row-card", "#/admit/icu": "form", "#/roster/icu": "textarea", "#/beds/icu": "[data-bed]",
    "#/contacts": "tbody tr", "#/advice/p-00002": "tbody tr", "#/audit": "tbody tr", "#/system": "tbody tr",
    "#/print/icu": ".primary", "print/icu": "tr.patient",
}  # fmt: skip


@pytest.fixture
def office(browser: Browser, served: Stage) -> Iterator[BrowserContext]:
    """A browser in which Bela, an admin of all wards, is signed in."""
    with_system(served)
    served.parts.advisor = Told(SPARES, HIDES)
    served.user("bela", {"*": Role.ADMIN})
    made = browser.new_context(base_url=served.url, viewport={"width": 1440, "height": 900})
    yield made
    made.close()


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"runOnly": RULES, "resultTypes": ["violations"]}).response["violations"]
    return [f"{each['id']}: {node['target']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def test_axe_finds_nothing_on_any_view_and_none_is_wider_than_its_screen(office: BrowserContext) -> None:
    page = sign_in(office)
    found: dict[str, list[str]] = {}
    for address, there in VIEWS.items():
        page.goto(f"/{address}")
        page.locator(f"main {there}").first.wait_for()
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.setdefault(address, []).append(f"wider than {width}")
        found[address] = [*found.get(address, []), *violations(page)]
    assert {address: wrong for address, wrong in found.items() if wrong} == {}


def test_a_round_is_charted_by_keyboard_alone_and_the_choice_shows_in_forced_colours(
    office: BrowserContext, served: Stage
) -> None:
    page = sign_in(office)
    page.emulate_media(forced_colors="active")
    page.goto("/#/round/icu")
    letter = page.get_by_role("button", name="V: voice").first
    before = letter.evaluate("node => getComputedStyle(node).backgroundColor")
    letter.focus()
    page.keyboard.press("Enter")
    expect(letter).to_have_attribute("aria-pressed", "true")
    assert letter.evaluate("node => getComputedStyle(node).backgroundColor") != before
    page.get_by_role("button", name="Chart voice").press("Enter")
    expect(page.locator("#toast")).to_contain_text("Charted")
    assert [a["consciousness"] for a in served.written("actions")] == ["V"]
