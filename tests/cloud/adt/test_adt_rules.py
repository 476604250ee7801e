"""Rules between a hospital's messages, people at the page and monitors that send (ADR 0021)."""

import pytest

from cloud.admissions.adt.locations import parse
from cloud.admissions.adt.records import MAX_MOVEMENTS, Doubt, Verdict
from tests.cloud.adt.counter import MINUTE, Counter, pid
from vitals.limits import Limit

FIRST, SECOND, THIRD = "ICU^1^1^GH", "ICU^1^2^GH", "ICU^2^3^GH"


def admitted(*patients: str) -> Counter:
    made = Counter()
    for patient, place in zip(patients, (FIRST, SECOND, THIRD), strict=False):
        made.hear("A01", patient, place)
    return made


def test_an_admission_has_the_beds_monitor_and_the_persons_data() -> None:
    made = admitted("p-1")
    (one,) = made.written
    assert (one.ward, one.bed, one.gateway, one.devices) == ("icu", "icu-01", "gw-icu", ("mon-1",))
    assert (one.name, one.born, one.phone, one.address) == (
        "Ann Ford", "1958-03-21", "+44 1632 960123", "1 Elm, Town",
    )  # fmt: skip
    assert one.since == made.now


def test_a_discharge_while_signs_arrive_asks_first_and_a_person_decides() -> None:
    made = admitted("p-1")
    made.later(10, "p-1")
    made.hear("A03", "p-1")
    assert made.bed("p-1") == "icu-01"
    assert made.asked() == [("p-1", Doubt.SIGNS_ARRIVE)]
    # Signs of after the event contradict it: their end alone discharges nobody.
    made.later(1, "p-1")
    made.later(60)
    assert made.bed("p-1") == "icu-01"
    made.answer(Verdict.YES)
    assert made.bed("p-1") is None
    assert made.asked() == []


def test_a_discharge_that_is_declined_leaves_the_patient_watched_until_another_message() -> None:
    made = admitted("p-1")
    made.later(10, "p-1")
    made.hear("A03", "p-1")
    made.answer(Verdict.NO)
    made.later(600)
    assert (made.bed("p-1"), made.asked()) == ("icu-01", [])
    made.hear("A01", "p-1", SECOND)
    assert made.bed("p-1") == "icu-02"


def test_a_discharge_whose_monitor_was_off_before_it_needs_nobody() -> None:
    made = admitted("p-1")
    made.later(10, "p-1")
    made.later(1)
    made.hear("A03", "p-1")
    assert made.asked() == [("p-1", Doubt.SIGNS_ARRIVE)]
    made.later(1)
    assert (made.bed("p-1"), made.asked()) == (None, [])


def test_while_the_alarm_engine_does_not_answer_nobody_is_discharged_or_moved() -> None:
    made = admitted("p-1", "p-2")
    made.sends = None
    made.hear("A03", "p-1")
    made.hear("A02", "p-2", THIRD)
    made.later(600)
    assert (made.bed("p-1"), made.bed("p-2")) == ("icu-01", "icu-02")
    assert made.asked() == [("p-1", Doubt.SIGNS_ARRIVE), ("p-2", Doubt.MOVING)]


def test_a_cancelled_admission_while_signs_arrive_asks_like_a_discharge() -> None:
    made = admitted("p-1")
    made.later(1, "p-1")
    made.hear("A11", "p-1", FIRST)
    assert (made.bed("p-1"), made.asked()) == ("icu-01", [("p-1", Doubt.SIGNS_ARRIVE)])


def test_a_transfer_waits_on_the_former_beds_monitor_and_is_made_when_it_is_silent() -> None:
    made = admitted("p-1")
    made.later(10, "p-1")
    made.hear("A02", "p-1", THIRD)
    assert (made.bed("p-1"), made.asked()) == ("icu-01", [("p-1", Doubt.MOVING)])
    made.later(1)
    assert made.bed("p-1") == "icu-01"
    made.later(1)
    assert (made.bed("p-1"), made.asked()) == ("icu-03", [])
    assert made.written[-1].devices == ("mon-3",)


def test_a_transfer_keeps_what_people_have_set() -> None:
    made = admitted("p-1")
    made.later(1)
    made.page("p-1", overrides={"hr": Limit(30, 40, 130, 150, 10.0)}, devices=("mon-1", "belt-7"), scale2=True)
    made.later(1)
    made.hear("A02", "p-1", SECOND)
    last = made.written[-1]
    assert last.overrides == {"hr": Limit(30, 40, 130, 150, 10.0)}
    assert last.scale2
    assert last.devices == ("mon-2", "belt-7")


def test_two_who_exchange_beds_by_two_transfers_move_in_one_step() -> None:
    made = admitted("p-1", "p-2")
    made.hear("A02", "p-1", SECOND)
    assert made.asked() == [("p-1", Doubt.BED_TAKEN)]
    made.hear("A02", "p-2", FIRST)
    assert (made.bed("p-1"), made.bed("p-2"), made.asked()) == ("icu-02", "icu-01", [])


