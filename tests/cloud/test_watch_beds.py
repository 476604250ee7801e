"""Who was in which bed when."""

from collections.abc import Callable

from cloud.alarm.bed_history import BedHistory
from vitals.admissions import Admission

Admit = Callable[..., Admission]


def test_a_reading_is_its_patients_while_they_are_in_the_bed(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000))
    assert beds.belongs("p-1", "icu-01", 1000)
    assert beds.belongs("p-1", "icu-01", 999_999)


def test_a_reading_from_a_bed_that_is_somebody_elses_by_then_is_not_the_former_patients(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-2", "icu-01", since=5000))
    assert beds.belongs("p-1", "icu-01", 4999)
    assert not beds.belongs("p-1", "icu-01", 5000)
    assert beds.belongs("p-2", "icu-01", 5000)


def test_after_a_move_the_old_bed_is_not_the_patients_any_more(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-1", "med-07", since=5000))
    assert beds.belongs("p-1", "icu-01", 4000)
    assert not beds.belongs("p-1", "icu-01", 6000)
    assert beds.belongs("p-1", "med-07", 6000)


def test_after_the_discharge_nothing_is_theirs_until_they_come_again(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-1", "icu-01", since=1000, discharged=5000))
    assert not beds.belongs("p-1", "icu-01", 5000)
    beds.admit(admission("p-1", "icu-01", since=9000))
    assert not beds.belongs("p-1", "icu-01", 6000)
    assert beds.belongs("p-1", "icu-01", 9000)


def test_somebody_unknown_is_believed(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000))
    assert beds.belongs("p-9", "icu-09", 2000)
    assert beds.belongs("p-1", "icu-01", 500)


def test_a_device_that_an_admission_names_twice_is_disputed_by_nobody(admission: Admit) -> None:
    beds = BedHistory(follows_devices=True)
    beds.admit(admission("p-1", "icu-01", since=1000, devices=("mon-1", "mon-1")))
    assert beds.disputes == {}
    beds.admit(admission("p-2", "icu-02", since=2000, devices=("mon-1",)))
    assert [stay.patient for stay in beds.disputes["device-disputed", "mon-1"]] == ["p-1", "p-2"]
    beds.admit(admission("p-2", "icu-02", since=2000, discharged=3000, devices=("mon-1",)))
    assert beds.disputes == {}


def test_a_gateway_is_believed_of_its_own_patients_alone(admission: Admit) -> None:
    beds = BedHistory()
    beds.admit(admission("p-1", "icu-01", since=1000, gateway="gw-icu"))
    assert beds.belongs("p-1", "icu-01", 200_000, "gw-icu")
    for bed in ("icu-01", None):
        assert not beds.belongs("p-1", bed, 200_000, "gw-med")
    assert beds.is_foreign("p-1", "gw-med", 200_000)
    assert not beds.is_foreign("p-9", "gw-med", 200_000)


def test_while_a_patient_changes_gateways_both_are_believed_for_a_minute(admission: Admit) -> None:
    move = 1_000_000
    for beds, bed in ((BedHistory(), "icu-02"), (BedHistory(), "icu-01")):
        beds.admit(admission("p-1", "icu-01", since=1000, gateway="gw-1", version=1))
        since = move if bed == "icu-02" else 1000
        beds.admit(admission("p-1", bed, since=since, gateway="gw-2", version=move))
        spoken = {
            (gateway, after): beds.belongs("p-1", None, move + 1000 * after, gateway)
            for gateway in ("gw-1", "gw-2")
            for after in (30, 59, 61, 600)
        }
        assert [spoken["gw-1", after] for after in (30, 59, 61, 600)] == [True, True, False, False]
        assert all(spoken["gw-2", after] for after in (30, 59, 61, 600))
