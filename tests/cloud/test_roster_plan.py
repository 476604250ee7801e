"""Roster file against the patients who are here: two guarantees, and no bed or device twice."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from cloud.admissions.admission_rows import OPTIONAL, REQUIRED
from cloud.admissions.roster_plan import Effect, Step
from cloud.admissions.roster_plan import plan as plan_of
from cloud.cli import admit
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission
from vitals.limits import Limit

NOW = 1_763_812_800_000


WHOLE = REQUIRED | OPTIONAL


def plan(rows: list[tuple[int, Admission]], known: dict[str, Admission], stated: frozenset[str] = WHOLE) -> list[Step]:
    """The plan of rows with a value in each of the stated columns."""
    return plan_of([(line, (row, stated)) for line, row in rows], known)


def person(patient: str, bed: str, **changes: object) -> Admission:
    values = {
        "patient": patient, "version": NOW, "name": "Ada Brandt", "born": "1958-03-21", "phone": "112", "address": "",
        "ward": "icu", "bed": bed, "gateway": "gw-icu", "devices": (f"mon-{bed}",), "since": NOW,
    }  # fmt: skip
    return Admission(**(values | changes))


def test_a_file_never_undoes_what_a_person_set_at_the_bed() -> None:
    narrow = {"spo2": Limit(85, 93, None, None, 15)}
    known = person("p-1", "b1", profile="copd", overrides=narrow, scale2=True, oxygen=True, since=NOW - 500)
    row = person(
        "p-1", "b1", phone="999", version=NOW + 9, since=NOW + 9, overrides={"hr": Limit(None, 60, None, None)}
    )
    (step,) = plan([(2, row)], {"p-1": known})
    assert (step.effect, step.changes) == (Effect.CHANGE, {"phone": ("112", "999")})
    assert set(step.kept) == {"profile", "overrides", "scale2", "oxygen"}
    assert step.admission == replace(known, phone="999", version=NOW + 9)


def test_a_file_that_says_only_other_limits_changes_nothing() -> None:
    known = person("p-1", "b1", overrides={"spo2": Limit(85, 93, None, None, 15)})
    (step,) = plan([(2, person("p-1", "b1", version=NOW + 9, since=NOW + 9))], {"p-1": known})
    assert (step.effect, step.kept, step.admission) == (Effect.SAME, ("overrides",), None)


def test_an_empty_cell_and_a_missing_column_change_nothing() -> None:
    known = person("p-1", "b1", phone="112", address="1 Elm Road", cadence_s=2.0, news2=False, profile="copd")
    row = person("p-1", "b2", phone="", address="", born="", cadence_s=30.0, devices=("mon-b1",))
    (step,) = plan([(2, row)], {"p-1": known}, REQUIRED)
    assert (step.changes, step.kept) == ({"bed": ("b1", "b2")}, ())
    assert step.admission == replace(known, bed="b2", version=NOW + 1)


def test_who_left_is_not_admitted_again() -> None:
    known = person("p-1", "b1", discharged=NOW - 1)
    (step,) = plan([(2, person("p-1", "b1", version=NOW + 9))], {"p-1": known})
    assert (step.effect, step.admission) == (Effect.LEFT, None)


def test_a_move_begins_a_stay_and_rises_the_version() -> None:
    known = person("p-1", "b1", version=NOW + 50)
    (step,) = plan([(2, person("p-1", "b2", devices=("mon-b1",), since=NOW + 9))], {"p-1": known})
    assert step.changes == {"bed": ("b1", "b2")}
    assert step.admission is not None
    assert (step.admission.since, step.admission.version) == (NOW + 9, NOW + 51)


def test_two_patients_change_places_in_one_file_and_a_bed_of_who_stays_is_refused() -> None:
    a, b, c = person("p-a", "b1"), person("p-b", "b2"), person("p-c", "b3")
    known = {one.patient: one for one in (a, b, c)}
    swapped = plan(
        [(2, replace(a, bed="b2", devices=("mon-b2",))), (3, replace(b, bed="b1", devices=("mon-b1",)))], known
    )
    assert [step.effect for step in swapped] == [Effect.CHANGE, Effect.CHANGE]
    stays = plan([(2, replace(a, bed="b3")), (3, replace(c, phone="999"))], known)
    assert [step.effect for step in stays] == [Effect.REFUSED, Effect.CHANGE]
    assert "bed b3 belongs to another present patient" in stays[0].reason


def test_a_refused_row_keeps_its_bed_from_the_row_that_counted_on_it() -> None:
    a, b, c = person("p-a", "b1"), person("p-b", "b2"), person("p-c", "b3")
    known = {one.patient: one for one in (a, b, c)}
    rows = [(2, replace(a, bed="b2")), (3, replace(b, bed="b3"))]
    assert [step.effect for step in plan(rows, known)] == [Effect.REFUSED, Effect.REFUSED]


def test_a_device_of_a_discharged_patient_is_free() -> None:
    gone = person("p-a", "b1", discharged=NOW)
    (step,) = plan([(2, person("p-b", "b1"))], {"p-a": gone})
    assert step.effect is Effect.ADMIT


CSV = """patient,name,born,ward,bed,gateway,devices
p-1,Ada Brandt,1958-03-21,icu,icu-01,gw-icu,mon-1
p-2,Jun Lomax,1958-03-21,icu,icu-02,gw-icu,mon-2
"""


def test_the_command_shows_first_keeps_the_beds_limits_and_admits_nobody_who_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, settings = MemoryLog(lambda: NOW), Kafka(kafka_bootstrap="none")
    left = person("p-1", "icu-01", devices=("mon-1",), discharged=NOW)
    stays = person("p-2", "icu-02", name="Jun Lomax", phone="", devices=("mon-2",), profile="copd")
    admit.publish(MemoryWriter(log), [left, stays], settings)
    monkeypatch.setattr(admit, "log_json", lambda _: None)
    monkeypatch.setattr(admit.partitions, "check", lambda _settings: None)
    monkeypatch.setattr(admit, "KafkaWriter", lambda *_: MemoryWriter(log))
    monkeypatch.setattr(admit, "KafkaReader", lambda *_: MemoryReader(log))
    file = tmp_path / "roster.csv"
    file.write_text(CSV.replace("icu-02,", "icu-09,") + "p-3,New Here,1958-03-21,icu,icu-03,gw-icu,mon-3\n")

    assert admit.run([str(file), "--preview"], {"KAFKA_BOOTSTRAP": "none:1"}) == 0
    said = capsys.readouterr().out
    assert "line 2: left p-1 was discharged" in said
    assert "line 3: change p-2 bed icu-02 -> icu-09\n" in said
    assert "1 new, 1 changed, 0 unchanged, 1 left before, 0 refused" in said
    assert len(log.records("patients")) == 2

    assert admit.run([str(file)], {"KAFKA_BOOTSTRAP": "none:1"}) == 0
    found = admit.known(MemoryReader(log), settings)
    assert (found["p-1"].discharged, found["p-2"].bed, found["p-2"].profile) == (NOW, "icu-09", "copd")
    assert admit.run([str(file)], {"KAFKA_BOOTSTRAP": "none:1"}) == 0
    assert "0 new, 0 changed, 2 unchanged, 1 left before" in capsys.readouterr().out
    assert len(log.records("patients")) == 4
