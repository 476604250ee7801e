"""`make screenshots`: pictures of the page for the README, of an invented ward, by a headless Chromium.

`python -m tests.console.pictures FOLDER` takes every screen; without it the README's three go to docs/images.
"""

import shutil
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from cloud.alarm.query.answers import StandbyNow
from cloud.console.auth.accounts import Role
from cloud.console.live.feed import RecentValues
from tests.console.conftest import open_view
from tests.console.stage import HOUR, PASSWORD, Stage, build, course, event, playing, ward
from vitals.admissions import Admission
from vitals.alarm_events import AlarmState, Inactivation, Kind, Priority, alarm_id
from vitals.limits import ADULT
from vitals.signs import FIELDS

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"
WALL = {"width": 1920, "height": 1080}
DESK = {"width": 1440, "height": 1150}
SICK = ".tile[data-patient='p-00003']"
SILENT_MS = 210_000
PHONE = {"width": 390, "height": 844}


def story(stage: Stage) -> None:
    """A ward in trouble: one desaturating, one septic, one without a sensor, one whose monitor is silent."""
    people = ward(stage, "icu", 12)
    ward(stage, "med", 10, first=41)
    # Until the first beat of the story nobody is seen: what was well a moment ago is no part of it.
    stage.patients.clear()
    now = stage.now()
    stage.read(people[4].patient, now - SILENT_MS)
    for one in people:
        trail = stage.parts.feed.trails[one.patient] = RecentValues(one.patient)
        number = int(one.patient.split("-")[1])
        for t in range(now - 1_800_000, now - SILENT_MS if number == 5 else now, 20_000):
            values = {name: course(number, name, t) for name in FIELDS}
            if number == 3:
                values["spo2"] -= 12 * max(0.0, min(1.0, (t - now + 400_000) / 380_000))
                values["hr"] += 28 * max(0.0, min(1.0, (t - now + 400_000) / 380_000))
            if number == 10:
                values["hr"] += 42 * max(0.0, min(1.0, (t - now + 1_500_000) / 1_500_000))
            trail.put(t, values)
    sat = people[2]
    alarm = stage.alarm(
        event(
            sat, "spo2", now - 96_000, "SpO2 84 % below 85 % (extreme)", **_opens(sat, "spo2", now - 96_000, -1, 85.0)
        )
    )
    septic, begun = people[9], now - 700_000
    for condition, side, limit, priority in (("sbp", -1, 80.0, 3), ("hr", 1, 120.0, 2), ("rr", 1, 30.0, 2)):
        about = _opens(septic, "hr", begun, side, limit) | {"coming": "Bela Holt"}
        stage.alarm(
            event(septic, condition, begun, f"{condition} beyond {limit}", priority=Priority(priority), **about)
        )
    stage.alarm(
        event(
            people[6], "sensor-off", now - 130_000, "sensor off: oximeter", priority=Priority.LOW, kind=Kind.TECHNICAL
        )
    )
    stage.alarm(
        event(people[4], "device-silent", now - SILENT_MS + 6_000, "monitor mon-icu-05 is silent",
              priority=Priority.MEDIUM,
              kind=Kind.TECHNICAL, subject="mon-icu-05", patient=None, device="mon-icu-05")
    )  # fmt: skip
    paused = stage.alarm(
        event(people[7], "rr", now - 60_000, "respiratory rate 31 above 30", priority=Priority.MEDIUM,
              inactivation=Inactivation.AUDIO_PAUSED, by="Bela Holt", **_opens(people[7], "rr", now - 60_000, 1, 30.0))
    )  # fmt: skip
    stage.parts.topics.pauses[paused.id] = now + 84_000
    slow = _opens(people[0], "hr", now - 900_000, -1, 40.0)
    stage.alarm(event(people[0], "hr", now - 900_000, "heart rate 38 below 40", state=AlarmState.LATCHED, **slow))
    stage.standbys[people[10].patient] = StandbyNow(people[10].patient, now + 870_000, "Bela Holt")
    history = stage.history
    history.extra[sat.patient] = [
        (now - 400_000, "spo2", -12.0),
        (now - 400_000, "hr", 28.0),
        (now - 400_000, "pr", 28.0),
    ]
    tight = {f: list(v) for f, v in _bounds().items()}
    wide = tight | {"spo2": [80, 88, None, None]}
    history.rows["limits"] = [
        {"patient": sat.patient, "t": now - 24 * HOUR, "signs": wide},
        {"patient": sat.patient, "t": now - 2 * HOUR, "signs": tight},
    ]
    history.rows["notifications"] = [
        {"patient": sat.patient, "alarm": alarm.id, "n": 0, "contact": "nurse-icu", "handover": 0,
         "channels": "sms,email", "sns": "1", "t": alarm.start, "accepted": alarm.start + 300, "error": None}
    ]  # fmt: skip
    earlier = now - 5 * HOUR
    old = f"{sat.patient}.rr.{earlier}"
    shared = {
        "patient": sat.patient,
        "id": old,
        "condition": "rr",
        "kind": "physiological",
        "priority": 2,
        "started": earlier,
        "message": "respiratory rate 32 above 30",
        "handover": 0,
        "state": "active",
        "inactivation": "enabled",
        "acted_by": None,
    }
    history.rows["alarms"] = [
        shared | {"n": 0, "phase": "start", "t": earlier},
        shared
        | {"n": 1, "phase": "update", "t": earlier + 45_000, "inactivation": "acknowledged", "acted_by": "Bela Holt"},
        shared | {"n": 2, "phase": "end", "t": earlier + 260_000, "state": "inactive"},
    ]
    history.rows["notifications"].append(
        {"patient": sat.patient, "alarm": old, "n": 0, "contact": "nurse-icu", "handover": 0, "channels": "sms",
         "sns": "2", "t": earlier, "accepted": earlier + 420, "error": None}
    )  # fmt: skip
    history.rows["actions"] = [
        {"patient": sat.patient, "id": "c1", "act": "chart", "t": now - 90 * 60_000, "acted_by": "Bela Holt",
         "alarm": None, "pause_s": 120, "oxygen": False, "consciousness": "A"}
    ]  # fmt: skip


