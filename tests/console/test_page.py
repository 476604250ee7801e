"""The page in a real browser: what a nurse sees, presses, and cannot overlook."""

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from cloud.alarm.query.answers import StandbyNow
from cloud.console.api import ward_stream
from cloud.console.auth.accounts import Role
from infra.demo.fault_proxy import Relay
from tests.console.conftest import open_view, sign_in
from tests.console.stage import PASSWORD, Stage, admission, event, seen, ward
from tests.support.waiting import until
from vitals.admissions import Admission
from vitals.alarm_events import AlarmState, Inactivation, Kind, Phase, Priority
from vitals.contact_standing import ContactStanding, Standing, addresses
from vitals.contacts import Channel, Detail

FIRST = ".tile[data-patient='p-00001']"
STALE = re.compile(r"\bstale\b")
SECOND = ".tile[data-patient='p-00002']"


def desaturate(stage: Stage, patient: str = "p-00002") -> str:
    """SpO2 of 84 %, and its alarm; returns the alarm's id."""
    stage.read(patient, spo2=84)
    return stage.alarm(event(stage.person(patient), "spo2", stage.now(), "SpO2 84 % below 85 % (extreme)")).id


def sign_in_as(page: Page, name: str) -> None:
    """Fills the door's form."""
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button.primary")


def choose(page: Page, password: str, again: str) -> None:
    """Fills the form of a one-time link."""
    page.fill("#password", password)
    page.fill("#again", again)
    page.click("button.primary")


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response
    grave = [v for v in found["violations"] if v["impact"] in {"serious", "critical"}]
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in grave for n in v["nodes"]]


@contextmanager
def restless(stage: Stage, people: list[Admission]) -> Iterator[None]:
    """Every value of these patients changes ten times a second, until left."""
    stop = threading.Event()

    def change() -> None:
        beats = itertools.count()
        while not stop.wait(0.1):
            now, beat = stage.now(), next(beats)
            for place, one in enumerate(people):
                noise = (beat + place) % 4
                values = {"hr": 70 + noise, "spo2": 96 + noise / 2, "rr": 14 + noise, "temp": 37, "sbp": 120 + noise}
                stage.patients[one.patient] = seen(one, values, now)
            stage.show()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_nurse_signs_in_and_sees_the_ward(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("Ward ICU")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator("#menu .of-wards a[aria-current]")).to_have_text("ICU")
    expect(page.locator("#link")).to_have_text("live")
    expect(page.locator("#foot")).to_contain_text("does not replace the bedside monitor")


