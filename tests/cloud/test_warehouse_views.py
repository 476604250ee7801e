"""Each view on a real PostgreSQL: what a ward's dashboards read."""

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psycopg
import pytest

from cloud.lake import Store, open_lake
from cloud.lake.schema import ACTIONS, ALARMS, NOTIFICATIONS, PATIENTS, REFUSED, STATUS, VITALS
from cloud.warehouse import WarehouseError, open_warehouse
from cloud.warehouse.ddl import VIEWS
from cloud.warehouse.job import Loader
from tests.cloud.warehouse import HOUR, Ask, Cell, reading, write
from vitals import breach_codes, news2
from vitals.incidents import WHOLE, problem
from vitals.signs import FIELDS, INDEX, SIGNS

Load = Callable[[], None]
GROUPS = ("rate", "breathing", "oxygen", "pressure", "diastolic", "temperature")
PROBLEMS = [*(f"{group}-{side}" for group in GROUPS for side in ("low", "high")), "circulation", "score"]
"""In the order of the view."""
DAY = 1_700_006_400_000  # 2023-11-15T00:00Z: long past, whenever this runs


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_lake((tmp_path / "lake").as_uri())


@pytest.fixture
def load(url: str, store: Store) -> Load:
    def loaded() -> None:
        assert Loader(open_warehouse(url), store).turn(threading.Event()) == 0

    return loaded


def now_ms() -> int:
    """The warehouse's own clock is the views': rows are placed around it."""
    return int(datetime.now(UTC).timestamp() * 1000)


def version(number: int, patient: str = "p1", **more: Cell) -> dict[str, Any]:
    told = {"ward": "w1", "bed": "b1", "gateway": "g1", "since": DAY, "log_t": DAY + number, "cadence_s": 60.0}
    return {"patient": patient, "version": number, "canary": False, "oxygen": False, "scale2": False} | told | more


def event(n: int, phase: str, at: int, patient: str = "p1", **more: Cell) -> dict[str, Any]:
    told = {"id": f"{patient}.hr.1", "subject": patient, "patient": patient, "ward": "w1", "bed": "b1", "priority": 3}
    told |= {"condition": "hr", "kind": "physiological", "state": "active", "inactivation": "enabled", "handover": 0}
    return told | {"n": n, "phase": phase, "started": DAY, "t": at, "log_t": at} | more


def told(alarm: str, accepted: int | None, contact: str = "anna", sns: str | None = "m") -> dict[str, Any]:
    more = {"handover": 0, "sns": sns, "accepted": accepted, "t": DAY}
    return {"alarm": alarm, "n": 0, "patient": "p1", "contact": contact} | more


def test_bed_history_follows_transfers_discharge_and_the_next_patient(store: Store, load: Load, ask: Ask) -> None:
    moved = {"bed": "b2", "since": DAY + 3 * HOUR}
    write(
        store,
        PATIENTS,
        1,
        [
            version(1),
            version(2, oxygen=True),
            version(3, **moved),
            version(4, **moved, discharged=DAY + 5 * HOUR),
            version(1, "p2", since=DAY + 4 * HOUR),
            version(1, "canary-g1", canary=True),
        ],
    )
    load()
    hours = "extract(epoch FROM {} - timestamp '2023-11-15')::int / 3600"
    asked = (
        f"SELECT bed, patient, {hours.format('begins')}, {hours.format('ends')} FROM bed_history ORDER BY bed, begins"  # noqa: S608 - written above
    )
    assert ask(asked) == [("b1", "p1", 0, 3), ("b1", "p2", 4, None), ("b2", "p1", 3, 5)]
    assert ask("SELECT ward, patients FROM ward_census") == [("w1", 1)]


def test_the_newest_vitals_of_a_day_and_its_extremes_leave_out_what_is_suspect(
    store: Store, load: Load, ask: Ask
) -> None:
    now = now_ms()
    spike = 5 << (4 * INDEX["hr"])
    rows = [
        reading(0, t=now - 26 * HOUR, hr=60.0),
        reading(1, t=now - 2000, hr=131.0),
        reading(2, t=now - 1000, hr=250.0, suspect=spike, spo2=91.0),
        reading(3, t=now, patient=None),
    ]
    write(store, VITALS, 1, rows)
    load()
    assert ask("SELECT patient, hr, age_s BETWEEN 0 AND 60 FROM latest_vitals") == [("p1", 250.0, True)]
    assert ask("SELECT seq FROM vitals_last_24h ORDER BY seq") == [(1,), (2,)]
    newest = "SELECT hr_highest, spo2_lowest FROM vitals_extremes ORDER BY reading_day DESC, readings DESC LIMIT 1"
    assert ask(newest) == [(131.0, 91.0)]