def beat(stage: Stage) -> None:
    """A second of the story: new readings of everybody but the silent one."""
    now = stage.now()
    for one in stage.parts.topics.present():
        number = int(one.patient.split("-")[1])
        values: dict[str, float] = {}
        slopes: dict[str, float] = {}
        if number == 5:
            continue
        if number == 3:
            slopes = {"spo2": -0.31, "hr": 0.4, "pr": 0.4, "rr": 0.17, "temp": 0.0, "sbp": 0.0, "dbp": 0.0, "map": 0.0}
            values = {"spo2": 84, "hr": 112, "pr": 112, "rr": 26}
        if number == 10:
            values = {"spo2": 93, "hr": 131, "pr": 131, "rr": 33, "temp": 39.1, "sbp": 72, "dbp": 41, "map": 51}
        if number == 8:
            values = {"rr": 31}
        if number == 1:
            values = {"hr": 58, "pr": 58}
        stage.read(one.patient, now, slopes=slopes, **values)
    seen = stage.patients[stage.parts.topics.present()[6].patient]
    for name in ("spo2", "pr"):
        seen.signs.pop(name, None)
    stage.show()


def _opens(person: Admission, condition: str, start: int, side: int, limit: float) -> dict[str, Any]:
    """Fields of an alarm that belongs to an incident which `condition` opened."""
    incident = alarm_id(person.patient, condition, start)
    return {"incident": incident, "side": side, "limit": limit, "raised": start}


def _bounds() -> dict[str, list[float | None]]:
    return {f: [x.extreme_low, x.low, x.high, x.extreme_high] for f, x in zip(FIELDS, ADULT.limits, strict=True)}


def shoot(page: Page, folder: Path, url: str, *, everything: bool) -> None:
    """Takes the README's pictures, or those of every screen."""

    def take(name: str, *, always: bool = False) -> None:
        if always or everything:
            page.screenshot(path=folder / f"{name}.png")

    page.goto(url)
    page.fill("#name", "bela")
    page.fill("#password", PASSWORD)
    take("signin")
    page.click("button.primary")
    page.wait_for_selector(f"{SICK} .alarm")
    page.wait_for_timeout(2500)
    take("ward", always=True)
    page.set_viewport_size(DESK)
    page.click(f"{SICK} .open")
    page.wait_for_selector(".trend canvas")
    page.wait_for_timeout(1500)
    take("patient", always=True)
    page.click("text=Change limits")
    take("limits")
    page.keyboard.press("Escape")
    open_view(page, "Rota")
    page.wait_for_selector("table")
    take("rota")
    page.set_viewport_size(PHONE)
    page.goto(f"{url}/#/ward/icu")
    page.wait_for_selector(f"{SICK} .alarm")
    page.wait_for_timeout(1500)
    take("phone", always=True)


def main(arguments: list[str]) -> int:
    """Takes the pictures."""
    chosen = Path(arguments[0]) if arguments else IMAGES
    chosen.mkdir(parents=True, exist_ok=True)
    stop = threading.Event()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as work, playing(build(Path(work))) as stage, sync_playwright() as play:
        story(stage)
        stage.user("bela", {"icu": Role.ADMIN, "med": Role.NURSE})

        def beats() -> None:
            while not stop.wait(1.0):
                beat(stage)

        beat(stage)
        thread = threading.Thread(target=beats, daemon=True)
        thread.start()
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=WALL, color_scheme="dark")
        page.on("console", lambda message: sys.stderr.write(f"{message.type}: {message.text}\n"))
        page.on("pageerror", lambda error: sys.stderr.write(f"page error: {error}\n"))
        shoot(page, chosen, stage.url, everything=bool(arguments))
        if arguments:
            page.set_viewport_size(WALL)
            page.goto(f"{stage.url}/#/ward/icu")
            page.wait_for_selector(".tile .alarm")
            stage.state.down = "nobody answers"
            page.wait_for_selector("body.down")
            page.screenshot(path=chosen / "down.png")
        browser.close()
        stop.set()
        thread.join(5)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