def test_a_wrong_password_stays_at_the_door(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/")
    page.fill("#name", "bela")
    page.fill("#password", "not this one")
    page.click("button.primary")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")


def test_an_alarm_appears_first_with_colour_shape_and_words_and_is_acknowledged(page: Page, served: Stage) -> None:
    alarm = desaturate(served)
    tile = page.locator(SECOND)
    strip = tile.locator(".alarm")
    expect(strip).to_contain_text("!!! HIGH")
    expect(strip).to_contain_text("SpO2 84 % below 85 % (extreme)")
    expect(strip).to_have_css("background-color", "rgb(200, 16, 46)")
    expect(strip.locator(".mark")).to_have_css("clip-path", re.compile("polygon"))
    expect(page.locator(".tile").first).to_have_attribute("data-patient", "p-00002")
    expect(tile.locator(".value.far")).to_contain_text("84")
    expect(page.locator("#told")).to_contain_text("HIGH priority, bed icu-02")
    expect(page).to_have_title(re.compile("!!! 1 high"))
    tile.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#toast")).to_contain_text("Acknowledged")
    assert [(a["act"], a["by"], a["alarm"]) for a in served.written("actions")] == [("acknowledge", "bela", alarm)]
    served.obey()
    expect(strip).to_contain_text("acknowledged by bela")
    expect(tile.get_by_role("button", name="Acknowledge")).to_be_hidden()


def test_where_beds_change_faster_than_they_are_drawn_all_are_shown_and_who_alarms_comes_first(
    context: BrowserContext, served: Stage
) -> None:
    people = ward(served, "big", 150, first=201)
    served.user("gerda", {"big": Role.NURSE})
    page = context.new_page()
    with restless(served, people):
        page.goto("/")
        sign_in_as(page, "gerda")
        expect(page.locator(".tile")).to_have_count(150, timeout=30_000)
        last = people[-1]
        served.alarm(event(last, "spo2", served.now(), "SpO2 84 % below 85 % (extreme)"))
        expect(page.locator(".tile").first).to_have_attribute("data-patient", last.patient)
        expect(page.locator(".tile .alarm")).to_have_count(1)


@pytest.mark.parametrize(
    ("priority", "word", "colour"),
    [
        (Priority.HIGH, "!!! HIGH", "rgb(200, 16, 46)"),
        (Priority.MEDIUM, "!! MEDIUM", "rgb(255, 217, 59)"),
        (Priority.LOW, "! LOW", "rgb(63, 216, 230)"),
    ],
)
def test_each_priority_has_its_colour_and_its_word(
    page: Page, served: Stage, priority: Priority, word: str, colour: str
) -> None:
    served.alarm(event(served.person("p-00001"), "hr", served.now(), "heart rate 124", priority=priority))
    strip = page.locator(f"{FIRST} .alarm")
    expect(strip.locator(".what")).to_have_text(word)
    expect(strip).to_have_css("background-color", colour)


def test_a_paused_alarm_stays_on_the_screen_counts_down_and_calls_again(page: Page, served: Stage) -> None:
    alarm = desaturate(served)
    page.locator(f"{SECOND} .open").click()
    page.get_by_role("button", name="Pause audio").click()
    expect(page.locator("#toast")).to_contain_text("Audio paused")
    served.obey()
    expect(page.locator(".alarms .alarm")).to_contain_text(re.compile(r"audio paused, \d:\d\d left"))
    page.get_by_role("link", name="← Ward").click()
    strip = page.locator(f"{SECOND} .alarm")
    expect(strip).to_contain_text(re.compile(r"audio paused, \d:\d\d left"))
    expect(strip).to_have_class(re.compile("cared"))
    served.change(served.alarms[alarm], inactivation=Inactivation.NONE, by=None)
    expect(strip).not_to_have_class(re.compile("cared"))


def test_an_alarm_that_ended_unseen_stays_until_it_is_acknowledged(page: Page, served: Stage) -> None:
    alarm = served.alarms[desaturate(served)]
    latched = served.change(alarm, state=AlarmState.LATCHED)
    strip = page.locator(f"{SECOND} .alarm")
    expect(strip).to_contain_text("over, not yet acknowledged")
    served.change(latched, phase=Phase.END, state=AlarmState.INACTIVE)
    expect(strip).to_have_count(0)


def test_a_bed_without_data_is_visibly_stale_and_a_reading_makes_it_fresh(page: Page, served: Stage) -> None:
    served.read("p-00001", served.now() - 95_000)
    tile = page.locator(FIRST)
    expect(tile).to_have_class(STALE)
    expect(tile.locator(".age")).to_have_text(re.compile(r"No data for \d+ (s|min)"))
    expect(tile.locator(".hr .digits").first).to_have_css("text-decoration-line", "line-through")
    served.read("p-00001")
    expect(tile).not_to_have_class(STALE)
    expect(tile.locator(".age")).to_be_hidden()


def test_a_bed_that_is_not_judged_is_struck_out_as_a_whole_its_score_included(page: Page, served: Stage) -> None:
    served.read("p-00001")
    tile = page.locator(FIRST)
    expect(tile).not_to_have_class(STALE)
    told = event(served.person("p-00001"), "not-judged", served.now(), "no reading in time", kind=Kind.TECHNICAL)
    alarm = served.alarm(told)
    expect(tile).to_have_class(STALE)
    expect(tile.locator(".age")).to_have_text("Not judged")
    for what in (".hr .digits", ".news .total"):
        expect(tile.locator(what).first).to_have_css("text-decoration-line", "line-through")
    served.change(alarm, phase=Phase.END, state=AlarmState.INACTIVE)
    expect(tile).not_to_have_class(STALE)


def test_a_time_ahead_of_now_is_never_just_now(page: Page, served: Stage) -> None:
    served.read("p-00001", served.now() + 3_600_000)
    tile = page.locator(FIRST)
    expect(tile).to_have_class(STALE)
    expect(tile.locator(".age")).to_have_text("Time unknown: a clock is ahead")


def test_a_technical_alarm_is_told_apart_from_a_patients(page: Page, served: Stage) -> None:
    person = served.person("p-00001")
    served.alarm(
        event(person, "sensor-off", served.now(), "sensor off: oximeter", kind=Kind.TECHNICAL, priority=Priority.LOW)
    )
    expect(page.locator(f"{FIRST} .what")).to_have_text("! LOW · TECHNICAL")
    served.alarm(
        event(person, "pipeline-stalled", served.now(), "No readings reach the alarm engine", kind=Kind.TECHNICAL,
              subject="pipeline", patient=None, ward=None, bed=None)
    )  # fmt: skip
    expect(page.locator("#above .alarm")).to_contain_text("No readings reach the alarm engine")


def test_an_incomplete_score_says_so(page: Page, served: Stage) -> None:
    now = served.patients["p-00001"]
    assert now.news2 is not None
    score = msgspec.structs.replace(now.news2, missing=("temp",), incomplete=True)
    served.patients["p-00001"] = msgspec.structs.replace(now, news2=score)
    served.show()
    expect(page.locator(f"{FIRST} .risk")).to_have_text("incomplete")
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".sum")).to_contain_text("incomplete: may be falsely low")
    expect(page.locator(".parts .missing")).to_contain_text("missing")