def test_a_swap_moves_both_at_once() -> None:
    made = admitted("p-1", "p-2")
    made.take("A17", pid("p-1"), f"PV1|1|I|{SECOND}", pid("p-2"), f"PV1|1|I|{FIRST}")
    assert (made.bed("p-1"), made.bed("p-2"), made.asked()) == ("icu-02", "icu-01", [])


def test_nobody_is_put_onto_another_patients_monitor_until_that_one_has_left() -> None:
    made = admitted("p-1")
    made.later(1, "p-1")
    made.hear("A01", "p-2", FIRST)
    assert (made.bed("p-1"), made.bed("p-2"), made.asked()) == ("icu-01", None, [("p-2", Doubt.BED_TAKEN)])
    made.hear("A03", "p-1")
    made.later(5)
    assert (made.bed("p-1"), made.bed("p-2"), made.asked()) == (None, "icu-01", [])


def test_a_nurse_who_discharges_at_the_page_lets_in_who_waits() -> None:
    made = admitted("p-1")
    made.hear("A01", "p-2", FIRST)
    made.later(1)
    made.page("p-1", discharged=made.now)
    assert (made.bed("p-2"), made.asked()) == ("icu-01", [])


def test_a_patient_admitted_under_a_made_up_id_is_the_same_person_by_an_answer() -> None:
    made = Counter()
    made.page("unknown-1", name="Unknown", overrides={"hr": Limit(30, 40, 130, 150, 10.0)})
    made.later(20, "unknown-1")
    made.hear("A01", "p-1", FIRST)
    made.answer(Verdict.SAME)
    # The stay goes on under its id: alarms, limits and history are not interrupted.
    one = made.desk.beds.admissions["unknown-1"]
    assert (made.bed("unknown-1"), made.bed("p-1"), one.name) == ("icu-01", None, "Ann Ford")
    assert one.overrides
    assert made.asked() == []
    made.later(10)
    made.hear("A02", "p-1", SECOND)
    assert made.bed("unknown-1") == "icu-02"
    made.hear("A03", "p-1")
    assert made.bed("unknown-1") is None
    made.later(10)
    made.hear("A01", "p-1", FIRST)
    assert made.bed("p-1") == "icu-01"


def test_a_merge_keeps_the_stay_and_both_histories() -> None:
    made = admitted("p-1")
    made.later(1, "p-1")
    made.hear("A40", "p-9", merged="p-1", name="Ford^Annabel")
    assert (made.bed("p-1"), made.bed("p-9"), made.asked()) == ("icu-01", None, [])
    assert made.desk.beds.admissions["p-1"].name == "Annabel Ford"
    assert made.desk.census.group("p-9") == {"p-1", "p-9"}
    assert all(change.discharged is None for change in made.written)


def test_a_merge_of_two_in_beds_moves_neither_and_is_asked() -> None:
    made = admitted("p-1", "p-2")
    made.hear("A40", "p-2", merged="p-1")
    made.later(60)
    assert (made.bed("p-1"), made.bed("p-2")) == ("icu-01", "icu-02")
    assert made.asked() == [("p-1", Doubt.TWO_BEDS)]
    made.page("p-1", discharged=made.now)
    assert made.asked() == []


def test_what_a_person_did_after_the_event_counts_and_is_shown() -> None:
    made = admitted("p-1")
    made.later(30)
    made.page("p-1", bed="icu-03", devices=("mon-3",), since=made.now)
    made.hear("A02", "p-1", SECOND, t=made.now - 10 * MINUTE)
    assert (made.bed("p-1"), made.asked()) == ("icu-03", [("p-1", Doubt.DIFFERS)])
    made.answer(Verdict.YES)
    assert (made.bed("p-1"), made.asked()) == ("icu-02", [])


def test_a_newer_event_stands_against_what_a_person_did_before_it() -> None:
    made = Counter()
    made.page("p-1")
    made.later(30)
    made.hear("A02", "p-1", SECOND)
    assert made.bed("p-1") == "icu-02"


def test_a_late_admission_of_a_patient_whom_a_nurse_has_discharged_admits_nobody() -> None:
    made = Counter()
    made.page("p-1")
    made.later(30)
    made.page("p-1", discharged=made.now)
    made.hear("A01", "p-1", FIRST, t=made.now - 20 * MINUTE)
    assert (made.bed("p-1"), made.asked()) == (None, [("p-1", Doubt.DIFFERS)])


def test_a_change_of_limits_at_the_page_outranks_no_transfer() -> None:
    made = admitted("p-1")
    made.later(30)
    made.page("p-1", scale2=True)
    made.hear("A02", "p-1", SECOND, t=made.now - 10 * MINUTE)
    assert made.bed("p-1") == "icu-02"


