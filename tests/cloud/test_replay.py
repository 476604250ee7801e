"""The replay: what was raised comes again under the limits in force, and other limits tell what they change."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cloud.kafka.partitioning import Partitioning
from cloud.lake import open_lake
from cloud.replay import reference_events, trial_limits
from cloud.replay.compare import Alarm, alarms, delays, difference, per_day
from cloud.replay.html_report import page
from cloud.replay.job import moment
from cloud.replay.ray_tasks import joined, raised, replay, tasks
from cloud.replay.reference_events import EventsError, Marked
from cloud.replay.report import Report, build
from cloud.replay.trial_limits import Trial, TrialError
from tests.cloud.replayed import T0, Ward, ward_of
from vitals.admissions import Admission
from vitals.alarm_events import Kind, Phase, Priority
from vitals.limits import ADULT, Limit, profile, with_overrides
from vitals.signs import INDEX

WIDER = """
[profile.all.spo2]
low = 86
delay_s = 30
[profile.adult.hr]
high = 135
[patient.p-3.hr]
low = 78
"""
END = T0 + 1_600_000


@pytest.fixture(scope="module")
def ward() -> Ward:
    from tests.cloud.conftest import make_admission  # noqa: PLC0415 - a plain function of the suite's conftest

    return ward_of(Partitioning(lanes=4, partitions=4), make_admission)


@pytest.fixture(scope="module")
def lake(ward: Ward, tmp_path_factory: pytest.TempPathFactory) -> str:
    url = (tmp_path_factory.mktemp("replay") / "lake").as_uri()
    ward.archive(url)
    return url


def replayed(lake: str, tried: Trial | None, since: int = T0, marked: tuple[Marked, ...] = ()) -> Report:
    results = [replay(task) for task in tasks(lake, T0, END, tried)]
    watched = set().union(*(result.watched for result in results))
    told = joined(results, 2 if tried else 1)
    count = sum(result.readings for result in results)
    was = raised(open_lake(lake), since, END)
    return build(told, was, watched, tried, marked, span=(since, END), readings=count)


def test_under_the_limits_in_force_the_alarms_are_those_that_were_raised(ward: Ward, lake: str) -> None:
    results = [replay(task) for task in tasks(lake, T0, END, None, cpus=2)]
    (told,) = joined(results, 1)
    was = {(e.id, e.n, e.phase, e.priority) for e in ward.told if e.kind is Kind.PHYSIOLOGICAL}
    assert {(e.id, e.n, e.phase, e.priority) for e in told} == was
    phases = {e.phase for e in told}
    assert phases == set(Phase), "the story must have them all, or it proves little"
    assert len(told) > 50


def test_a_trial_that_changes_nothing_makes_nothing_appear_or_vanish(lake: str) -> None:
    same = trial_limits.read("[profile.adult.spo2]\nlow = 90\n")
    report = replayed(lake, same)
    assert report.difference is not None
    assert (report.difference.appear, report.difference.vanish) == ((), ())
    assert report.sides[0].alarms == report.sides[1].alarms
    assert report.agreement is not None
    assert report.agreement.raised == report.agreement.replayed == report.agreement.both


def test_wider_limits_and_longer_delays_make_alarms_vanish_and_a_narrower_one_makes_them_appear(lake: str) -> None:
    report = replayed(lake, trial_limits.read(WIDER))
    found = report.difference
    assert found is not None
    assert {a.condition for a in found.vanish} >= {"spo2"}
    assert {(a.patient, a.condition) for a in found.appear} & {("p-3", "hr")}
    assert len(found.vanish) + found.kept == len(report.sides[0].alarms)
    assert report.rate(report.sides[1]) < report.rate(report.sides[0])
    assert report.patients == 12
    assert report.patient_days == pytest.approx((11 + 0.5) * 25 / 1440, rel=0.25)


def test_what_was_told_before_the_begin_warms_the_engine_up_and_is_not_counted(lake: str) -> None:
    later = T0 + 700_000
    report = replayed(lake, None, since=later)
    assert min(alarm.told for alarm in report.sides[0].alarms) >= later
    assert report.agreement is not None
    assert report.agreement.raised == report.agreement.both


def test_the_command_prints_a_table_and_writes_json_and_one_page_without_anything_from_elsewhere(
    lake: str, tmp_path: Path
) -> None:
    (tmp_path / "trial.toml").write_text(WIDER)
    (tmp_path / "events.csv").write_text("patient,begins,ends,event,conditions\np-1,2025-11-22T12:10:00Z,,fell ill,\n")
    argv = [sys.executable, "-m", "cloud", "replay", "--from", "2025-11-22T12:00", "--to", "2025-11-22T13:27"]
    argv += ["--zone", "Europe/Berlin", "--limits", "trial.toml", "--events", "events.csv", "--out", "ward"]
    argv[argv.index("--from") + 1 : argv.index("--from") + 2] = ["2025-11-22T13:00+01:00"]
    env = os.environ | {"LAKE": lake, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(  # noqa: S603 - our own words
        [*argv, "--cpus", "2"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Alarms per patient and day" in done.stdout
    assert re.search(r"check: of (\d+) alarm steps raised at the time, this replay gives \1, and 0 others", done.stdout)
    report = msgspec.json.decode((tmp_path / "ward.json").read_bytes(), type=Report)
    assert (len(report.sides), len(report.marked), report.patients) == (2, 1, 12)
    text = (tmp_path / "ward.html").read_text()
    assert not re.findall(r"(?:src|href)=[\"'](?!#)|url\((?!#)|@import", text)
    assert text.count("<svg") == 4
    assert "What was tried" in text


class Checked(HTMLParser):
    """Counts what is open: a page whose tags do not close is broken."""

    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def alarm(condition: str = "spo2", start: int = 0, over: int | None = 60_000, **more: object) -> Alarm:
    told = {"patient": "p1", "ward": "w", "bed": "b", "priority": Priority.MEDIUM, "told": T0 + start, "text": "SpO2"}
    fixed = {"id": f"{condition}{start}", "condition": condition, "value": 84.0, "limit": 90.0}
    over = None if over is None else T0 + start + over
    return msgspec.convert(told | fixed | {"start": T0 + start, "over": over} | more, Alarm)


def test_a_name_with_markup_stands_on_the_page_as_text() -> None:
    report = build([[]], [], set(), None, (), span=(T0, END), readings=0)
    side = msgspec.structs.replace(report.sides[0], alarms=(alarm(patient="<script>", bed="<b>"),))
    tried = difference((), side.alarms, END)
    report = msgspec.structs.replace(report, sides=(report.sides[0], side), difference=tried, patient_days=1.0)
    text = page(report, ZoneInfo("UTC"))
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    parser = Checked()
    parser.feed(text)
    assert parser.open == []


def test_alarms_are_counterparts_when_their_times_overlap() -> None:
    force = (alarm(), alarm(start=300_000), alarm("hr", over=None))
    tried = (alarm(start=30_000, priority=Priority.HIGH), alarm("hr", start=900_000), alarm("rr"))
    found = difference(force, tried, END)
    assert [a.id for a in found.vanish] == ["spo2300000"]
    assert [a.id for a in found.appear] == ["rr0"]
    assert (found.kept, found.raised, found.lowered) == (2, 1, 0)
    assert per_day(force, 2.0)["spo2"] == {"high": 0.0, "medium": 1.0, "low": 0.0}


def test_a_delay_is_to_the_first_alarm_about_the_event_and_none_is_a_miss() -> None:
    def event(begins: int, ends: int, *conditions: str) -> Marked:
        return Marked(patient="p1", event="ill", begins=T0 + begins, ends=T0 + ends, conditions=conditions)

    found = (alarm(start=40_000, over=None), alarm("hr", start=10_000, over=5000))
    marked = (event(0, 60_000), event(0, 60_000, "spo2"), event(0, 30_000, "spo2"), event(50_000, 90_000))
    assert delays(found, marked) == (10.0, 40.0, None, 0.0)


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("", "nothing to try"),
        ("[profile", "not TOML"),
        ("[profiles.adult.hr]\nlow = 1", "profiles: there is no such table; there are profile, patient"),
        ("[profile.adlt.hr]\nlow = 1", "profile.adlt: there is no such profile; there are adult, copd"),
        ("[profile.adult.pulse]\nlow = 1", "profile.adult.pulse: there is no such sign; there are hr, pr"),
        ("[profile.adult.hr]\nlower = 1", "profile.adult.hr: lower: there is no such key"),
        ("[profile.adult.hr]\nlow = '50'", "low = '50': must be a number or \"none\""),
        ("[profile.adult.hr]\ndelay_s = 'none'", "delay_s = 'none': must be a number"),
        ("[profile.adult.hr]\nlow = 130", "must ascend; change the other bound too"),
        ("[profile.adult]\nhr = 3", "profile.adult.hr = 3: must be a table"),
        ("[patient.p1.hr]\ndelay_s = -1", "lasts 0 to 3600 s"),
    ],
)
def test_a_trial_that_makes_no_sense_is_refused_with_its_place(text: str, say: str) -> None:
    with pytest.raises(TrialError, match=re.escape(say)):
        trial_limits.read(text)


def test_a_trial_changes_what_it_names_and_leaves_a_patients_own_limits_unless_it_names_the_patient() -> None:
    tried = trial_limits.read(
        '[profile.all.hr]\nhigh = 130\nextreme_high = "none"\n[profile.adult.spo2]\nlow = 88\n[patient.p1.hr]\nlow = 45'
    )
    hr, spo2 = INDEX["hr"], INDEX["spo2"]
    assert tried.of(ADULT, "p2").limits[hr] == Limit(40, 50, 130, None, 10)
    assert tried.of(ADULT, "p1").limits[hr] == Limit(40, 45, 130, None, 10)
    assert tried.of(profile("copd"), None).limits[spo2] == profile("copd").limits[spo2]
    own = with_overrides(ADULT, {"hr": Limit(30, 40, 110, 150)})
    assert tried.of(own, "p2").limits[hr] == Limit(30, 40, 110, 150)
    assert tried.of(own, "p1").limits[hr] == Limit(30, 45, 110, 150)


def test_events_come_from_a_table_or_from_a_simulators_ledger(tmp_path: Path) -> None:
    table, ledger = tmp_path / "events.csv", tmp_path / "ledger.jsonl"
    table.write_text(
        "patient,begins,ends,event,conditions\np1,2025-11-22T12:00:10Z,2025-11-22T12:01:00Z,fell,spo2 hr\n"
    )
    (found,) = reference_events.read(table, {}, T0, END)
    assert (found.begins, found.ends, found.conditions) == (T0 + 10_000, T0 + 60_000, ("spo2", "hr"))
    phases = ["stable"] * 3 + ["falling"] * 3 + ["hypoxic"] * 2 + ["recovered"] * 2
    lines = [
        {"k": "sent", "device": "d1", "at": T0 + k * 1000, "story": "desaturation", "phase": phase}
        for k, phase in enumerate(phases)
    ]
    ledger.write_text("\n".join(json.dumps(line) for line in [{"k": "run", "t": T0}, *lines]))
    told = [
        (e.patient, e.event, e.begins - T0, e.ends - T0) for e in reference_events.read(ledger, {"d1": "p1"}, T0, END)
    ]
    assert told == [("p1", "desaturation: falling", 3000, 6000), ("p1", "desaturation: hypoxic", 6000, 8000)]


@pytest.mark.parametrize(
    ("text", "say"),
    [
        ("who,when\n", "must name the columns"),
        ("patient,begins\np1,yesterday\n", "line 2: time 'yesterday'"),
        ("patient,begins\np1,2025-11-22T12:00\n", "it has no offset"),
        ("patient,begins,conditions\np1,2025-11-22T12:00Z,o2\n", "no such condition: o2"),
        ('{"k": "sent"\n', "line 1: not JSON"),
    ],
)
def test_events_that_cannot_be_read_are_refused_with_their_line(text: str, say: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    path.write_text(text)
    with pytest.raises(EventsError, match=re.escape(say)):
        reference_events.read(path, {}, T0, END)


def test_an_alarm_that_was_on_before_the_begin_is_none_of_the_replays(
    event: Callable[..., object],
) -> None:
    steps = [event("p-1"), event("p-1", n=1, phase=Phase.END), event("canary-g1", start=T0 + 5)]
    assert len(alarms(steps, T0, END)) == 1  # type: ignore[arg-type] # the fixture is typed loosely
    assert alarms(steps[1:], T0, END) == ()  # type: ignore[arg-type] # see above


def test_times_are_the_wards_own() -> None:
    assert moment("2025-11-22T13:00", ZoneInfo("Europe/Berlin")) == T0
    assert moment("2025-11-22T12:00Z", ZoneInfo("Europe/Berlin")) == T0


def test_a_patient_who_was_never_watched_gives_no_rate(admission: Callable[..., Admission]) -> None:
    del admission
    report = build([[]], [], set(), None, (), span=(T0, END), readings=0)
    assert (report.rate(report.sides[0]), report.agreement) == (0.0, None)
    assert "no alarms of that time" in page(report, ZoneInfo("UTC"))