def test_a_lost_connection_cannot_be_overlooked_and_comes_back(context: BrowserContext, served: Stage) -> None:
    with Relay(served.port) as cable:
        page = sign_in(context, f"http://127.0.0.1:{cable.port}/")
        cable.pull()
        banner = page.locator("#lost")
        expect(banner).to_contain_text("Connection lost")
        expect(banner).to_contain_text(re.compile(r"is \d+ s old"))
        expect(banner).to_contain_text("Watch the patients at the bedside")
        expect(page.locator("#link")).to_have_text("lost")
        expect(page.locator("#counts")).to_have_text("unknown")
        expect(page.locator("main")).to_have_css("filter", re.compile("grayscale"))
        expect(page).to_have_title(re.compile("Connection lost"))
        desaturate(served)
        cable.plug()
        expect(banner).to_be_hidden()
        expect(page.locator(f"{SECOND} .alarm")).to_contain_text("SpO2 84 %")
        expect(page.locator("#link")).to_have_text("live")


def test_the_state_tier_down_is_said_and_recovered_from(page: Page, served: Stage) -> None:
    served.state.down = "nobody answers"
    banner = page.locator("#lost")
    expect(banner).to_contain_text("No new values")
    expect(page.locator("#link")).to_have_text("old")
    expect(page.locator("#counts")).to_have_text("unknown")
    served.state.down = None
    expect(banner).to_be_hidden()
    expect(page.locator("#counts")).to_have_text("no open alarm")


def test_the_warehouse_down_is_said_in_the_patients_view_and_the_rest_goes_on(page: Page, served: Stage) -> None:
    served.history.down = "no route"
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".panel .problem")).to_contain_text("archive does not answer")
    expect(page.locator(".values .one")).not_to_have_count(0)
    served.history.down = None
    page.get_by_role("button", name="1 h", exact=True).click()
    expect(page.locator(".panel .problem")).to_be_hidden()
    expect(page.locator(".trend")).to_have_count(5)


def test_the_patients_view_shows_trends_alarms_messages_and_charting(page: Page, served: Stage) -> None:
    now, alarm = served.now(), served.alarms[desaturate(served)]
    served.history.rows["notifications"] = [
        {"patient": "p-00002", "alarm": alarm.id, "n": 0, "contact": "nurse-icu", "handover": 0, "channels":
         "sms,email", "sns": "1", "t": now, "accepted": now + 60_300, "error": None},
        {"patient": "p-00002", "alarm": alarm.id, "n": 0, "contact": "nurse-icu", "handover": 0, "channels":
         "", "sns": None, "t": now, "accepted": now + 4_000, "error": "Throttling"},
        *({"patient": "p-00002", "alarm": alarm.id, "n": 0, "contact": "nurse-icu", "handover": 0, "channels": "sms",
           "sns": "1", "t": now, "accepted": now + 61_000 + k, "error": "unreachable", "state": state}
          for k, state in enumerate(("failed", "delivered", "opened"))),
    ]  # fmt: skip
    served.history.rows["actions"] = [
        {"patient": "p-00002", "id": "c", "act": "chart", "t": now, "acted_by": "bela", "alarm": None, "pause_s": 120,
         "oxygen": True, "consciousness": "C"}
    ]  # fmt: skip
    page.locator(f"{SECOND} .open").click()
    for hours in (1, 8, 24):
        page.get_by_role("button", name=f"{hours} h", exact=True).click()
        expect(page.locator(".trend canvas")).to_have_count(5)
    log = page.locator(".log")
    expect(log).to_contain_text("NOT delivered to nurse-icu: Throttling")
    expect(log).to_contain_text("sent to nurse-icu by sms and email")
    expect(log.get_by_text("sent to nurse-icu")).to_have_count(1)
    expect(log).to_contain_text("NOT delivered to nurse-icu: unreachable")
    expect(log).to_contain_text("SMS delivered to nurse-icu")
    expect(log).to_contain_text("opened by nurse-icu")
    expect(log).to_contain_text("oxygen given, consciousness C · by bela")
    expect(log).to_contain_text("SpO2 84 % below 85 % (extreme)")


