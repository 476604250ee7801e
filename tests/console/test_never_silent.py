"""A page that does not work says so: streams, broken modules, sleep, clocks, versions, locales."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from cloud.console.live import feed
from cloud.console.static import SHELL, VERSION, version_of
from infra.demo.fault_proxy import Relay
from tests.console.conftest import sign_in
from tests.console.stage import Stage, event
from tests.support.waiting import until

FIRST = ".tile[data-patient='p-00001']"
SECOND = ".tile[data-patient='p-00002']"


def desaturate(stage: Stage) -> str:
    stage.read("p-00002", spo2=84)
    return stage.alarm(event(stage.person("p-00002"), "spo2", stage.now(), "SpO2 84 % below 85 % (extreme)")).id


def breaks(content: str) -> Callable[[Route], None]:
    return lambda route: route.fulfill(content_type="text/javascript", body=content)


def test_six_pages_of_one_browser_share_one_stream_and_each_can_acknowledge(
    context: BrowserContext, served: Stage
) -> None:
    pages = [sign_in(context)]
    for _ in range(5):
        pages.append(context.new_page())
        pages[-1].goto("/")
        expect(pages[-1].locator(FIRST)).to_be_visible()
    assert served.parts.feed.viewers() == 1
    desaturate(served)
    for page in pages:
        expect(page.locator(f"{SECOND} .alarm")).to_be_visible()
    begun = time.monotonic()
    pages[0].locator(SECOND).get_by_role("button", name="Acknowledge").click()
    expect(pages[0].locator("#toast")).to_contain_text("Acknowledged")
    # The goal of a second is a row of the bench; without connections left it takes until a page is closed.
    assert time.monotonic() - begun < 5
    for page in pages[1:]:
        page.close()
    served.obey()
    expect(pages[0].locator(f"{SECOND} .alarm")).to_contain_text("acknowledged by bela")
    pages[0].goto("/static/offline.html")
    until(lambda: served.parts.feed.viewers() == 0, "the last page's stream is closed")


def test_without_a_shared_worker_a_page_has_a_stream_of_its_own(context: BrowserContext, served: Stage) -> None:
    context.add_init_script("delete window.SharedWorker")
    page = sign_in(context)
    desaturate(served)
    expect(page.locator(f"{SECOND} .alarm")).to_be_visible()
    expect(page.locator("#link")).to_have_text("live")


@pytest.mark.long
def test_two_sessions_of_one_browser_share_no_stream(browser: Browser, context: BrowserContext, served: Stage) -> None:
    names = []
    for made in (context, browser.new_context(base_url=served.url)):
        made.add_init_script(
            "const Known = SharedWorker; window.SharedWorker = class extends Known"
            " { constructor(url, given) { super(url, given); window.sharedName = given.name; } }"
        )
        names.append(sign_in(made).evaluate("window.sharedName"))
        if made is not context:
            made.close()
    assert names[0] != names[1]


@pytest.mark.parametrize(
    ("module", "content"),
    [
        ("app.js", "throw new Error('broken')"),
        ("dom.js", "export const nothing = 1"),
        ("words.js", "export const PRIORITY = {"),
    ],
)
def test_a_page_whose_module_is_broken_says_so_within_five_seconds(
    browser: Browser, served: Stage, module: str, content: str
) -> None:
    context = browser.new_context(base_url=served.url)
    page = sign_in(context)
    context.route(f"**/{module}", breaks(content))
    page.reload()
    begun = time.monotonic()
    expect(page.locator("#dead")).to_contain_text("This page did not start. Watch the patients at the bedside.")
    assert time.monotonic() - begun < 5
    context.unroute(f"**/{module}")
    page.get_by_role("link", name="Load it again").click()
    expect(page.locator(FIRST)).to_be_visible()
    expect(page.locator("#dead")).to_be_hidden()
    context.close()


@pytest.mark.long
def test_a_page_whose_module_never_comes_says_so_within_five_seconds(context: BrowserContext, served: Stage) -> None:
    page = sign_in(context)
    held: list[Route] = []
    context.route("**/tile.js", lambda route: held.append(route))  # noqa: PLW0108 - Playwright marks the function
    page.reload(wait_until="commit")
    expect(page.locator("#dead")).to_contain_text("Watch the patients at the bedside.")
    held[0].continue_()
    expect(page.locator("#dead")).to_be_hidden()
    expect(page.locator(FIRST)).to_be_visible()
    context.unroute("**/tile.js")


@pytest.mark.long
def test_a_page_that_no_longer_draws_says_so_within_five_seconds(context: BrowserContext, served: Stage) -> None:
    page = sign_in(context)
    page.evaluate("window.requestAnimationFrame = () => 1")
    expect(page.locator("#dead")).to_contain_text("This page has stopped. Watch the patients at the bedside.")


def test_a_bed_that_cannot_be_drawn_stops_no_other(page: Page, served: Stage) -> None:
    page.evaluate("""() => {
      const own = Number.prototype.toFixed;
      Number.prototype.toFixed = function (n) {
        if (+this === 61) throw new Error("broken");
        return own.call(this, n);
      };
    }""")
    served.read("p-00001", hr=61)
    expect(page.locator(f"{FIRST} .age")).to_have_text("Cannot be shown: look at the patient")
    expect(page.locator(FIRST)).to_have_class(re.compile("stale"))
    desaturate(served)
    expect(page.locator(f"{SECOND} .alarm")).to_be_visible()


@pytest.mark.long
def test_curves_that_do_not_load_cost_the_curves_alone(context: BrowserContext, served: Stage) -> None:
    context.route("**/vendor/uplot.js", breaks("throw new Error('truncated')"))
    page = sign_in(context)
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".trends .problem")).to_contain_text("The curves cannot be drawn")
    expect(page.locator(".values .one")).not_to_have_count(0)
    desaturate(served)
    page.get_by_role("link", name="← Ward").click()
    expect(page.locator(f"{SECOND} .alarm")).to_be_visible()


def test_a_view_that_does_not_load_says_so_and_the_head_goes_on(context: BrowserContext, served: Stage) -> None:
    context.route("**/rota.js", lambda route: route.abort())
    page = sign_in(context)
    page.goto(f"{served.url}/#/rota/icu")
    expect(page.locator("main .problem")).to_contain_text("This view did not load")
    desaturate(served)
    expect(page.locator("#counts")).to_contain_text("1 high")


def test_a_kiosk_without_a_locale_has_ward_and_curves(context: BrowserContext, served: Stage) -> None:
    context.add_init_script("Object.defineProperty(navigator, 'language', {value: 'C', configurable: true})")
    page = sign_in(context)
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".trend canvas")).to_have_count(5)


@pytest.mark.parametrize("hours", [pytest.param(-9, marks=pytest.mark.long), 9])
def test_a_wrong_clock_of_the_phone_changes_no_age(context: BrowserContext, served: Stage, hours: int) -> None:
    context.add_init_script(f"Date.now = ((own) => () => own() + {hours * 3_600_000})(Date.now)")
    page = sign_in(context)
    served.alarm(event(served.person("p-00002"), "spo2", served.now() - 120_000, "SpO2 84 %"))
    expect(page.locator(f"{SECOND} .state")).to_contain_text(", 2 min")
    expect(page.locator(FIRST)).not_to_have_class(re.compile("stale"))
    served.read("p-00001", served.now() - 95_000)
    expect(page.locator(f"{FIRST} .age")).to_have_text(re.compile(r"No data for \d+ (s|min)"))


def test_after_a_sleep_the_page_is_not_live_until_it_has_heard(context: BrowserContext, served: Stage) -> None:
    with Relay(served.port) as cable:
        page = sign_in(context, f"http://127.0.0.1:{cable.port}/")
        cable.pull()
        # In a sleep the steady clock stands; the wall's has gone on.
        page.evaluate("Date.now = ((own) => () => own() + 600000)(Date.now)")
        expect(page.locator("#link")).to_have_text("lost", timeout=2000)
        expect(page.locator("#lost")).to_contain_text("10 min old")
        cable.plug()
        expect(page.locator("#link")).to_have_text("live")


def test_a_page_of_an_older_version_loads_itself_anew_once(
    context: BrowserContext, served: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = sign_in(context)
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    with page.expect_event("load"):
        monkeypatch.setattr(feed, "VERSION", "0123456789ab")
    expect(page.locator(FIRST)).to_be_visible()
    served.read("p-00001", hr=71)
    expect(page.locator(f"{FIRST} .hr .digits")).to_have_text("71")
    assert len(loads) == 1


@pytest.mark.long
def test_an_old_service_worker_does_not_mix_two_versions(context: BrowserContext, served: Stage) -> None:
    old = """self.addEventListener('install', e => e.waitUntil(caches.open('wardwatch-1').then(c =>
        c.put('/static/app.js', new Response('throw 1', {headers: {'content-type': 'text/javascript'}})))
        .then(() => self.skipWaiting())));
      self.addEventListener('activate', e => e.waitUntil(self.clients.claim()));
      self.addEventListener('fetch', e => { if (new URL(e.request.url).pathname.startsWith('/static/'))
        e.respondWith(caches.match(e.request, {ignoreSearch: true}).then(kept => kept ?? fetch(e.request))); });"""
    context.route("**/sw.js", breaks(old))
    page = sign_in(context)
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()
    expect(page.locator(FIRST)).to_be_visible()
    context.unroute("**/sw.js")
    page.evaluate("navigator.serviceWorker.getRegistration().then(r => r.update())")
    until(lambda: page.evaluate("caches.keys()") == ["wardwatch-2"], "the new worker has cleared the old one's files")
    page.reload()
    expect(page.locator(FIRST)).to_be_visible()


def test_every_module_is_served_under_the_version_of_all(context: BrowserContext, served: Stage) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url.removeprefix(served.url)))
    sign_in(context)
    modules = [path for path in asked if path.endswith(".js") and path != "/sw.js"]
    assert modules
    assert [path for path in modules if not path.startswith(f"/static/{VERSION}/")] == []
    # What the ward needs is asked for at once, not module by module.
    own = [path for path in modules if "worker" not in path]
    assert [path for path in own if f'href="{path}"' not in SHELL and f'src="{path}"' not in SHELL] == []


def test_the_version_changes_with_any_file_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    first = version_of(tmp_path)
    (tmp_path / "a.js").write_text("2")
    second = version_of(tmp_path)
    (tmp_path / "a.js").rename(tmp_path / "b.js")
    assert len({first, second, version_of(tmp_path)}) == 3


@pytest.mark.long
def test_a_start_without_an_answer_is_tried_again_by_itself(context: BrowserContext, served: Stage) -> None:
    page = sign_in(context)
    context.route("**/api/me", lambda route: route.abort())
    page.reload()
    expect(page.locator("main .problem")).to_contain_text("Watch the patients at the bedside")
    context.unroute("**/api/me")
    expect(page.locator(FIRST)).to_be_visible()
