"""`python -m cloud dashboards` against a strict Metabase of our own, by its real command."""

from collections.abc import Iterator

import pytest

from cloud.dashboards import metabase_payloads
from cloud.dashboards.board_files import BoardError, boards, read
from cloud.dashboards.job import CHANGED_BY_HAND, run
from tests.dashboards.strict_metabase import API_KEY, EMAIL, PASSWORD, StrictMetabase, serving

WAREHOUSE = "postgresql://reader:secret@warehouse.example:5432/vitals"
BY_KEY = {"METABASE_WAREHOUSE": WAREHOUSE, "METABASE_API_KEY": API_KEY}
BY_PERSON = {"METABASE_WAREHOUSE": WAREHOUSE, "METABASE_EMAIL": EMAIL, "METABASE_PASSWORD": PASSWORD}
QUESTIONS = sum(len(board.questions) for board in boards())
BOARDS = len(boards())


@pytest.fixture
def metabase() -> Iterator[StrictMetabase]:
    with serving(StrictMetabase()) as running:
        yield running


def provision(metabase: StrictMetabase, *words: str) -> int:
    return run(["--metabase", metabase.url, *words], BY_KEY)


def test_a_fresh_metabase_gets_every_question_and_dashboard(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert provision(metabase) == 0
    assert len(metabase.held["card"]) == QUESTIONS
    assert {one["name"] for one in metabase.held["dashboard"].values()} == {board.name for board in boards()}
    for board in boards():
        shown = metabase.only("dashboard", board.name)["dashcards"]
        assert [metabase.held["card"][one["card_id"]]["name"] for one in shown] == [q.name for q in board.questions]
    assert len(metabase.synced) == 1
    assert f"{QUESTIONS + BOARDS + 2} created" in capsys.readouterr().out


def test_a_second_run_writes_nothing(metabase: StrictMetabase, capsys: pytest.CaptureFixture[str]) -> None:
    provision(metabase)
    written = len(metabase.requests)
    assert provision(metabase) == 0
    assert len(metabase.requests) == written
    assert capsys.readouterr().out.splitlines()[-1] == f"{QUESTIONS + BOARDS + 2} unchanged"


def test_a_new_metabase_is_set_up_first_and_signed_in_to_afterwards() -> None:
    with serving(StrictMetabase(is_set_up=False)) as fresh:
        assert run(["--metabase", fresh.url], BY_PERSON) == 0
        assert run(["--metabase", fresh.url], BY_PERSON) == 0
    assert [path for _, path, _ in fresh.requests].count("/api/setup") == 1
    assert fresh.requests[-1][1] == "/api/session"


@pytest.mark.parametrize("kind", ["card", "dashboard"])
def test_what_a_person_changed_is_told_and_left_until_one_says_otherwise(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    provision(metabase)
    name = "Patients now" if kind == "card" else "Ward"
    held = metabase.only(kind, name)
    if kind == "card":
        held["display"] = "scalar"
    else:
        held["dashcards"] = held["dashcards"][1:]
    capsys.readouterr()
    assert provision(metabase) == CHANGED_BY_HAND
    told = capsys.readouterr()
    assert ("ward/census" if kind == "card" else "ward") in told.err
    assert f"{QUESTIONS + BOARDS + 1} unchanged, 1 changed by hand" in told.out
    assert provision(metabase, "--overwrite") == 0
    assert provision(metabase) == 0
    held = metabase.only(kind, name)
    assert held["display"] == "table" if kind == "card" else len(held["dashcards"]) == 7


def test_a_change_of_the_declaration_reaches_what_nobody_has_touched(
    metabase: StrictMetabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(metabase)
    monkeypatch.setitem(metabase_payloads.card.__globals__, "_drawing", lambda _: {"table.pivot": False})
    capsys.readouterr()
    assert provision(metabase) == 0
    assert f"{QUESTIONS} updated, {BOARDS + 2} unchanged" in capsys.readouterr().out
    assert len(metabase.held["card"]) == QUESTIONS


@pytest.mark.parametrize("after", [0, 1, 2, 4, 5, 40, 60])
def test_a_run_that_was_cut_off_is_finished_by_the_next(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str], after: int
) -> None:
    metabase.refuse_after = after
    assert provision(metabase) == 1
    assert "run this again once it is mended" in capsys.readouterr().err
    metabase.refuse_after = None
    assert provision(metabase) == 0
    assert len(metabase.held["card"]) == QUESTIONS
    assert provision(metabase) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{QUESTIONS + BOARDS + 2} unchanged"


def test_a_copy_that_bears_our_mark_is_refused_by_name(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(metabase)
    metabase._add("card", dict(metabase.only("card", "Patients now")))
    assert provision(metabase) == 1
    assert "two cards" in capsys.readouterr().err


def test_another_warehouse_is_told_and_changed_only_on_demand(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str]
) -> None:
    provision(metabase)
    moved = BY_KEY | {"METABASE_WAREHOUSE": "redshift://reader:secret@cluster.example/vitals"}
    assert run(["--metabase", metabase.url], moved) == CHANGED_BY_HAND
    assert "database" in capsys.readouterr().err
    assert run(["--metabase", metabase.url, "--overwrite"], moved) == 0
    held = metabase.only("database", "Wardwatch")
    assert (held["engine"], held["details"]["port"], held["details"]["db"]) == ("redshift", 5439, "vitals")


def test_what_is_not_ours_in_the_collection_is_left_alone(metabase: StrictMetabase) -> None:
    provision(metabase)
    theirs = metabase._add("card", metabase.only("card", "Patients now") | {"name": "Mine", "description": "my own"})
    before = dict(theirs)
    assert provision(metabase, "--overwrite") == 0
    assert theirs == before


def test_a_wrong_password_and_no_metabase_at_all_are_told_apart(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--metabase", metabase.url], BY_PERSON | {"METABASE_PASSWORD": "wrong"}) == 1
    assert "administrator's e-mail and password" in capsys.readouterr().err
    assert run(["--metabase", "http://127.0.0.1:9"], BY_KEY) == 1
    assert "Is Metabase running" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        ({}, "METABASE_WAREHOUSE is not set"),
        ({"METABASE_WAREHOUSE": WAREHOUSE}, "METABASE_API_KEY"),
        (BY_KEY | {"METABASE_WAREHOUSE": "mysql://a:b@c/d"}, "postgresql:// or redshift://"),
    ],
)
def test_a_wrong_setting_says_what_to_set(
    metabase: StrictMetabase, capsys: pytest.CaptureFixture[str], environ: dict[str, str], hint: str
) -> None:
    assert run(["--metabase", metabase.url], environ) == 1
    assert hint in capsys.readouterr().err
    assert not metabase.requests


BOARD = """
key = "one"
name = "One"
description = "d"
[[filters]]
slug = "ward"
name = "Ward"
[[questions]]
key = "q"
name = "Q"
display = "table"
sql = "SELECT 1 WHERE {{ward}} = 'w'"
"""


@pytest.mark.parametrize(
    ("wrong", "by", "hint"),
    [
        ('display = "table"', 'display = "hologram"', "hologram"),
        ("{{ward}}", "{{wing}}", "no filter"),
        ('name = "Q"', 'name = "Q"\ncolour = "red"', "unknown field"),
        ('name = "Ward"', 'name = "Ward"\nvalues = "two/q"', "not there"),
        ('key = "q"', "key = 7", "Expected `str`"),
    ],
)
def test_a_wrong_declaration_is_refused_with_its_place(wrong: str, by: str, hint: str) -> None:
    read({"one.toml": BOARD.encode()})
    with pytest.raises(BoardError, match=hint):
        read({"one.toml": BOARD.replace(wrong, by).encode()})


def test_questions_lie_side_by_side_and_never_on_each_other() -> None:
    for board in boards():
        taken: set[tuple[int, int]] = set()
        for question in board.questions:
            row, column = board.places()[question.key]
            cells = {(row + y, column + x) for x in range(question.width) for y in range(question.height)}
            assert not cells & taken
            assert column + question.width <= 24
            taken |= cells
