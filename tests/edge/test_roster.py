"""Whose reading it is."""

from types import SimpleNamespace

import numpy as np
import pytest

from edge.ingest.roster import StaleRosterError, no_assignments, updated
from vitals.limits import PROFILE_INDEX


def test_a_device_on_nobody_is_unassigned(make: SimpleNamespace) -> None:
    placed = no_assignments("gw-1").place(["dev-1"], np.array([make.NOW]), np.array([make.NOW]))
    assert placed.patient.tolist() == placed.bed.tolist() == placed.ward.tolist() == [None]
    assert placed.roster.tolist() == [0]


def test_a_placed_device_names_patient_bed_limits_and_version(make: SimpleNamespace) -> None:
    copd = make.placement(device="dev-2", patient="p-2", bed="W-2", profile="copd")
    own = make.placement(device="dev-3", patient="p-3", bed="W-3", overrides={"spo2": {"low": 88}})
    book = updated(no_assignments("gw-1"), make.roster(make.placement(), copd, own, version=9))
    placed = book.place(["dev-1", "dev-2", "dev-3", "dev-3", "dev-x"], np.full(5, make.NOW), np.full(5, make.NOW))
    assert placed.patient.tolist() == ["p-1", "p-2", "p-3", "p-3", None]
    assert placed.bed.tolist() == ["W-1", "W-2", "W-3", "W-3", None]
    assert placed.roster.tolist() == [9, 9, 9, 9, 0]
    assert placed.limits.tolist() == [0, PROFILE_INDEX["copd"], -1, -1, 0]
    assert placed.limit_sets[0].limits[3].low == 88


def test_a_reading_from_before_the_bed_was_this_patients_is_not_theirs(make: SimpleNamespace) -> None:
    book = updated(no_assignments("gw-1"), make.roster(make.placement(since=make.NOW)))
    placed = book.place(["dev-1", "dev-1"], np.array([make.NOW - 1, make.NOW]), np.full(2, make.NOW))
    assert placed.patient.tolist() == [None, "p-1"]
    assert placed.roster.tolist() == [0, 1]


def test_an_older_roster_does_not_replace_a_newer_one(make: SimpleNamespace) -> None:
    book = updated(no_assignments("gw-1"), make.roster(make.placement(), version=5))
    with pytest.raises(StaleRosterError, match="older than 5"):
        updated(book, make.roster(version=4))


@pytest.mark.parametrize(
    ("change", "said"), [({"gateway": "gw-2"}, "for gateway gw-2"), ({}, "unknown limit profile 'giant'")]
)
def test_a_roster_that_cannot_be_right_is_refused_with_the_reason(
    make: SimpleNamespace, change: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        updated(
            no_assignments("gw-1"), make.roster(make.placement(profile="giant" if not change else "adult"), **change)
        )


def test_garbage_is_no_roster() -> None:
    with pytest.raises(ValueError, match="not a roster"):
        updated(no_assignments("gw-1"), b"\xff{")