def test_completeness_is_what_came_of_what_the_cadence_promised(store: Store, load: Load, ask: Ask) -> None:
    write(store, PATIENTS, 1, [version(1)])
    write(store, VITALS, 1, [reading(k, t=DAY + k * 120_000, temp=36.5 if k % 3 == 0 else None) for k in range(30)])
    load()
    row = ask("SELECT readings, expected::int, share::float, hr_share::float, temp_share::float FROM data_completeness")
    assert row == [(30, 60, 0.5, 1.0, pytest.approx(1 / 3))]
    assert ask("SELECT readings, unassigned, suspect FROM readings_per_hour") == [(30, 0, 0)]


def test_devices_and_gateways_say_when_they_were_last_heard_and_how_long_readings_waited(
    store: Store, load: Load, ask: Ask
) -> None:
    now = now_ms()
    seen = {"gateway": "g1", "t": now - 9000, "t_gw": now - 9000, "log_t": now - 4000}
    write(store, VITALS, 1, [reading(0, **seen), reading(1, **seen | {"boot": 8}), reading(0, **seen, device="d2")])
    load()
    assert ask("SELECT device, readings, starts FROM devices_last_seen ORDER BY device") == [("d1", 2, 2), ("d2", 1, 1)]
    assert ask("SELECT gateway, devices, wait_last_hour_s::float FROM gateways_last_seen") == [("g1", 2, 5.0)]


def test_alarms_are_counted_timed_and_shown_with_their_threshold(store: Store, load: Load, ask: Ask) -> None:
    now = now_ms()
    write(store, PATIENTS, 1, [version(1), version(1, "p2", bed="b2")])
    acknowledged = {"inactivation": "acknowledged", "acted_by": "anna"}
    write(
        store,
        ALARMS,
        1,
        [
            event(0, "start", DAY + 1000),
            event(1, "update", DAY + 61_000, **acknowledged),
            event(2, "end", DAY + HOUR, **acknowledged, priority=2),
            event(0, "start", now - 500, id="p1.spo2.2", condition="spo2", started=now - 500, value=84.0, crossed=85.0),
            event(0, "start", DAY, "canary-g1", gateway="g1"),
        ],
    )
    failed = told("p1.hr.1", DAY + 4000, "ben", None)
    write(store, NOTIFICATIONS, 1, [told("p1.hr.1", DAY + 900), failed, told("p1.hr.1", DAY + 61_000, "ben")])
    load()
    timeline = "SELECT highest_priority, to_acknowledge_s::int, lasted_s::int, messages FROM alarm_timeline"
    assert ask(f"{timeline} WHERE condition = 'hr'") == [(3, 60, 3600, 2)]
    assert ask("SELECT condition, alarms, acknowledged FROM top_causes ORDER BY condition") == [
        ("hr", 1, 1),
        ("spo2", 1, 0),
    ]
    assert ask("SELECT sum(alarms)::int FROM alert_counts") == [(2,)]
    assert ask("SELECT sum(alarms)::int FROM alarms_per_hour") == [(2,)]
    at_first = "WHERE alarm_day = timestamp '2023-11-15' AND acknowledged > 0"
    assert ask(f"SELECT alarms, p50_s, max_s::int FROM acknowledgement_times {at_first}")[0][1:] == (60.0, 60)  # noqa: S608 - written above
    assert ask("SELECT id, value, threshold FROM latest_alerts WHERE condition = 'spo2'") == [("p1.spo2.2", 84.0, 85.0)]
    assert ask("SELECT messages, failed, p50_s, max_s::float FROM delivery_latency") == [(2, 1, 30.95, 61.0)]


def test_alarms_per_bed_day_divides_by_the_time_that_beds_were_occupied(store: Store, load: Load, ask: Ask) -> None:
    day = DAY - 10 * 24 * HOUR
    stay = {"since": day, "discharged": day + 12 * HOUR, "log_t": day}
    write(store, PATIENTS, 1, [version(1, since=day, log_t=day), version(2, **stay)])
    write(store, ALARMS, 1, [event(0, "start", day, id=f"p1.hr.{k}", started=day + k) for k in range(3)])
    load()
    asked = "SELECT alarms, high, bed_days::float, alarms_per_bed_and_day::float FROM alarms_per_bed_day"
    assert ask(asked) == [(3, 3, 0.5, 6.0)]