def test_the_patients_view_says_how_a_sign_has_moved_and_promises_nothing(page: Page, served: Stage) -> None:
    served.read("p-00002", spo2=93, hr=80, slopes={"spo2": -0.05, "hr": 0.0})
    page.locator(f"{SECOND} .open").click()
    for hours in (1, 24):
        page.get_by_role("button", name=f"{hours} h", exact=True).click()
        expect(page.locator(".slope").first).to_have_text("HR steady")
        expect(page.locator(".slope").nth(1)).to_have_text("SpO₂ falling 3.0 an hour")
    expect(page.locator("main")).not_to_contain_text(re.compile("in 30 min|expected|fan", re.IGNORECASE))


def test_a_standby_is_set_counted_down_and_ended_at_the_page(page: Page, served: Stage) -> None:
    page.locator(f"{FIRST} .open").click()
    page.get_by_role("button", name="Standby", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Minutes").select_option("15")
    dialog.get_by_role("button", name="Set standby").click()
    expect(dialog).to_have_count(0)
    (written,) = served.written("actions")
    assert (written["act"], written["pause_s"]) == ("standby", 900)
    page.get_by_role("link", name="← Ward").click()
    expect(page.locator(f"{FIRST} .standby")).to_be_hidden()
    served.standbys["p-00001"] = StandbyNow("p-00001", served.now() + 900_000, "bela")
    served.show()
    expect(page.locator(f"{FIRST} .standby")).to_contain_text(re.compile(r"Standby, 14:\d\d left, by bela"))
    page.locator(FIRST).get_by_role("button", name="End standby").click()
    expect(page.locator("body")).to_contain_text("ended")
    assert served.written("actions")[1]["act"] == "standby-end"
    del served.standbys["p-00001"]
    served.show()
    expect(page.locator(f"{FIRST} .standby")).to_be_hidden()
    expect(page.locator(f"{SECOND} .standby")).to_be_hidden()


def test_limits_are_changed_and_a_contradiction_is_explained(page: Page, served: Stage) -> None:
    page.locator(f"{FIRST} .open").click()
    page.get_by_role("button", name="Change limits").click()
    low = page.get_by_label("oxygen saturation: alarm below", exact=True)
    low.fill("80")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Change limits").click()
    expect(dialog.get_by_role("alert")).to_contain_text("contradict")
    low.fill("93")
    dialog.get_by_role("button", name="Change limits").click()
    expect(dialog).to_have_count(0)
    assert served.written("patients")[0]["overrides"]["spo2"]["low"] == 93
    expect(page.locator(".one", has_text="SpO₂")).to_contain_text("93 or more")


def test_an_administrator_makes_a_user_whose_one_time_link_sets_a_password_and_works_once(
    browser: Browser, served: Stage
) -> None:
    served.user("ines", {"*": Role.ADMIN})
    office = browser.new_context(base_url=served.url)
    admin = office.new_page()
    admin.goto("/")
    sign_in_as(admin, "ines")
    open_view(admin, "Users")
    expect(admin.get_by_role("rowheader", name="bela")).to_be_visible()
    admin.get_by_role("button", name="Add a user").click()
    admin.get_by_label("User name").fill("chidi")
    admin.get_by_label(re.compile("^Roles")).fill("icu=nurse")
    admin.get_by_role("button", name="Save").click()
    link = admin.locator(".secret").inner_text()
    admin.get_by_role("button", name="Done").click()
    row = admin.get_by_role("row").filter(has=admin.get_by_role("rowheader", name="chidi"))
    expect(row).to_contain_text("nurse on ICU")
    expect(row).to_contain_text("has no password yet")
    open_view(admin, "Audit log")
    expect(admin.get_by_role("region", name="Audit log")).to_contain_text("set the roles of user chidi: icu nurse")
    open_view(admin, "Users")

    home = browser.new_context(base_url=served.url)
    nurse = home.new_page()
    nurse.goto(link)
    choose(nurse, PASSWORD, "another one, by mistake")
    expect(nurse.get_by_role("alert")).to_have_text("The two passwords differ.")
    choose(nurse, PASSWORD, PASSWORD)
    expect(nurse.locator("body")).to_contain_text("Your password is set. Sign in with it.")
    sign_in_as(nurse, "chidi")
    expect(nurse.locator("h1")).to_have_text("Ward ICU")
    nurse.locator("#menu summary").click()
    expect(nurse.get_by_role("link", name="Rota")).to_be_visible()
    expect(nurse.get_by_role("link", name="Users")).to_have_count(0)
    nurse.goto(link)
    expect(nurse.locator("body")).to_contain_text("This link has been used or is too old")
    admin.reload()
    expect(row).not_to_contain_text("has no password yet")
    office.close()
    home.close()


def test_a_name_that_is_markup_is_shown_as_it_is_written(page: Page, served: Stage) -> None:
    name = "<img src=x onerror=\"document.title='broken in'\"> <b>Bob</b>"
    person = served.person("p-00001")
    served.admit(msgspec.structs.replace(person, name=name, version=person.version + 1))
    tile = page.locator(FIRST)
    expect(tile.locator(".name")).to_contain_text(name)
    tile.locator(".open").click()
    expect(page.locator("h1")).to_contain_text(name)
    page.get_by_role("button", name="Discharge").click()
    expect(page.get_by_role("dialog")).to_contain_text(name)
    assert page.locator("main img, main b, dialog img").count() == 0
    assert "broken in" not in page.title()


def test_an_ended_session_sends_the_page_to_the_door(page: Page, served: Stage) -> None:
    served.ahead_ms += 13 * 3_600_000
    page.locator(f"{FIRST} .open").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_everything_is_reached_by_keyboard_alone(page: Page, served: Stage) -> None:
    desaturate(served)
    expect(page.locator(f"{SECOND} .alarm")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    button = page.locator(SECOND).get_by_role("button", name="Acknowledge")
    for _ in range(12):
        if button.evaluate("node => node === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_contain_text("Acknowledged")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(served.person("p-00002").name)
    page.get_by_role("button", name="Discharge").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_an_admin_sets_the_content_of_messages_at_the_rota(browser: Browser, served: Stage) -> None:
    served.user("bela", {"icu": Role.ADMIN})
    context = browser.new_context(base_url=served.url)
    page = sign_in(context)
    open_view(page, "Rota")
    page.get_by_role("button", name="Content of messages").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("SMS, push and subjects")).to_have_value("bed")
    dialog.get_by_label("SMS, push and subjects").select_option("minimal")
    dialog.get_by_label("E-mail").select_option("no more than an SMS")
    assert serious(page) == []
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("#toast")).to_contain_text("Content of messages saved")
    told = served.parts.topics.house.messages("icu")
    assert (told.text, told.link, told.email_patient) == (Detail.MINIMAL, Detail.BED_AND_SIGN, False)
    context.close()


def test_axe_finds_nothing_serious_on_any_screen(page: Page, served: Stage) -> None:
    desaturate(served)
    served.read("p-00003", served.now() - 95_000)
    served.alarm(event(served.person("p-00001"), "hr", served.now(), "heart rate 124", priority=Priority.MEDIUM))
    expect(page.locator(".tile[data-patient='p-00003']")).to_have_class(STALE)
    found = {"ward": serious(page)}
    page.locator(f"{SECOND} .open").click()
    expect(page.locator(".trend canvas")).to_have_count(5)
    found["patient"] = serious(page)
    page.get_by_role("button", name="Change limits").click()
    found["limits"] = serious(page)
    page.keyboard.press("Escape")
    open_view(page, "Rota")
    expect(page.get_by_role("region", name="Rota").locator("table")).to_be_visible()
    found["rota"] = serious(page)
    page.goto("/signin")
    found["sign-in"] = serious(page)
    assert {screen: grave for screen, grave in found.items() if grave} == {}


def test_on_a_phone_nothing_is_cut_off_and_every_target_is_large(browser: Browser, served: Stage) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = sign_in(context, served.url)
    desaturate(served)
    expect(page.locator(f"{SECOND} .alarm")).to_be_visible()
    check = "document.documentElement.scrollWidth <= innerWidth"
    small = """[...document.querySelectorAll('button, .back, .tab, summary')].filter(node => node.offsetParent)
        .map(node => [node.textContent, node.getBoundingClientRect().height]).filter(([, height]) => height < 43.5)"""
    assert (page.evaluate(check), page.evaluate(small)) == (True, [])
    page.locator(f"{SECOND} .open").tap()
    expect(page.locator(".trend canvas")).to_have_count(5)
    assert (page.evaluate(check), page.evaluate(small)) == (True, [])
    page.locator(".alarms").get_by_role("button", name="Acknowledge").tap()
    expect(page.locator("#toast")).to_contain_text("Acknowledged")
    context.close()


def test_the_page_installs_and_its_worker_never_keeps_a_patients_data(page: Page, served: Stage) -> None:
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".trend canvas")).to_have_count(5)
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    page.reload()
    expect(page.locator(".trend canvas")).to_have_count(5)
    kept = page.evaluate(
        "caches.keys().then(names => Promise.all(names.map(n => caches.open(n).then(c => c.keys()))))"
        ".then(all => all.flat().map(r => new URL(r.url).pathname))"
    )
    assert kept
    assert [path for path in kept if not path.startswith("/static/")] == []
    manifest = page.evaluate("fetch('/static/manifest.webmanifest').then(r => r.json())")
    assert manifest["display"] == "standalone"
    assert {icon["sizes"] for icon in manifest["icons"]} >= {"192x192", "512x512"}


