"""Who was in which bed when."""

from collections.abc import Callable

from cloud.watch.beds import Beds
from vitals.patients import Admission

Admit = Callable[..., Admission]


def test_a_reading_is_its_patients_while_they_are_in_the_bed(admission: Admit) -> None:
    beds = Beds()
    beds.admit(admission("p-1", "icu-01", since=1000))
    assert beds.belongs("p-1", "icu-01", 1000)
    assert beds.belongs("p-1", "icu-01", 999_999)


def test_a_reading_from_a_bed_that_is_somebody_elses_by_then_is_not_the_former_patients(admission: Admit) -> None:
    beds = Beds()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-2", "icu-01", since=5000))
    assert beds.belongs("p-1", "icu-01", 4999)
    assert not beds.belongs("p-1", "icu-01", 5000)
    assert beds.belongs("p-2", "icu-01", 5000)


def test_after_a_move_the_old_bed_is_not_the_patients_any_more(admission: Admit) -> None:
    beds = Beds()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-1", "med-07", since=5000))
    assert beds.belongs("p-1", "icu-01", 4000)
    assert not beds.belongs("p-1", "icu-01", 6000)
    assert beds.belongs("p-1", "med-07", 6000)


def test_after_the_discharge_nothing_is_theirs_until_they_come_again(admission: Admit) -> None:
    beds = Beds()
    beds.admit(admission("p-1", "icu-01", since=1000))
    beds.admit(admission("p-1", "icu-01", since=1000, discharged=5000))
    assert not beds.belongs("p-1", "icu-01", 5000)
    beds.admit(admission("p-1", "icu-01", since=9000))
    assert not beds.belongs("p-1", "icu-01", 6000)
    assert beds.belongs("p-1", "icu-01", 9000)


def test_somebody_unknown_is_believed(admission: Admit) -> None:
    beds = Beds()
    beds.admit(admission("p-1", "icu-01", since=1000))
    assert beds.belongs("p-9", "icu-09", 2000)
    assert beds.belongs("p-1", "icu-01", 500)


def test_a_device_that_an_admission_names_twice_is_disputed_by_nobody(admission: Admit) -> None:
    beds = Beds(follows_devices=True)
    beds.admit(admission("p-1", "icu-01", since=1000, devices=("mon-1", "mon-1")))
    assert beds.disputes == {}
    beds.admit(admission("p-2", "icu-02", since=2000, devices=("mon-1",)))
    assert [stay.patient for stay in beds.disputes["device-disputed", "mon-1"]] == ["p-1", "p-2"]
    beds.admit(admission("p-2", "icu-02", since=2000, discharged=3000, devices=("mon-1",)))
    assert beds.disputes == {}
