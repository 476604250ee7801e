from pathlib import Path

import pytest

from firmware_sim import build, plan
from firmware_sim.__main__ import main
from firmware_sim.faults import Fault, FaultKind
from firmware_sim.patient.patient_group import PatientGroup
from firmware_sim.patient.replay import Replay
from firmware_sim.plan import DevicePlan, Plan

URL = "mqtt://127.0.0.1:1883"


def test_a_plan_keeps_its_parameter_set_and_changes_only_the_artefacts_that_it_names() -> None:
    device = DevicePlan(device="d", broker="mqtt://127.0.0.1")
    old, new = (Plan(devices=(device,), simulator=name, artefacts={"scale": 2}) for name in ("2026-11", "2026-12"))
    assert Plan(devices=(device,)).simulator == "2026-12"
    assert (old.rates().scale, new.rates().scale) == (2, 2)
    assert (old.rates().off_share, new.rates().off_share) == (0, 0.9)
    with pytest.raises(ValueError, match="2026-11"):
        Plan(devices=(device,), simulator="2025-01")
    with pytest.raises(ValueError, match="unknown artefact rates noise"):
        Plan(devices=(device,), artefacts={"noise": 1})


def test_a_ward_is_so_many_monitors_named_after_their_beds() -> None:
    devices = plan.ward("icu=12@mqtt://127.0.0.1:1884")
    assert [devices[0].device, devices[-1].device] == ["mon-icu-01", "mon-icu-12"]
    assert {d.broker for d in devices} == {"mqtt://127.0.0.1:1884"}


def test_a_story_goes_to_the_named_device_or_else_to_the_next_free_one() -> None:
    devices = plan.with_stories(plan.ward(f"icu=3@{URL}"), ["sepsis", "mon-icu-01:desaturation@5x10", "arrest@2"])
    assert [(d.story, d.start_s, d.speed) for d in devices] == [
        ("desaturation", 5, 10),
        ("sepsis", 0, 1),
        ("arrest", 2, 1),
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [(["nobody:sepsis"], "'nobody' is free"), (["sepsis", "arrest"], "no device is left"), (["@5"], "cannot be read")],
)
def test_a_story_for_nobody_is_refused(words: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        plan.with_stories(plan.ward(f"icu=1@{URL}"), words)


def test_a_plan_survives_writing_and_reading(tmp_path: Path) -> None:
    made = Plan(
        devices=(DevicePlan(device="mon-icu-01", broker=URL, story="sepsis", speed=400, baseline={"spo2": 91}),),
        faults=(Fault(FaultKind.DUPLICATE, rate=0.01),),
        artefacts={"scale": 0.5},
        seed=7,
    )
    path = tmp_path / "plan.json"
    path.write_bytes(plan.dump(made))
    assert plan.load(path) == made


def test_a_plan_may_be_toml(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        f'cadence_s = 2.0\n[[devices]]\ndevice = "mon-icu-01"\nbroker = "{URL}"\n'
        'faults = [{fault="reboot", at_s=30}]\n'
    )
    made = plan.load(path)
    assert made.cadence_s == 2
    assert made.devices[0].faults[0].fault is FaultKind.REBOOT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"devices":[]}', "no devices"),
        ('{"devices":[{"device":"a","broker":"http://x"}]}', "is not mqtt://"),
        ('{"devices":[{"device":"a/b","broker":"mqtt://x"}]}', "without / #"),
        ('{"devices":[{"device":"a","broker":"mqtt://x"},{"device":"a","broker":"mqtt://x"}]}', "twice: a"),
        ('{"devices":[{"device":"a","broker":"mqtt://x","storey":"b"}]}', "storey"),
        ('{"devices":[{"device":"a","broker":"mqtt://x","signs":["bp"]}]}', "unknown signs bp"),
        ("{", "cannot be read"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        plan.load(path)


def test_flags_come_on_top_of_the_plan_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(plan.dump(Plan(devices=plan.ward(f"icu=2@{URL}"), cadence_s=30, seed=3)))
    flags = [
        "--ward",
        f"med=1@{URL}",
        "--cadence",
        "2",
        "--artefacts",
        "0",
        "--faults",
        "mon-med-01:battery@9,duplicate=0.1",
    ]
    assert main(["--plan", str(path), *flags, "--print-plan"]) == 0
    shown = tmp_path / "shown.json"
    shown.write_text(capsys.readouterr().out)
    made = plan.load(shown)
    assert (made.cadence_s, made.seed, made.rates().scale, len(made.devices)) == (2, 3, 0, 3)
    assert made.devices[2].faults == (Fault(FaultKind.BATTERY, at_s=9),)
    assert made.faults == (Fault(FaultKind.DUPLICATE, rate=0.1),)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--devices", "1", "--story", "flu"],
        ["--devices", "1", "--faults", "gremlin@1"],
        ["--plan", "nowhere.json"],
        ["--replay", "nowhere.csv"],
    ],
)
def test_wrong_arguments_end_with_one_line_and_status_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_each_cadence_makes_a_cohort_of_its_own(tmp_path: Path) -> None:
    recording = tmp_path / "r.csv"
    recording.write_text("t_s,HR,ABPSys,ABPDias,ABPMean,PULSE,RESP,SpO2,NBPSys,NBPDias,NBPMean\n0,70,,,,70,12,97,,,\n")
    made = Plan(
        devices=(
            DevicePlan(device="a", broker=URL),
            DevicePlan(device="b", broker=URL, cadence_s=1),
            DevicePlan(device="c", broker=URL, replay=str(recording)),
        )
    )
    assert sorted(type(source).__name__ for source in build.sources(made, 0)) == [
        PatientGroup.__name__,
        PatientGroup.__name__,
        Replay.__name__,
    ]