def test_news2_adds_what_was_charted_and_says_when_it_is_incomplete(store: Store, load: Load, ask: Ask) -> None:
    values = {"hr": 95.0, "rr": 22.0, "spo2": 93.0, "temp": 38.5, "sbp": 105.0}
    row = [values.get(sign.field, float("nan")) for sign in SIGNS]
    digits = int(breach_codes.pack(news2.digits(np.array([row])))[0])
    write(store, PATIENTS, 1, [version(1), version(1, "p2"), version(1, "p3", scale2=True, oxygen=True)])
    chart = {"act": "chart", "patient": "p1", "acted_by": "anna"}
    write(
        store,
        ACTIONS,
        1,
        [
            chart | {"id": "a", "t": DAY + 1, "oxygen": True, "consciousness": "A"},
            chart | {"id": "b", "t": DAY + HOUR, "oxygen": False},
        ],
    )
    scored = {"limits": "adult", "news2": digits, **values}
    write(
        store,
        VITALS,
        1,
        [
            reading(0, t=DAY + 60_000, **scored),
            reading(1, t=DAY + HOUR + 60_000, **scored),
            reading(2, t=DAY + 60_000, **scored | {"patient": "p2", "limits": "infant"}),
            reading(3, t=DAY + 60_000, **scored | {"patient": "p3"}),
        ],
    )
    load()
    # The chart: rr 22 is 2; SpO2 93 is 2 on scale 1, 1 on scale 2 with oxygen; sbp 105, pulse 95 and temperature are 1.
    hours = ask("SELECT patient, total, largest, complete FROM news2_hourly ORDER BY patient, t")
    assert hours == [("p1", 9, 2, True), ("p1", 7, 2, True), ("p3", 8, 2, False)]
    assert ask("SELECT total, risk, complete, patient_hours FROM news2_distribution ORDER BY total") == [
        (7, "high", True, 1),
        (8, "high", False, 1),
        (9, "high", True, 1),
    ]


def _incident(chance: random.Random, k: int) -> tuple[list[dict[str, Any]], tuple[Any, ...]]:
    """Events of an invented incident, and its row by a plain count."""
    incident, patient = f"p{k}.spo2.{DAY}", f"p{k}"
    rows: list[dict[str, Any]] = []
    at, open_, called, first_act = DAY + k * HOUR, False, set(), None
    opened, last = at, at
    about = {"patient": patient, "subject": patient, "incident": incident, "ward": f"w{k % 3}"}
    for alarm in range(chance.randint(1, 4)):
        steps = chance.sample(["page", "handover", "reminder", "", "", "acknowledged"], chance.randint(1, 5))
        ends = chance.random() < 0.8
        open_ |= not ends
        for n, step in enumerate([*steps, *(["end"] if ends else [])]):
            last = at
            named = tuple(chance.sample(PROBLEMS, 2)) if step in {"page", "handover", "reminder"} else ()
            called |= set(named)
            acts = step == "acknowledged"
            first_act = at if acts and first_act is None else first_act
            more = {"call": step if named else "", "problems": msgspec.json.encode(named).decode()}
            more |= {"inactivation": "acknowledged" if acts else "enabled", "priority": chance.randint(1, 3)}
            phase = "end" if step == "end" else "update"
            rows.append(event(n, phase, at, **about, **more, id=f"{patient}.{alarm}", bed="b1"))
            at += chance.randint(1, 900) * 1000
    count = {step: sum(row["call"] == step for row in rows) for step in ("page", "handover", "reminder")}
    highest, acted = max(row["priority"] for row in rows), None if first_act is None else (first_act - opened) // 1000
    named_all = " ".join(name for name in PROBLEMS if name in called)
    times = (opened - DAY) // 1000, None if open_ else (last - DAY) // 1000
    alarms = len({row["id"] for row in rows})
    return rows, (incident, patient, about["ward"], "b1", *times, highest, alarms, *count.values(), acted, named_all)


def test_incidents_are_what_a_plain_count_of_their_alarms_gives(store: Store, load: Load, ask: Ask) -> None:
    chance = random.Random(20)  # noqa: S311 - invented alarms
    rows, expected = zip(*(_incident(chance, k) for k in range(60)), strict=True)
    others: list[dict[str, Any]] = [
        event(0, "start", DAY, "none"),
        event(0, "start", DAY, "empty", incident=""),
        event(0, "start", DAY, "canary-g1", incident="canary-g1.temp.1", call="page"),
    ]
    everything = [row for own in rows for row in own] + others
    chance.shuffle(everything)
    write(store, ALARMS, 1, everything)
    load()
    seconds = "extract(epoch FROM {} - timestamp '2023-11-15')::int"
    found = ask(
        f"SELECT incident, patient, ward, bed, {seconds.format('opened')}, {seconds.format('ended')}, "  # noqa: S608 - written above
        "highest_priority, alarms, calls, handovers, reminders, to_acknowledge_s::int, problems FROM incidents"
    )
    assert sorted(found) == sorted(expected)
    assert len({row[5] is None for row in found}) == 2
    assert len({row[11] is None for row in found}) == 2


