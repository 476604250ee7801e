"""Every question's SQL on a real PostgreSQL with a ward's data, and held against what Redshift lacks."""

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from cloud.dashboards.board_files import Board, Question, boards
from cloud.lake import open_lake
from cloud.lake.schema import ACTIONS, ALARMS, NOTIFICATIONS, PATIENTS, REFUSED, STATUS, VITALS
from cloud.warehouse import open_warehouse
from cloud.warehouse.job import Loader
from tests.cloud.test_warehouse_sql import DENIED
from tests.cloud.warehouse import HOUR, write

QUESTIONS = [(board, question) for board in boards() for question in board.questions]
NAMES = [f"{board.key}/{question.key}" for board, question in QUESTIONS]
CHOSEN = {"patient": "p1", "ward": "w1", "gateway": "g1", "contact": "anna"}


def as_metabase_asks(board: Board, question: Question, chosen: dict[str, str]) -> str:
    """The SQL as Metabase fills it in: empty filters take their [[…]] with them."""
    values = {one.slug: chosen.get(one.slug, one.default) for one in board.filters}

    def literal(match: re.Match[str]) -> str:
        value = values[match[1]]
        assert value is not None, f"{match[1]} is empty and stands outside of [[ ]]"
        return str(value) if board.filter(match[1]).kind == "number" else f"'{value}'"

    def optional(match: re.Match[str]) -> str:
        return match[1] if all(values[slug] is not None for slug in re.findall(r"\{\{(\w+)\}\}", match[1])) else ""

    return re.sub(r"\{\{(\w+)\}\}", literal, re.sub(r"\[\[(.*?)\]\]", optional, question.query, flags=re.DOTALL))


@pytest.fixture(scope="module")
def warehouse(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection[Any]]:
    name = "dashboards"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = postgres.rsplit("/", 1)[0] + f"/{name}"
    fill(url, tmp_path_factory.mktemp("lake"))
    with psycopg.connect(url) as connection:
        yield connection
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def fill(url: str, folder: Path) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    store = open_lake(folder.as_uri())
    admitted = {"version": 1, "name": "Ada", "ward": "w1", "gateway": "g1", "cadence_s": 60.0, "log_t": now - HOUR}
    admitted |= {"since": now - HOUR, "canary": False, "oxygen": False, "scale2": False}
    write(
        store, PATIENTS, 1,
        [admitted | {"patient": "p1", "bed": "b1"}, admitted | {"patient": "p2", "ward": "w2", "bed": "b2"},
         admitted | {"patient": "canary-g1", "bed": "canary", "canary": True}],
    )  # fmt: skip
    read = {"boot": 7, "gateway": "g1", "hr": 130.0, "spo2": 97.0, "suspect": 0, "limits": "adult", "news2": 0}
    write(
        store, VITALS, 1,
        [read | {"device": "d1", "seq": s, "patient": p, "ward": w, "bed": b, "t": now - 60_000 * s,
                 "t_gw": now - 60_000 * s, "log_t": now - 60_000 * s + 200}
         for p, w, b in (("p1", "w1", "b1"), ("p2", "w2", "b2")) for s in range(1, 20)],
    )  # fmt: skip
    alarm = {
        "id": "p1.hr.1",
        "subject": "p1",
        "patient": "p1",
        "ward": "w1",
        "bed": "b1",
        "priority": 3,
        "gateway": "g1",
    }
    alarm |= {"condition": "hr", "kind": "physiological", "state": "active", "inactivation": "enabled", "handover": 0}
    alarm |= {"started": now - 60_000, "value": 130.0, "crossed": 120.0, "message": "HR 130", "log_t": now - 60_000}
    canary = alarm | {"id": "c", "subject": "canary-g1", "patient": "canary-g1", "priority": 2}
    write(
        store, ALARMS, 1,
        [alarm | {"n": 0, "phase": "start", "t": now - 60_000},
         alarm | {"n": 1, "phase": "update", "inactivation": "acknowledged", "t": now, "log_t": now},
         canary | {"n": 0, "phase": "start", "t": now - 60_000}],
    )  # fmt: skip
    sent = {"n": 0, "contact": "anna", "handover": 0, "sns": "m", "accepted": now - 59_000, "t": now - 60_000}
    write(
        store,
        NOTIFICATIONS,
        1,
        [
            sent | {"alarm": "p1.hr.1", "patient": "p1"},
            sent | {"alarm": "c", "patient": "canary-g1"},
            sent | {"alarm": "p1.spo2.1", "patient": "p1", "ward": "w1", "sns": None},
            *(
                sent | {"alarm": "p1.hr.1", "patient": "p1", "sns": f"m{k}", "accepted": now - 58_000 + k}
                for k in range(9)
            ),
        ],
    )
    mark = {"id": "a", "act": "not-actionable", "patient": "p1", "t": now, "acted_by": "anna", "alarm": "p1.hr.1"}
    write(store, ACTIONS, 1, [mark])
    told = {"id": "g1", "kind": "gateway", "health": "up", "t": now, "log_t": now + 20, "backlog": 2}
    write(store, STATUS, 1, [told | {"backlog_bytes": 9000, "backlog_since": now - 5000, "offset_ms": -1200}])
    write(store, REFUSED, 1, [{"reported_by": "g1", "place": "devices/d1/vitals", "reason": "no frame", "t": now}])
    assert Loader(open_warehouse(url), store).turn(threading.Event()) == 0


@pytest.mark.parametrize("chosen", [{}, CHOSEN], ids=["all", "chosen"])
@pytest.mark.parametrize(("board", "question"), QUESTIONS, ids=NAMES)
def test_a_question_answers_with_the_columns_that_it_draws(
    warehouse: psycopg.Connection[Any], board: Board, question: Question, chosen: dict[str, str]
) -> None:
    with warehouse.transaction():
        answer = warehouse.execute(as_metabase_asks(board, question, chosen).encode())
        rows = answer.fetchall()
        columns = [one.name for one in answer.description or ()]
    assert rows or question.key == "news2"
    assert set(question.x) | set(question.drawn) <= set(columns)
    for one in board.filters:
        if one.values == f"{board.key}/{question.key}":
            assert one.slug in columns


@pytest.mark.parametrize(("board", "question"), QUESTIONS, ids=NAMES)
def test_no_question_uses_what_redshift_lacks(board: Board, question: Question) -> None:
    text = " ".join(as_metabase_asks(board, question, CHOSEN).lower().split())
    assert not [word for word in re.split("; ", " ".join(DENIED.split())) if word in text]


def test_a_patient_chosen_is_the_only_one_that_is_answered_for(warehouse: psycopg.Connection[Any]) -> None:
    (board,) = (one for one in boards() if one.key == "patient")
    (question,) = (one for one in board.questions if one.key == "latest-table")
    with warehouse.transaction():
        rows = warehouse.execute(as_metabase_asks(board, question, CHOSEN).encode()).fetchall()
    assert [row[2] for row in rows] == ["p1"]


def test_a_canary_is_in_no_count_of_patients_alarms(warehouse: psycopg.Connection[Any]) -> None:
    (board,) = (one for one in boards() if one.key == "patient")
    for question in board.questions:
        with warehouse.transaction():
            rows = warehouse.execute(as_metabase_asks(board, question, {}).encode()).fetchall()
        assert "canary-g1" not in str(rows)