def test_the_rota_says_who_is_not_reached(page: Page, served: Stage) -> None:
    contact = served.parts.topics.house.duties("icu")[0]
    found = {Channel.SMS: Standing.OPTED_OUT}
    served.parts.topics.standings[contact.contact] = ContactStanding(
        contact=contact.contact, of=addresses(contact), channels=found, t=1
    )
    open_view(page, "Rota")
    expect(page.locator("tr", has_text=contact.contact)).to_contain_text("Not reached: SMS opted out (STOP)")


def test_a_push_message_is_shown_with_its_link_and_one_that_cannot_be_read_is_an_alarm_too(
    browser: Browser, served: Stage
) -> None:
    context = browser.new_context(base_url=served.url)
    context.grant_permissions(["notifications"])
    page = sign_in(context)
    control, found = context.new_cdp_session(page), list[dict[str, str]]()
    control.on("ServiceWorker.workerRegistrationUpdated", lambda told: found.extend(told["registrations"]))
    control.send("ServiceWorker.enable")
    page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
    until(lambda: page.evaluate("1") and found, "the worker is registered")
    shown = """navigator.serviceWorker.ready.then(r => r.getNotifications())
        .then(all => all.map(n => [n.title, n.body, n.data.url]))"""
    sent = json.dumps({"title": "HIGH alarm", "body": "ICU HIGH alarm ABCD2345", "url": f"{served.url}/a/T0ken"})
    for data in (sent, "no JSON"):
        message = {"origin": served.url, "registrationId": found[0]["registrationId"], "data": data}
        control.send("ServiceWorker.deliverPushMessage", message)
    until(lambda: len(page.evaluate(shown)) == 2, "two notifications")
    assert sorted(page.evaluate(shown)) == [
        ["HIGH alarm", "ICU HIGH alarm ABCD2345", f"{served.url}/a/T0ken"],
        ["Wardwatch", "An alarm: see the ward page.", "/"],
    ]
    context.close()


