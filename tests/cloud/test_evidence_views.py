"""Views of delivery, answers and burden against a plain count of the same drawn rows, on a real PostgreSQL."""

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cloud.lake import open_lake
from cloud.lake.schema import ACTIONS, ALARMS, NOTIFICATIONS
from cloud.warehouse import open_warehouse
from cloud.warehouse.job import Loader
from tests.cloud.evidence_rows import PEOPLE, Life, Row, drawn
from tests.cloud.warehouse import HOUR, Ask, write

MINUTE = 60_000


def at(ms: int | None) -> datetime | None:
    """A time as the warehouse returns it."""
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)


def day(ms: int) -> datetime | None:
    return at(ms - ms % (24 * HOUR))


def share(values: Sequence[float], part: float) -> float | None:
    """The value below which a part of the values lies, between the two nearest."""
    if not values:
        return None
    ranked, place = sorted(values), part * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (ranked[high] - ranked[low]) * (place - low)


def near(rows: Iterable[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Rows in one order, with numbers to the thousandth."""
    plain = [
        tuple(c if c is None or isinstance(c, str | bool | datetime) else round(float(c), 3) for c in r) for r in rows
    ]
    return sorted(plain, key=repr)


@pytest.fixture(scope="module", params=[23, 191])
def life(request: pytest.FixtureRequest) -> Life:
    return drawn(request.param)


@pytest.fixture(scope="module")
def ask(life: Life, tmp_path_factory: pytest.TempPathFactory, postgres: str) -> Iterator[Ask]:
    """Asks a database of this module's own, with the drawn rows."""
    name = f"evidence_{uuid4().hex}"
    url = f"{postgres.rpartition('/')[0]}/{name}"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}")
        store = open_lake((tmp_path_factory.mktemp("lake") / "lake").as_uri())
        write(store, ALARMS, 1, life.alarms)
        write(store, NOTIFICATIONS, 1, life.notifications)
        write(store, ACTIONS, 1, life.actions)
        assert Loader(open_warehouse(url), store).turn(threading.Event()) == 0
        with psycopg.connect(url) as connection:
            yield lambda query: connection.execute(query).fetchall()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def calls(step: Row) -> bool:
    """Whether a step calls a person, as the ward's messages do: never a low one; an incident's says so itself."""
    if step["priority"] == 1:
        return False
    if step["incident"]:
        return bool(step["call"])
    repeated = step["phase"] == "continue" and step["handover"] > 0
    begun = step["phase"] == "start" and step["inactivation"] != "acknowledged"
    return bool(repeated or begun or step["phase"] == "escalate")


def answer(step: Row) -> str | None:
    if step["inactivation"] == "acknowledged":
        return "acknowledged"
    if step.get("coming"):
        return "coming"
    return "cannot" if '"' in (step.get("declined") or "") else None


def marks(life: Life) -> dict[str, Row]:
    """The first mark of each incident."""
    found: dict[str, Row] = {}
    for mark in sorted(life.actions, key=lambda a: (a["t"], a["id"])):
        if mark["act"] == "not-actionable":
            found.setdefault(life.incident(mark["alarm"]), mark)
    return found


def answers(life: Life) -> list[Row]:
    """The first call of each incident, and the first answer from then on."""
    steps = defaultdict(list)
    for step in life.alarms:
        if not (step["patient"] or "").startswith("canary-"):
            steps[step["incident"] or step["id"]].append(step)
    found, marked = [], marks(life)
    for name, own in steps.items():
        ranked = sorted(own, key=lambda s: (s["log_t"], s["id"], s["n"]))
        calling = [s for s in ranked if calls(s)]
        if calling:
            first = calling[0]
            said = next((s for s in ranked if s["log_t"] >= first["log_t"] and answer(s)), None)
            passed = sum(s["call"] == "handover" or (s["phase"] == "continue" and s["handover"] > 0) for s in calling)
            found.append(
                {
                    "incident": name,
                    "first": first,
                    "said": said,
                    "calls": len(calling),
                    "handovers": passed,
                    "highest": max(s["priority"] for s in calling),
                    "mark": marked.get(name),
                }
            )
    return found


def waited(of: Row) -> float | None:
    return None if of["said"] is None else (of["said"]["log_t"] - of["first"]["log_t"]) / 1000


def sent(life: Life) -> list[Row]:
    """Messages that a service accepted, each with its first alarm."""
    groups, marked = defaultdict(list), marks(life)
    for row in life.notifications:
        if row["sns"] and not row["patient"].startswith("canary-"):
            groups[row["contact"], row["sns"]].append(row)
    found = []
    for (contact, sns), rows in groups.items():
        told = [r for r in rows if r["state"] in {None, "accepted"}]
        if not told:
            continue
        full = [
            r
            | {
                "priority": r["priority"] or life.step(r["alarm"], r["n"])["priority"],
                "ward": r["ward"] or life.step(r["alarm"], r["n"])["ward"],
            }
            for r in told
        ]
        lead = min(full, key=lambda r: (-r["priority"], r["t"], r["alarm"], r["n"], r["handover"]))
        # A state is recorded for one alarm of the message, and canaries have none.
        later = {
            r["state"]: r["accepted"]
            for r in life.notifications
            if (r["contact"], r["sns"]) == (contact, sns) and r["state"] not in {None, "accepted"}
        }
        whole = life.step(lead["alarm"], lead["n"])["incident"] or lead["alarm"]
        found.append(
            lead
            | {
                "alarms": len(told),
                "whole": "alarm" if any(not r["kind"] for r in told) else min(r["kind"] for r in told),
                "later": later,
                "useless": whole in marked,
            }
        )
    return found


def test_the_first_answer_to_each_call_is_found_wherever_it_was_given(life: Life, ask: Ask) -> None:
    expected = [
        (
            of["incident"],
            of["first"]["subject"],
            of["first"]["ward"],
            at(of["first"]["log_t"]),
            of["highest"],
            of["calls"],
            of["handovers"],
            at(of["said"] and of["said"]["log_t"]),
            of["said"] and answer(of["said"]),
            of["said"] and of["said"]["acted_by"],
            waited(of),
            at(of["mark"] and of["mark"]["t"]),
            of["mark"] and of["mark"]["acted_by"],
        )
        for of in answers(life)
    ]
    found = ask(
        "SELECT incident, subject, ward, called, highest_priority, calls, handovers, answered, answer, answered_by, "
        "to_answer_s, marked, marked_by FROM call_answers"
    )
    assert near(found) == near(expected)
    assert {row[8] for row in expected} == {None, "acknowledged", "coming", "cannot"}
    assert any(row[12] for row in expected)


def test_answers_of_a_day_are_counted_by_the_ward_of_the_first_call(life: Life, ask: Ask) -> None:
    groups = defaultdict(list)
    for of in answers(life):
        groups[day(of["first"]["log_t"]), of["first"]["ward"], of["highest"]].append(of)
    expected = []
    for key, own in groups.items():
        times = [s for s in map(waited, own) if s is not None]
        useless, passed = sum(of["mark"] is not None for of in own), sum(of["handovers"] > 0 for of in own)
        expected.append(
            (
                *key,
                len(own),
                len(times),
                len(times) / len(own),
                share(times, 0.5),
                share(times, 0.9),
                max(times, default=None),
                passed,
                useless,
                useless / len(own),
            )
        )
    assert near(ask("SELECT * FROM answers_per_day")) == near(expected)


def test_a_message_is_one_however_many_alarms_it_tells_of(life: Life, ask: Ask) -> None:
    expected = [
        (
            m["contact"],
            m["sns"],
            m["whole"],
            m["alarm"],
            m["ward"],
            m["priority"],
            m["alarms"],
            at(m["accepted"]),
            *(at(m["later"].get(s)) for s in ("delivered", "failed", "opened", "answered")),
            (m["accepted"] - m["t"]) / 1000,
            m["useless"],
        )
        for m in sent(life)
    ]
    found = ask(
        "SELECT contact, message, kind, alarm, ward, priority, alarms, accepted, delivered, undelivered, opened, "
        "answered, latency_s, not_actionable FROM messages_to_people"
    )
    assert near(found) == near(expected)
    assert {row[2] for row in expected} == {"alarm", "courtesy", "proof"}
    assert {row[13] for row in expected} == {True, False}


def test_reach_and_latency_are_of_messages_about_alarms_by_day_ward_and_person(life: Life, ask: Ask) -> None:
    groups = defaultdict(list)
    for m in sent(life):
        if m["whole"] == "alarm":
            groups[day(m["accepted"]), m["ward"], m["contact"], m["priority"]].append(m)
    reach, latency = [], []
    for key, own in groups.items():
        count = [sum(s in m["later"] for m in own) for s in ("delivered", "failed", "opened", "answered")]
        reached = sum("opened" in m["later"] or "answered" in m["later"] for m in own)
        times = [(m["later"]["answered"] - m["accepted"]) / 1000 for m in own if "answered" in m["later"]]
        reach.append(
            (
                *key,
                len(own),
                *count,
                reached,
                reached / len(own),
                count[3] / len(own),
                share(times, 0.5),
                share(times, 0.9),
                max(times, default=None),
                sum(m["useless"] for m in own),
            )
        )
        waits = [(m["accepted"] - m["t"]) / 1000 for m in own]
        latency.append((*key, len(own), share(waits, 0.5), share(waits, 0.99), max(waits)))
    assert near(ask("SELECT * FROM message_reach")) == near(reach)
    assert near(ask("SELECT * FROM message_latency")) == near(latency)
    assert {row[9] > 0 for row in reach} == {True, False}


def test_a_person_is_without_a_message_until_a_channel_takes_it(life: Life, ask: Ask) -> None:
    def key(row: Row) -> tuple[Any, ...]:
        return row["alarm"], row["n"], row["contact"], row["handover"]

    taken = {key(r) for r in life.notifications if r["sns"]}
    expected: dict[tuple[Any, ...], Row] = {}
    for row in sorted(life.notifications, key=lambda r: r["accepted"]):
        if not row["sns"] and key(row) not in taken and not row["patient"].startswith("canary-"):
            expected.setdefault(key(row), row)
    found = ask("SELECT contact, alarm, failed, error FROM messages_unsent")
    assert near(found) == near((r["contact"], r["alarm"], at(r["accepted"]), r["error"]) for r in expected.values())
    assert len({key(r) for r in life.notifications if not r["sns"]}) > len(expected) > 0


def test_a_persons_hours_count_the_messages_of_all_wards(life: Life, ask: Ask) -> None:
    wards = defaultdict(list)
    persons: dict[tuple[Any, ...], int] = defaultdict(int)
    for m in sent(life):
        hour = at(m["accepted"] - m["accepted"] % HOUR)
        wards[hour, m["contact"], m["ward"]].append(m)
        persons[hour, m["contact"]] += 1
    expected = [
        (
            hour,
            contact,
            ward,
            len(own),
            sum(m["whole"] != "alarm" for m in own),
            persons[hour, contact],
            persons[hour, contact] > 6,
        )
        for (hour, contact, ward), own in wards.items()
    ]
    assert near(ask("SELECT * FROM messages_per_hour")) == near(expected)
    assert {row[6] for row in expected} == {True, False}


def test_a_flood_is_ten_messages_in_ten_minutes_wherever_these_begin(life: Life, ask: Ask) -> None:
    expected: list[tuple[Any, ...]] = []
    for contact in PEOPLE:
        times = sorted(m["accepted"] for m in sent(life) if m["contact"] == contact)
        windows = [(t, max(u for u in times if t <= u <= t + 10 * MINUTE)) for t in times]
        full = [(b, e) for b, e in windows if sum(b <= u <= e for u in times) >= 10]
        floods: list[list[int]] = []
        for begin, end in full:
            if floods and begin <= floods[-1][1]:
                floods[-1][1] = max(end, floods[-1][1])
            else:
                floods.append([begin, end])
        expected += [(contact, at(b), at(e), sum(b <= u <= e for u in times)) for b, e in floods]
    assert near(ask("SELECT contact, begins, ends, messages FROM message_floods")) == near(expected)
    assert len(expected) > 1