def test_an_update_moves_nobody_and_a_bed_in_it_that_differs_is_asked() -> None:
    made = admitted("p-1")
    made.hear("A08", "p-1", SECOND, name="Ford^Annabel")
    assert made.desk.beds.admissions["p-1"].name == "Annabel Ford"
    assert (made.bed("p-1"), made.asked()) == ("icu-01", [("p-1", Doubt.DIFFERS)])
    made.answer(Verdict.YES)
    assert made.bed("p-1") == "icu-02"


def test_a_bed_that_the_map_lacks_is_on_the_list_and_the_patient_stays_watched() -> None:
    made = admitted("p-1")
    made.later(1)
    made.hear("A02", "p-1", "ICU^9^9^GH")
    made.hear("A01", "p-2", "ICU^9^8^GH")
    assert made.asked() == [("p-1", Doubt.UNMAPPED), ("p-2", Doubt.UNMAPPED)]
    assert made.bed("p-1") == "icu-01"


def test_a_map_that_has_the_bed_now_settles_the_question() -> None:
    made = Counter()
    made.hear("A01", "p-2", "ICU^9^8^GH")
    table = parse(["location,ward,bed,gateway,devices", "ICU^9^8,icu,icu-98,gw-icu,mon-98"])
    made.desk.places = type(made.desk.places)(row for _, row in table.rows)
    made.written += made.desk.everybody(made.now).changes
    assert (made.bed("p-2"), made.asked()) == ("icu-98", [])


def test_wards_without_monitors_are_no_question_and_moving_there_is_leaving() -> None:
    made = admitted("p-1", "p-2")
    made.hear("A01", "p-3", "GYN^1^1^GH")
    made.hear("A02", "p-1", "SURG^4^1^GH")
    assert (made.bed("p-1"), made.asked()) == (None, [])
    made.later(1, "p-2")
    made.hear("A02", "p-2", "SURG^4^2^GH")
    assert (made.bed("p-2"), made.asked()) == ("icu-02", [("p-2", Doubt.SIGNS_ARRIVE)])


def test_the_profile_is_the_maps_or_follows_the_age_and_that_of_an_unknown_age_is_the_adults() -> None:
    made = Counter()
    made.hear("A01", "p-1", FIRST, born="20220101")
    made.hear("A01", "p-2", "PAED^1^1^GH", born="20180101")
    made.hear("A01", "p-3", SECOND, born="")
    assert made.asked() == []
    assert made.desk.beds.admissions["p-1"].profile == "child"
    assert made.desk.beds.admissions["p-2"].profile == "child"
    assert made.desk.beds.admissions["p-3"].profile == "adult"


def test_a_repeat_and_a_message_older_than_all_that_is_kept_change_nothing() -> None:
    made = admitted("p-1")

    for _ in range(3):
        made.take("A02", pid("p-1"), f"PV1|1|I|{SECOND}", t=made.now + 1000)
    assert made.bed("p-1") == "icu-02"
    written = len(made.written)
    for n in range(MAX_MOVEMENTS + 20):
        made.hear("A08", "p-1", SECOND, t=made.now + 2000 + 1000 * n)
    made.hear("A02", "p-1", THIRD, t=made.now - MINUTE)
    assert len(made.desk.census.file("p-1").movements) == MAX_MOVEMENTS
    assert (made.bed("p-1"), len(made.written)) == ("icu-02", written)


def test_files_of_patients_in_no_bed_are_dropped_after_a_month() -> None:
    made = admitted("p-1", "p-2")
    made.hear("A03", "p-1")
    made.later(31 * 24 * 60)
    assert made.desk.outdated(made.now) == ["p-1"]
    assert made.bed("p-2") == "icu-02"


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("ICU^1^1,icu,b2,gw,m2,30,,", "line 3: location ICU^1^1 is already in line 2"),
        ("ICU^1^2,icu,b1,gw,m2,30,,", "line 3: bed b1 is already in line 2"),
        ("ICU^1^2,icu,b2,gw,m1,30,,", "line 3: device m1 is already in line 2"),
        ("ICU^1^2,icu,b2,gw,,30,,", "line 3: devices must not be empty, but for watched=no"),
        ("ICU^1^2,icu,b2,gw,m2,0,,", "line 3: cadence_s 0 or cuff_s 0 is not that of a monitor"),
        ("ICU^1^2,icu,b2,gw,m2,30,elf,", "line 3: profile 'elf' is none of"),
    ],
)
def test_a_wrong_row_of_the_location_map_is_named_with_its_line(row: str, error: str) -> None:
    head = "location,ward,bed,gateway,devices,cadence_s,profile,watched"
    found = parse([head, "ICU^1^1,icu,b1,gw,m1,30,,", row]).errors
    assert len(found) == 1
    assert found[0].startswith(error)
