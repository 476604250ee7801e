"""Questions of ADT at the page's API."""

import msgspec

from cloud.admissions.adt.records import Doubt, PersonFile, Question
from cloud.console.auth.accounts import Role
from cloud.kafka.port import Record
from tests.console.conftest import Client
from tests.console.stage import Stage
from vitals.wire import topics


def ask(stage: Stage, *questions: Question) -> None:
    file = PersonFile(patient="p-00001", questions=questions)
    assert stage.parts.topics.take(Record(topics.ADT, 0, 0, 1, b"p-00001", msgspec.json.encode(file))) is None


def question(name: str, ward: str, doubt: Doubt = Doubt.SIGNS_ARRIVE) -> Question:
    return Question(id=name, doubt=doubt, patient="p-00001", t=1, asked=2, ward=ward, bed="icu-01", text="Discharge?")


def test_a_nurse_sees_and_answers_the_questions_of_her_ward_alone(client: Client, stage: Stage) -> None:
    ask(stage, question("q1", "icu"), question("q2", "med"), question("q3", "", Doubt.UNREADABLE))
    bela = client("bela", icu=Role.NURSE)
    found = bela.get("/api/admissions/questions").json()["questions"]
    assert [(q["id"], q["doubt"], q["verdicts"]) for q in found] == [("q1", "signs-arrive", ["yes", "no"])]
    assert bela.post("/api/admissions/questions/q2", json={"verdict": "yes"}).status_code == 404
    assert bela.post("/api/admissions/questions/q1", json={"verdict": "same"}).status_code == 422
    assert bela.post("/api/admissions/questions/q1", json={"verdict": "yes"}).status_code == 202
    (written,) = stage.written(topics.ADT_ANSWERS)
    assert (written["question"], written["verdict"], written["by"]) == ("q1", "yes", "bela")
    seen = client("ada", everywhere=Role.NURSE).get("/api/admissions/questions").json()["questions"]
    assert [q["id"] for q in seen] == ["q1", "q2", "q3"]


def test_a_viewer_sees_questions_and_answers_none(client: Client, stage: Stage) -> None:
    ask(stage, question("q1", "icu"))
    vera = client("vera", icu=Role.VIEWER)
    assert len(vera.get("/api/admissions/questions").json()["questions"]) == 1
    assert vera.post("/api/admissions/questions/q1", json={"verdict": "yes"}).status_code == 403
    assert stage.written(topics.ADT_ANSWERS) == []


def test_a_question_that_is_settled_or_erased_disappears(client: Client, stage: Stage) -> None:
    bela = client("bela", icu=Role.NURSE)
    for value in (msgspec.json.encode(PersonFile(patient="p-00001")), None):
        ask(stage, question("q1", "icu"))
        stage.parts.topics.take(Record(topics.ADT, 0, 1, 1, b"p-00001", value))
        assert bela.get("/api/admissions/questions").json()["questions"] == []