def test_the_page_asks_nobody_but_its_own_server(browser: Browser, served: Stage) -> None:
    context = browser.new_context(base_url=served.url)
    asked: set[str] = set()
    context.on("request", lambda request: asked.add(request.url.split("/")[2]))
    page = sign_in(context)
    page.locator(f"{FIRST} .open").click()
    expect(page.locator(".trend canvas")).to_have_count(5)
    context.close()
    assert asked == {served.url.removeprefix("http://")}


def test_m16_a_patient_who_comes_while_a_stream_is_open_is_in_the_audit_log(
    context: BrowserContext, served: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ward_stream, "STILL_SIGNED_IN_S", 0.2)
    page = sign_in(context)
    served.admit(admission(9, "icu", served.now()))
    expect(page.locator(".tile[data-patient='p-00009']")).to_be_visible()
    until(lambda: page.evaluate("1") and len(_views(served)) > 1, "a line of who came")
    assert _views(served) == ['{"patients":["p-00001","p-00002","p-00003"]}', '{"patients":["p-00009"]}']


def _views(stage: Stage) -> list[str]:
    """Details of the audit log's lines of views of a ward, the oldest first."""
    return [e.detail.replace(" ", "") for e in reversed(stage.parts.audit.read()) if e.what == "view-ward"]
