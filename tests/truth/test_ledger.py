"""From the simulator's ledger to a life of true states."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.device import Device, Outbox
from firmware_sim.faults import Injector
from firmware_sim.ground_truth_log import GroundTruthLog
from firmware_sim.patient import stories
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.patient_group import Patient, PatientGroup
from firmware_sim.patient.scenarios import Course
from tests.truth import ledger as truth
from vitals.limits import ADULT
from vitals.signs import FIELDS, INDEX

T0 = 1_763_812_800_000
PEOPLE = {"mon": truth.Person("p", "bed-1", "gw")}
WELL = [75.0, 75.0, 15.0, 97.0, 36.8, 125.0, 75.0, 92.0]


def sent(seq: int, at: int, **changes: object) -> dict[str, Any]:
    told = {"k": "sent", "device": "mon", "boot": 1, "seq": seq, "t": at + 5_000_000, "at": at, "story": "s"}
    return told | {"truth": WELL, "state": WELL, "unmeasured": []} | changes


def ack(seq: int, at: int) -> dict[str, Any]:
    return {"k": "ack", "device": "mon", "boot": 1, "seq": seq, "at": at}


def test_a_readings_moment_is_the_machines_and_not_the_devices() -> None:
    found = truth.life([sent(0, T0), ack(0, T0 + 5)], PEOPLE, 1)
    assert found["t"].tolist() == [[T0]]
    assert found["heard"].tolist() == [[True]]


def test_what_was_never_taken_on_or_late_was_not_heard() -> None:
    lines = [sent(0, T0), sent(1, T0 + 1000), ack(1, T0 + 60_000), sent(2, T0 + 2000), ack(2, T0 + 2100)]
    assert truth.life(lines, PEOPLE, 1)["heard"].tolist() == [[False, False, True]]


def test_what_a_faultless_device_would_not_have_shown_is_absent() -> None:
    found = truth.life([sent(0, T0, unmeasured=["sbp", "dbp", "map"])], PEOPLE, 1)
    assert np.isnan(found["shown"][0, 0]).tolist() == [False] * 5 + [True] * 3


def test_a_heart_that_stands_circulates_nothing() -> None:
    stands = [0.0, 0.0, 0.0, 0.0, 36.8, 18.0, 12.0, 14.0]
    found = truth.life([sent(0, T0), sent(1, T0 + 1000, state=stands, truth=stands)], PEOPLE, 1)
    assert found["pulse"].tolist() == [[True, False]]


def test_a_device_that_made_fewer_readings_goes_on_with_nothing_heard() -> None:
    both = PEOPLE | {"mon-2": truth.Person("q", "bed-2", "gw")}
    lines = [sent(0, T0), sent(1, T0 + 1000), sent(2, T0 + 2000), sent(0, T0, device="mon-2")]
    found = truth.life(lines, both, 1)
    assert found["t"][1].tolist() == [T0, T0 + 1000, T0 + 2000]
    assert found["arrived"].tolist() == [[True] * 3, [True, False, False]]


def test_a_ledger_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="no reading"):
        truth.life([], PEOPLE, 1)


def test_its_limits_are_those_of_the_adult_profile() -> None:
    own, theirs = np.array(truth.ADULT, dtype=float), ADULT.array()[:, :4]
    judged = [i for field, i in INDEX.items() if field != "dbp"]
    np.testing.assert_array_equal(own[judged], theirs[judged])
    assert truth.SIGNS == FIELDS


def test_other_limits_than_an_adults_are_refused() -> None:
    row = {"patient": "p", "bed": "b", "gateway": "g", "devices": "mon", "profile": "neonate", "overrides": ""}
    with pytest.raises(ValueError, match="neonate"):
        truth.people([row])


def test_a_simulated_desaturation_is_in_the_life_as_it_was(tmp_path: Path) -> None:
    story = stories.NAMED["desaturation"]
    cohort = PatientGroup([Patient("mon", Course(story))], 10.0, Rates(scale=0), 1, 0)
    with GroundTruthLog(tmp_path / "ledger.jsonl") as kept:
        device = Device("mon", Injector((), np.random.default_rng(1)), Outbox(100), kept, np.random.default_rng(2))
        for _ in range(40):
            (sample,) = cohort.next()
            device.measure(sample, T0 + round(1000 * sample.at_s))
    found = truth.life(truth.read(tmp_path / "ledger.jsonl"), PEOPLE, 10)
    assert found["story"].tolist() == ["desaturation"]
    assert found["shown"].shape == (1, 40, 8)
    assert np.nanmin(found["shown"][0, :, INDEX["spo2"]]) < 85
    assert not found["heard"].any()


def test_people_come_from_a_roster(tmp_path: Path) -> None:
    path = tmp_path / "roster.csv"
    path.write_text(
        "patient,bed,gateway,devices,profile,overrides,cuff_s,canary\np,b,g,mon,adult,,900,no\nc,b2,g,m2,adult,,0,yes\n"
    )
    with path.open(newline="") as file:
        assert truth.people(list(csv.DictReader(file))) == {"mon": truth.Person("p", "b", "g", line=False)}
