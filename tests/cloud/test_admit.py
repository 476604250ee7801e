"""Rosters: every bad row is told with its line, and nothing is half loaded."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud.admissions import admission_rows
from cloud.cli import admit, sample_data
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission

NOW = 1_763_812_800_000
HEADER = "patient,name,born,phone,address,ward,bed,gateway,devices,profile,overrides,since,scale2"
GOOD = "p-1,Ada Brandt,1958-03-21,+44 1632 960123,1 Elm Road,icu,icu-01,gw-icu,mon-icu-01,,,,"


def parse(*rows: str) -> tuple[list[Admission], tuple[str, ...]]:
    table = admission_rows.parse([f"{line}\n" for line in (HEADER, *rows)], NOW)
    return [a for _, (a, _) in table.rows], table.errors


def test_a_good_row_becomes_an_admission_from_now() -> None:
    (admission,), errors = parse(GOOD)
    assert not errors
    assert (admission.patient, admission.since, admission.version) == ("p-1", NOW, NOW)
    assert admission.devices == ("mon-icu-01",)


@pytest.mark.parametrize(("cell", "alarms"), [("", True), ("yes", True), ("no", False)])
def test_a_ward_without_news2_says_so_in_its_rows(cell: str, alarms: bool) -> None:
    table = admission_rows.parse([f"{HEADER},news2\n", f"{GOOD},{cell}\n"], NOW)
    assert [a.news2 for _, (a, _) in table.rows] == [alarms]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (GOOD.replace("1958-03-21", "21.03.1958"), "line 3: born '21.03.1958' is not a date such as 1958-03-21"),
        (GOOD.replace("1958-03-21", "2058-03-21"), "line 3: born '2058-03-21' makes an age that nobody has"),
        (GOOD.replace("icu-01,gw", "icu/01,gw"), "line 3: bed 'icu/01' must be"),
        (GOOD.replace("+44 1632 960123", "none"), "line 3: phone 'none' is no phone number"),
        (GOOD.replace("Ada Brandt", " "), "line 3: name must not be empty"),
        (GOOD + ",extra", "line 3: more cells than the header has"),
        ("p-1,Ada", "line 3: fewer cells than the header has"),
        (GOOD.removesuffix(",,,,") + ",adulto,,,", "line 3: unknown limit profile 'adulto'; known are adult, copd"),
        (GOOD.removesuffix(",,,,") + ",,spo2=90:85::,,", "line 3: limits contradict each other"),
        (GOOD.removesuffix(",,,,") + ",,spo3=80:85::,,", "line 3: overrides 'spo3=80:85::' is not sign="),
        (GOOD.removesuffix(",,,,") + ",,,2026-11-22T07:00,", "has no offset"),
        (GOOD.removesuffix(",,,,") + ",,,,maybe", "line 3: scale2 'maybe' is neither yes nor no"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_good_one_stands(row: str, complaint: str) -> None:
    good = GOOD.replace("p-1", "p-0").replace("icu-01", "icu-00")
    admissions, errors = parse(good, row)
    assert [a.patient for a in admissions] == ["p-0"]
    assert len(errors) == 1
    assert complaint in errors[0]


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (("icu-01", "icu-02"), "patient p-1"),
        (("p-1", "p-2"), "bed icu-01"),
        (("p-1,", "p-2,"), "bed icu-01"),
    ],
)
def test_one_bed_or_patient_twice_is_refused_with_both_lines(change: tuple[str, str], claim: str) -> None:
    _, errors = parse(GOOD, GOOD.replace(*change))
    assert errors == (f"line 3: {claim} is already in line 2",)


@pytest.mark.parametrize(
    ("born", "profile"),
    [
        ("2025-11-21", "infant"), ("2024-11-22", "toddler"), ("2022-11-23", "toddler"), ("2022-11-22", "child"),
        ("2013-11-22", "adolescent"), ("2009-11-23", "adolescent"), ("2009-11-22", "adult"), ("1931-01-01", "adult"),
    ],
)  # fmt: skip
def test_limits_follow_the_age_unless_the_row_says_otherwise(born: str, profile: str) -> None:
    row = GOOD.replace("1958-03-21", born)
    (admission,), errors = parse(row)
    assert (admission.profile, errors) == (profile, ())
    (admission,), errors = parse(row.removesuffix(",,,,") + ",copd,,,")
    assert (admission.profile, errors) == ("copd", ())


def test_a_patient_of_whom_nothing_is_known_needs_a_profile_and_no_more_than_bed_and_monitor() -> None:
    unknown = "p-1,Unknown,,,,icu,icu-01,gw-icu,mon-icu-01,,,,"
    (complaint,) = parse(unknown)[1]
    assert complaint.startswith("line 2: profile must be given where the date of birth is unknown: adult, copd")
    (admission,), errors = parse(unknown.removesuffix(",,,,") + ",adult,,,")
    assert (admission.born, admission.phone, admission.address, errors) == ("", "", "", ())


@pytest.mark.parametrize(("days", "accepted"), [(0, True), (1, True), (2, False)])
def test_a_newborn_of_tomorrow_is_admitted_where_it_is_tomorrow_already(days: int, accepted: bool) -> None:
    evening = datetime(2026, 11, 29, 22, tzinfo=UTC)
    born = (evening + timedelta(days=days)).date().isoformat()
    row = GOOD.replace("1958-03-21", born).removesuffix(",,,,") + ",infant,,,"
    table = admission_rows.parse([f"{line}\n" for line in (HEADER, row)], int(evening.timestamp() * 1000))
    assert bool(table.rows) is accepted


def test_a_roster_as_a_spreadsheet_writes_it_is_read_and_one_with_semicolons_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, read = tmp_path / "roster.csv", list[Admission]()
    monkeypatch.setattr(admit, "publish", lambda _writer, made, _settings: read.extend(made))
    monkeypatch.setattr(admit, "KafkaWriter", lambda *_args: None)
    monkeypatch.setattr(admit, "KafkaReader", lambda *_args: MemoryReader(MemoryLog(lambda: NOW)))
    monkeypatch.setattr(admit.partitions, "check", lambda _settings: None)
    file.write_bytes(f"\ufeff{HEADER}\r\n{GOOD}\r\n".encode())
    assert admit.run([str(file)], {"KAFKA_BOOTSTRAP": "none:1"}) == 0
    assert [a.patient for a in read] == ["p-1"]
    file.write_text(f"{HEADER}\n{GOOD}\n".replace(",", ";"))
    assert admit.run([str(file)], {"KAFKA_BOOTSTRAP": "none:1"}) == 1
    assert "line 1: missing columns" in capsys.readouterr().err


def test_one_device_on_two_patients_is_refused() -> None:
    other = GOOD.replace("p-1", "p-2").replace("icu,icu-01", "icu,icu-02")
    assert parse(GOOD, other)[1] == ("line 3: device mon-icu-01 is already in line 2",)


def test_overrides_keep_the_delay_of_the_profile() -> None:
    (admission,), _ = parse(GOOD.removesuffix(",,,,") + ",,spo2=80:85::,,")
    limit = admission.overrides["spo2"]
    assert (limit.extreme_low, limit.low, limit.high, limit.delay_s) == (80, 85, None, 15)


@pytest.mark.parametrize("header", ["patient,name", f"{HEADER},shoe_size"])
def test_a_wrong_header_names_the_columns(header: str) -> None:
    table = admission_rows.parse([header + "\n", GOOD + "\n"], NOW)
    assert not table.rows
    assert table.errors[0].startswith(("line 1: missing columns bed, devices", "line 1: unknown columns shoe_size"))


def test_an_empty_file_is_an_error_rather_than_nothing_to_do() -> None:
    assert parse()[1] == ("line 2: there is no row below the header",)


def test_admissions_land_on_their_patients_partitions(admission: type[Admission]) -> None:
    log = MemoryLog(lambda: NOW)
    settings = Kafka(kafka_bootstrap="none")
    admission_rows.publish(MemoryWriter(log), [admission(f"p-{i}", f"b-{i}") for i in range(20)], settings)
    records = log.records("patients")
    assert len(records) == 20
    assert all(r.partition == settings.layout.partition(r.key.decode()) for r in records)


def test_with_a_bad_row_the_command_loads_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admit, "log_json", lambda _: None)
    path = tmp_path / "roster.csv"
    path.write_text("\n".join([HEADER, GOOD, GOOD.replace("p-1", "")]))
    # Nothing listens at this address: reaching for it would fail otherwise.
    assert admit.run([str(path)], {"KAFKA_BOOTSTRAP": "127.0.0.1:1"}) == 1
    assert "line 3: patient must not be empty" in capsys.readouterr().err


def test_samples_are_the_same_for_a_seed_and_pass_their_own_check(tmp_path: Path) -> None:
    first, second = (sample_data.roster({"icu": 12, "med": 12}, seed=3, cadence_s=2) for _ in range(2))
    assert first == second != sample_data.roster({"icu": 12, "med": 12}, seed=4, cadence_s=2)
    sample_data.write(tmp_path / "roster.csv", first)
    with (tmp_path / "roster.csv").open() as file:
        table = admission_rows.parse(file, NOW)
    assert not table.errors
    assert len(table.rows) == 24
    assert {a.gateway for _, (a, _) in table.rows} == {"gw-icu", "gw-med"}
    assert all(a.phone.startswith("+44 1632 960") for _, (a, _) in table.rows)