def test_the_view_of_incidents_knows_every_problem_that_a_call_can_name() -> None:
    assert set(PROBLEMS) == {problem(sign, low=low) for sign in (*FIELDS, *WHOLE) for low in (True, False)} - {None}


def test_canaries_tell_how_often_the_whole_path_stood(store: Store, load: Load, ask: Ask) -> None:
    begun = [event(0, "start", DAY, "canary-g1", id=f"canary-g1.hr.{k}") for k in range(2)]
    write(store, ALARMS, 1, begun)
    write(store, NOTIFICATIONS, 1, [told("canary-g1.hr.0", DAY + 250)])
    load()
    asked = "SELECT gateway, alarms, delivered, availability::float, max_s::float FROM canary_availability"
    assert ask(asked) == [("g1", 2, 1, 0.5, 0.25)]
    assert ask("SELECT * FROM alarm_timeline") == []


def test_the_fleet_says_what_waits_whose_clock_is_off_and_who_is_not_heard_any_more(
    store: Store, load: Load, ask: Ask
) -> None:
    now = now_ms()
    up = {"id": "g1", "kind": "gateway", "health": "up", "backlog": 3, "backlog_bytes": 5000, "rejected": 4}
    worse = up | {"t": now - 1500, "log_t": now, "backlog_since": now - 61_500, "offset_ms": -2500}
    gone = {"id": "g2", "kind": "gateway", "health": "up", "t": now - HOUR, "log_t": now - HOUR}
    write(store, STATUS, 1, [up | {"t": now - 60_000, "log_t": now - 60_000, "backlog_bytes": 9000}, worse, gone])
    load()
    asked = (
        "SELECT id, health, backlog_bytes, backlog_age_s::float, clock_s::float, offset_ms FROM fleet_state ORDER BY id"
    )
    assert ask(asked) == [("g1", "up", 5000, 60.0, 1.5, -2500), ("g2", "unknown", None, None, 0.0, None)]
    hour = (
        "SELECT max(backlog_bytes), max(clock_s)::float, max(device_clock_s)::float FROM fleet_hourly WHERE id = 'g1'"
    )
    assert ask(hour) == [(9000, 1.5, 2.5)]


def test_refusals_are_counted_by_who_told_of_them_and_why(store: Store, load: Load, ask: Ask) -> None:
    told = {"reported_by": "g1", "place": "devices/d1/vitals", "reason": "no frame", "t": DAY}
    rows = [told | {"source_offset": 1, "readings": 0}, told | {"source_offset": 2, "readings": 7}]
    write(store, REFUSED, 1, [*rows, told | {"source_offset": 3, "reason": "too old"}])
    load()
    asked = "SELECT reported_by, reason, refusals, readings FROM refusals_hourly ORDER BY reason"
    assert ask(asked) == [("g1", "no frame", 2, 7), ("g1", "too old", 1, 0)]


def test_loads_count_repeats_rejects_and_losses(store: Store, load: Load, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0), reading(0)], rejected=3, lost={0: (4, 6)})
    load()
    assert ask("SELECT archived, loaded, rejected, lost FROM loads WHERE topic = 'vitals.scored'") == [(2, 1, 3, 3)]
    assert ask("SELECT newest > timestamp '2020-01-01' FROM loads") == [(True,)]


def test_every_view_of_nothing_is_empty(load: Load, ask: Ask) -> None:
    load()
    assert {view: ask(f"SELECT * FROM {view}") for view in VIEWS} == {view: [] for view in VIEWS}  # noqa: S608 - ours


def test_a_table_of_an_earlier_version_takes_the_key_of_this_one_and_keeps_its_rows(
    store: Store, load: Load, ask: Ask, url: str
) -> None:
    write(store, NOTIFICATIONS, 1, [told("a", DAY + 4000, sns=None)])
    load()
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE notifications DROP CONSTRAINT notifications_pkey")
        connection.execute("ALTER TABLE notifications ADD PRIMARY KEY (alarm, n, contact, handover)")
        connection.execute("UPDATE schema_log SET digest = 'of an earlier version'")
    write(store, NOTIFICATIONS, 2, [told("a", DAY + 61_000)])
    load()
    assert ask("SELECT sns FROM notifications ORDER BY accepted") == [(None,), ("m",)]


def test_a_view_of_somebody_elses_on_ours_is_named_when_the_views_change(
    store: Store, load: Load, ask: Ask, url: str
) -> None:
    load()
    load()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE VIEW of_the_ward AS SELECT ward FROM ward_census")
        connection.execute("UPDATE schema_log SET digest = 'of an earlier version'")
    with pytest.raises(WarehouseError, match="of_the_ward"):
        Loader(open_warehouse(url), store).turn(threading.Event())
    assert ask("SELECT count(*) FROM ward_census") == [(0,)]
