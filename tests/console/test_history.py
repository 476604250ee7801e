"""The page's questions to the warehouse, on PostgreSQL."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from cloud.console.ward_rows import WardRows
from cloud.console.warehouse_history import HistoryDownError, WarehouseHistory
from cloud.console.warehouse_values import stamp
from cloud.warehouse import open_warehouse, prepare
from vitals.limits import ADULT, Limit, with_overrides
from vitals.signs import FIELDS, SUSPECT_BITS, Suspect

T0 = 1_763_812_800_000
PATIENT = "p-console'; DROP TABLE vitals; --"
"""Texts that reach the warehouse are values, never SQL."""
MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture(scope="module")
def history(postgres: str) -> Iterator[WarehouseHistory]:
    """Ten minutes of one patient, a reading a second, in a database of its own."""
    name = "console_history"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name}")
        server.execute(f"CREATE DATABASE {name}")
    url = postgres.rsplit("/", 1)[0] + f"/{name}"
    warehouse = open_warehouse(url)
    with warehouse.connect() as connection:
        prepare(warehouse, connection)
    with psycopg.connect(url, autocommit=True) as db:
        for second in range(600):
            insert(db, "vitals", reading(second))
        for n, phase in enumerate(("start", "end")):
            insert(db, "alarms", alarm(n, phase))
        insert(db, "notifications", {
            "alarm": "a", "n": 0, "patient": PATIENT, "contact": "nurse", "handover": 0, "sns": "1",
            "channels": '["sms"]', "sms": "x",
            "t": stamp(T0), "accepted": stamp(T0 + 300), "source_partition": 0, "source_offset": 1,
        })  # fmt: skip
        insert(db, "patients", version())
        insert(db, "actions", {
            "id": "x", "act": "chart", "patient": PATIENT, "t": stamp(T0 + 5), "acted_by": "bela", "pause_s": 120,
            "oxygen": True, "consciousness": "C", "log_t": stamp(T0), "source_partition": 0, "source_offset": 1,
        })  # fmt: skip
    yield WarehouseHistory(url)
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def insert(db: psycopg.Connection[Any], table: str, row: dict[str, Any]) -> None:
    names = ", ".join(row)
    values = ", ".join(["%s"] * len(row))
    statement = f"INSERT INTO {table} ({names}) VALUES ({values})"  # noqa: S608 - our own names
    db.execute(statement, list(row.values()))  # type: ignore[call-overload] # psycopg wants literals alone


def reading(second: int) -> dict[str, Any]:
    """SpO2 falls by one a minute; each tenth heart rate is an artefact of 290; after five minutes the limits change."""
    spike = second % 10 == 0
    limits = with_overrides(ADULT, {"spo2": Limit(80, 88, None, None, 15)})
    return {
        "patient": PATIENT, "device": "console-d", "gateway": "g", "ward": "w", "bed": "b", "boot": 1, "seq": second,
        "t": stamp(T0 + 1000 * second), "t_gw": stamp(T0 + 1000 * second), "log_t": stamp(T0 + 1000 * second),
        "suspect": int(Suspect.SPIKE) << (SUSPECT_BITS * FIELDS.index("hr")) if spike else 0, "limits": "adult",
        "limit_set": json.dumps(limits.wire()) if second >= 300 else None,
        "source_partition": 0, "source_offset": second,
        "hr": 290 if spike else 72, "spo2": 97 - second // 60,
    }  # fmt: skip


def alarm(n: int, phase: str) -> dict[str, Any]:
    return {
        "id": "a", "n": n, "subject": PATIENT, "condition": "spo2", "kind": "physiological", "priority": 3,
        "phase": phase, "state": "active", "inactivation": "enabled", "started": stamp(T0), "t": stamp(T0 + n),
        "log_t": stamp(T0), "message": "SpO2 84 %", "patient": PATIENT,
        "handover": 0, "source_partition": 0, "source_offset": n,
    }  # fmt: skip


def version() -> dict[str, Any]:
    own = {"spo2": msgspec.to_builtins(Limit(80, 88, None, None, 15))}
    return {
        "patient": "p-1", "version": 1, "name": "Ada", "born": "1950-01-01", "phone": "", "address": "", "ward": "w",
        "bed": "b", "gateway": "g", "devices": '["console-d"]', "since": stamp(T0 - HOUR), "cadence_s": 1.0,
        "cuff_s": 0.0, "profile": "adult", "overrides": json.dumps(own), "scale2": False, "oxygen": False,
        "canary": False, "news2": True, "log_t": stamp(T0 - HOUR), "source_partition": 0, "source_offset": 1,
    }  # fmt: skip


def test_a_trend_is_the_mean_of_trusted_values_over_equal_spans(history: WarehouseHistory) -> None:
    points = history.trend(PATIENT, T0, T0 + 6 * 60 * MINUTE)
    assert [p["t"] for p in points] == [T0 + k * MINUTE for k in range(10)]
    assert [p["spo2"][0] for p in points] == [97 - k for k in range(10)]
    # An artefact is no heart rate.
    assert {tuple(p["hr"]) for p in points} == {(72.0, 72.0, 72.0)}
    assert all("temp" not in p for p in points)


def test_the_limits_in_force_are_told_with_the_time_of_each_change(history: WarehouseHistory) -> None:
    first, second = history.limits(PATIENT, T0, T0 + 60 * MINUTE)
    assert (first["t"], first["signs"]["spo2"]) == (T0, [85, 90, None, None])
    assert (second["t"], second["signs"]["spo2"]) == (T0 + 5 * MINUTE, [80, 88, None, None])


def test_alarms_messages_and_actions_come_oldest_first_with_times_in_ms(history: WarehouseHistory) -> None:
    span = (T0 - 1, T0 + MINUTE)
    assert [(a["n"], a["phase"], a["t"]) for a in history.alarms(PATIENT, *span)] == [
        (0, "start", T0),
        (1, "end", T0 + 1),
    ]
    assert [(m["contact"], m["accepted"]) for m in history.notifications(PATIENT, *span)] == [("nurse", T0 + 300)]
    assert [(a["act"], a["oxygen"], a["consciousness"]) for a in history.actions(PATIENT, *span)] == [
        ("chart", True, "C")
    ]


def test_readings_come_newest_first_page_by_page(history: WarehouseHistory) -> None:
    span = (T0, T0 + MINUTE)
    pages = [history.readings(PATIENT, *span, limit=25, offset=offset) for offset in (0, 25, 50, 75)]
    assert [r["seq"] for page in pages for r in page] == list(range(59, -1, -1))
    assert pages[0][0]["t"] == T0 + 59_000
    assert pages[0][0].keys() >= set(FIELDS)


def test_readings_come_oldest_first_and_by_the_time_of_storage_and_are_counted(history: WarehouseHistory) -> None:
    span, stored = (T0, T0 + MINUTE), (T0 + 10_000, T0 + 20_000)
    found = history.readings(PATIENT, *span, limit=25, offset=0, oldest_first=True, stored=stored)
    assert [r["seq"] for r in found] == list(range(10, 20))
    assert found[0]["log_t"] == T0 + 10_000
    groups = [("hr",), ("temp",), ("sbp", "dbp", "map")]
    assert history.count(PATIENT, *span, groups, stored) == 10
    assert history.count(PATIENT, *span, [("hr",), ("spo2",)]) == 120
    assert history.count("nobody", *span, groups) == 0


def test_another_patients_rows_and_other_times_stay_out(history: WarehouseHistory) -> None:
    assert history.readings("nobody", T0, T0 + MINUTE, limit=9, offset=0) == []
    assert history.trend(PATIENT, T0 - 60 * MINUTE, T0) == []


def test_the_history_of_a_ward_has_the_records_as_they_were_sent(history: WarehouseHistory) -> None:
    rows = history.ward([PATIENT, "p-1", "nobody"], T0 - HOUR, T0 + HOUR, HOUR)
    (minutes,) = rows.minutes.values()
    assert [(m.t, m.values["spo2"]) for m in minutes] == [
        (T0 + k * MINUTE, (97.0 - k, 97.0 - k, 97.0 - k)) for k in range(10)
    ]
    # An artefact is no heart rate.
    assert {m.values["hr"] for m in minutes} == {(72.0, 72.0, 72.0)}
    assert [(e.id, e.n, e.phase, e.t) for e in rows.events] == [("a", 0, "start", T0), ("a", 1, "end", T0 + 1)]
    assert [(m.contact, m.channels, m.accepted) for m in rows.messages] == [("nurse", ("sms",), T0 + 300)]
    assert [(a.act, a.consciousness) for a in rows.actions] == [("chart", "C")]
    ((log_t, person),) = rows.versions["p-1"]
    assert (log_t, person.bed, person.overrides) == (T0 - HOUR, "b", {"spo2": Limit(80, 88, None, None, 15)})
    assert rows.unreadable == 0
    assert history.ward(["nobody"], T0, T0 + HOUR, 0) == WardRows(events=[], messages=[], actions=[])


def test_a_charting_from_before_the_shift_still_counts(history: WarehouseHistory) -> None:
    rows = history.ward([PATIENT], T0 + HOUR, T0 + 2 * HOUR, 0)
    assert [a.consciousness for a in rows.actions] == ["C"]
    assert (rows.minutes, rows.events) == ({}, [])


def test_a_row_that_is_no_record_any_more_is_counted(history: WarehouseHistory) -> None:
    with psycopg.connect(history._url, autocommit=True) as db:
        insert(db, "alarms", alarm(7, "a phase of another version"))
        rows = history.ward([PATIENT], T0 - HOUR, T0 + HOUR, 0)
        db.execute("DELETE FROM alarms WHERE n = 7")
    assert (rows.unreadable, len(rows.events)) == (1, 2)


def test_the_page_cannot_write_to_the_warehouse(history: WarehouseHistory) -> None:
    with pytest.raises(HistoryDownError, match="read-only"):
        history._ask("DELETE FROM vitals WHERE patient = %s AND t >= %s AND t < %s", PATIENT, T0, T0 + MINUTE)


def test_a_warehouse_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(HistoryDownError, match="does not answer") as told:
        WarehouseHistory("postgresql://127.0.0.1:1/nothing").alarms("p", T0, T0 + 1)
    assert "\n" not in str(told.value)


def test_only_a_warehouse_is_accepted() -> None:
    with pytest.raises(ValueError, match="WAREHOUSE must be"):
        WarehouseHistory("mysql://somewhere/else")
