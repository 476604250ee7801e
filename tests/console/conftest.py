"""An invented ward for every test, clients that are signed in, and one Chromium for all."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from starlette.testclient import TestClient

from cloud.console.app import create_app
from cloud.console.auth.accounts import Role
from tests.console.stage import PASSWORD, Stage, build, playing, ward

Client = Callable[..., TestClient]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two wards of three; nothing listens, and the state tier is looked at when a test says so."""
    made = build(tmp_path)
    ward(made, "icu", 3)
    ward(made, "med", 3, first=41)
    made.parts.feed.tick()
    yield made
    made.parts.accounts.close()
    made.parts.audit.close()


@pytest.fixture
def client(stage: Stage) -> Client:
    """Makes a client: `client("nurse", icu=Role.NURSE)` is signed in and sends the session's secret along."""

    def make(name: str | None = None, **roles: Role) -> TestClient:
        made = TestClient(create_app(stage.parts), base_url=stage.url, follow_redirects=False)
        if name is not None:
            stage.user(name, {("*" if ward == "everywhere" else ward): role for ward, role in roles.items()})
            answer = made.post("/signin", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303
            made.headers["x-csrf"] = made.get("/api/me").json()["csrf"]
        return made

    return make


def sign_in(context: BrowserContext, address: str = "/") -> Page:
    """A new page on which Bela has signed in."""
    page = context.new_page()
    page.goto(address)
    page.fill("#name", "bela")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    expect(page.locator(".tile[data-patient='p-00001'] .bed")).to_be_visible()
    return page


def open_view(page: Page, name: str) -> None:
    """Opens a view of the head's menu."""
    page.locator("#menu summary").click()
    page.locator("#menu").get_by_role("link", name=name, exact=True).click()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless."""
    path = shutil.which("chromium")
    assert path, "chromium is missing: sudo apt-get install -y chromium"
    # As root, Chromium's sandbox cannot start; what it shows here is our own page alone.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    # Deadlines, not pauses: what comes sooner is seen sooner.
    expect.set_options(timeout=15_000)
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path, args=arguments)
        yield found
        found.close()


@pytest.fixture
def served(stage: Stage) -> Iterator[Stage]:
    """The stage, listening, with the nurse Bela on ward icu."""
    stage.user("bela", {"icu": Role.NURSE})
    with playing(stage):
        yield stage


@pytest.fixture
def context(browser: Browser, served: Stage) -> Iterator[BrowserContext]:
    """A browser's profile of its own; whatever a page's script got wrong fails the test."""
    made = browser.new_context(base_url=served.url, viewport={"width": 1280, "height": 900})
    made.set_default_timeout(20_000)
    wrong: list[str] = []
    made.on("weberror", lambda error: wrong.append(str(error.error)))
    yield made
    made.close()
    assert wrong == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page that shows ward icu to the nurse Bela."""
    return sign_in(context)
