"""Advice on one patient's limits: what another limit spares and hides on the last day, and what is never advised."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cloud.__main__ import main
from cloud.kafka.partitioning import Partitioning
from cloud.replay.advice import FLOORS, Advice, NoReadingsError, advise
from tests.cloud.replayed import CADENCE_MS, T0, WELL, Ward
from vitals.admissions import Admission

PATIENT, OTHER = "p-1", "p-2"
DIP_STEPS, EVERY_STEPS = 12, 48
"""A minute within each four."""


class Dipping(Ward):
    """Two well patients; the saturation of one dips to 88 %, once to 83 %, or the breaths rise."""

    deep_at = -1

    def _wander(self, patient: str) -> dict[str, float]:
        step = (self.now - T0) // CADENCE_MS
        values = dict(WELL)
        if patient == PATIENT and step % EVERY_STEPS < DIP_STEPS:
            values["spo2"] = 83.0 if step // EVERY_STEPS == self.deep_at else 88.0
        return values


def lake_of(folder: Path, admission: Callable[..., Admission], deep_at: int = -1) -> str:
    ward = Dipping(Partitioning(lanes=4, partitions=4))
    ward.deep_at = deep_at
    for patient in (PATIENT, OTHER):
        ward.admit(admission(patient, f"icu-{patient}", T0, cadence_s=5.0))
    for _ in range(5 * EVERY_STEPS):
        ward.step()
    url = (folder / "lake").as_uri()
    ward.archive(url)
    return url


def advised(found: tuple[Advice, ...]) -> dict[float, bool]:
    return {one.tried: one.advised for one in found}


@pytest.fixture
def dips(tmp_path: Path, admission: Callable[..., Admission]) -> str:
    return lake_of(tmp_path, admission)


@pytest.mark.requirement("Q9")
def test_a_limit_below_the_dips_spares_their_calls_and_says_which_alarms_it_hides(dips: str) -> None:
    found = advise(dips, PATIENT, T0 + 2_000_000)
    assert {(one.sign, one.bound, one.present) for one in found} == {("spo2", "low", 90.0)}
    by_limit = {one.tried: one for one in found}
    assert by_limit[89.0].hidden == ()
    assert by_limit[89.0].spared == 0
    enough = by_limit[88.0]
    assert enough.alarms == len(enough.hidden) >= 4
    assert enough.spared >= 1
    assert enough.advised
    assert {(a.value, a.priority.label) for a in enough.hidden} == {(88.0, "medium")}


@pytest.mark.requirement("Q9")
def test_a_limit_is_tried_down_to_the_floor_and_no_further(dips: str) -> None:
    assert min(one.tried for one in advise(dips, PATIENT, T0 + 2_000_000)) == FLOORS["spo2"][0]
    narrow = advise(dips, PATIENT, T0 + 2_000_000, {"spo2": (88.0, 100.0)})
    assert sorted(one.tried for one in narrow) == [88.0, 89.0]


def test_no_limit_that_is_tried_hides_an_alarm_beyond_the_extreme_limit(
    tmp_path: Path, admission: Callable[..., Admission]
) -> None:
    found = advise(lake_of(tmp_path, admission, deep_at=2), PATIENT, T0 + 2_000_000)
    assert all(all(a.priority.label != "high" for a in one.hidden) for one in found)
    assert advised(found)[88.0]


def test_a_patient_without_a_burden_gets_no_advice_and_an_unknown_one_is_refused(dips: str) -> None:
    assert advise(dips, OTHER, T0 + 2_000_000) == ()
    with pytest.raises(NoReadingsError, match="no readings of patient p-9"):
        advise(dips, "p-9", T0 + 2_000_000)


def test_the_command_prints_the_table(
    dips: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAKE", dips)
    assert main(["advise", PATIENT, "--until", "2025-11-22T13:00:00+00:00"]) == 0
    told = capsys.readouterr().out
    assert "oxygen saturation" in told.lower()
    assert "88" in told
    assert "This is advice" in told
    assert main(["advise", PATIENT, "--until", "2025-11-22T13:00:00"]) == 1
    assert "offset" in capsys.readouterr().err
