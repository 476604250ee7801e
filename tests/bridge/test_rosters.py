import itertools
import random

import msgspec
import pytest

from bridge.down.rosters import Rosters
from vitals.actions import Act, Action
from vitals.admissions import Admission, Roster
from vitals.wire import topics

ALL = frozenset(range(topics.SLOTS))


def admission(
    patient: str, *, gateway: str = "gw-1", device: str = "d1", version: int = 1, discharged: int | None = None
) -> Admission:
    return Admission(
        patient=patient,
        version=version,
        name="Ada Example",
        born="1950-01-01",
        phone="+000",
        address="Somewhere 1",
        ward="icu",
        bed=f"bed-{patient}",
        gateway=gateway,
        devices=(device,),
        since=version,
        discharged=discharged,
    )


def apply(rosters: Rosters, *admissions: Admission) -> list[Roster]:
    for a in admissions:
        rosters.apply(a.patient, msgspec.json.encode(a))
    return rosters.due()


def test_a_roster_is_published_when_its_beds_change_and_not_otherwise() -> None:
    rosters = Rosters(ALL)
    (roster,) = apply(rosters, admission("p1"), admission("p2", device="d2", version=2))
    assert [p.patient for p in roster.placements] == ["p1", "p2"]
    assert roster.version == 2
    assert apply(rosters, admission("p1", version=3)) != []
    assert rosters.due() == []


def test_no_name_phone_or_address_reaches_a_gateway() -> None:
    (roster,) = apply(Rosters(ALL), admission("p1"))
    text = msgspec.json.encode(roster).decode()
    assert not any(word in text for word in ("Ada", "+000", "Somewhere", "1950"))


def test_a_patient_who_moves_leaves_one_gateways_roster_and_enters_the_others() -> None:
    rosters = Rosters(ALL)
    apply(rosters, admission("p1", gateway="gw-1"))
    moved = {r.gateway: r for r in apply(rosters, admission("p1", gateway="gw-2", version=5))}
    assert moved["gw-1"].placements == ()
    assert [p.patient for p in moved["gw-2"].placements] == ["p1"]


def test_a_tombstone_removes_the_patient_with_a_version_that_no_gateway_passes_over() -> None:
    rosters = Rosters(ALL)
    (before,) = apply(rosters, admission("p1", version=10), admission("p2", device="d2", version=20))
    rosters.apply("p2", None)
    (after,) = rosters.due()
    assert [p.patient for p in after.placements] == ["p1"]
    assert after.version > before.version


def test_a_restarted_bridge_replaces_a_roster_of_the_broker_whose_patients_have_left_meanwhile() -> None:
    first = Rosters(ALL)
    (held,) = apply(first, admission("p1", version=10))
    restarted = Rosters(ALL)
    restarted.found(held)
    (roster,) = restarted.due()
    assert (roster.placements, roster.version) == ((), 11)


def test_a_restarted_bridge_leaves_a_roster_of_the_broker_that_is_right() -> None:
    (held,) = apply(Rosters(ALL), admission("p1", version=10))
    restarted = Rosters(ALL)
    restarted.found(held)
    assert apply(restarted, admission("p1", version=10)) == []


def test_its_own_roster_coming_back_changes_nothing() -> None:
    rosters = Rosters(ALL)
    (roster,) = apply(rosters, admission("p1"))
    rosters.found(roster)
    assert rosters.due() == []


def test_only_gateways_of_its_slots_are_told() -> None:
    others = ALL - {topics.slot("gw-1")}
    assert apply(Rosters(others), admission("p1", gateway="gw-1")) == []


@pytest.mark.parametrize("value", [b"{}", b"\xff", b"null", b'{"patient":"p1"}'])
def test_a_record_that_is_no_admission_is_refused_and_the_patient_keeps_the_bed(value: bytes) -> None:
    rosters = Rosters(ALL)
    apply(rosters, admission("p1"))
    with pytest.raises(ValueError, match="p1"):
        rosters.apply("p1", value)
    assert rosters.due() == []
    assert rosters.expected() == ["gw-1"]


def test_an_admission_under_another_patients_key_is_refused() -> None:
    with pytest.raises(ValueError, match="is of patient p2"):
        Rosters(ALL).apply("p1", msgspec.json.encode(admission("p2")))


@pytest.mark.parametrize("subject", ["p1", "d1", "gw-1"])
def test_an_action_finds_its_gateway_by_patient_by_device_or_by_itself(subject: str) -> None:
    rosters = Rosters(ALL)
    apply(rosters, admission("p1"))
    action = Action(id="a", act=Act.ACKNOWLEDGE, patient=subject, t=1, by="nurse", alarm="x")
    assert rosters.gateway_of(action) == "gw-1"
    # It is that gateway's whoever serves it; what goes down is its own bridge's alone.
    others = Rosters(ALL - {topics.slot("gw-1")})
    apply(others, admission("p1"))
    assert (others.owner_of(action), others.gateway_of(action)) == ("gw-1", None)
    assert rosters.gateway_of(msgspec.structs.replace(action, patient="nobody")) is None


def test_a_gateway_is_expected_while_it_has_a_patient() -> None:
    rosters = Rosters(ALL)
    apply(rosters, admission("p1"), admission("p2", gateway="gw-2", discharged=9))
    assert rosters.expected() == ["gw-1"]


def test_a_roster_of_more_devices_than_a_message_holds_keeps_those_who_came_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rosters = Rosters(ALL)
    many = [admission(f"p{k:04d}", device=f"d{k:04d}", version=k + 1) for k in range(3_000)]
    (roster,) = apply(rosters, *many)
    # The broker ends the connection for a longer one, and with it that of all the bridge's gateways.
    assert len(msgspec.json.encode(roster)) <= 128 * 1024
    kept = [p.patient for p in roster.placements]
    assert kept == [a.patient for a in many[: len(kept)]]
    assert len(kept) > 500
    assert f"{len(kept)} of its 3000 devices" in caplog.text
    # A place that becomes free is the next one's.
    (after,) = apply(rosters, admission("p0000", device="d0000", version=4_000, discharged=1))
    assert [p.patient for p in after.placements] == [a.patient for a in many[1 : len(kept) + 1]]
    # Of the others nothing changes for the gateway.
    assert apply(rosters, admission("p2999", device="d2999", version=5_000)) == []


def test_a_roster_that_the_broker_forgot_or_went_back_on_is_said_again_and_no_other() -> None:
    rosters = Rosters(ALL)
    (old,) = apply(rosters, admission("p1"))
    kept, newer = apply(rosters, admission("p2", gateway="gw-2", device="d2"), admission("p3", device="d3", version=2))[
        ::-1
    ]
    lost = apply(rosters, admission("p4", gateway="gw-3", device="d4"))
    rosters.lost()
    # The broker was killed before it saved the newest: it has one as it was, one right and one not at all.
    rosters.found(old)
    rosters.found(kept)
    rosters.all_found()
    assert rosters.due() == [newer, *lost]
    assert rosters.due() == []


def test_a_newer_roster_that_is_not_explained_stands_until_the_log_is_read() -> None:
    rosters = Rosters(ALL)
    apply(rosters, admission("p1"))
    other = Rosters(ALL)
    (foreign,) = apply(other, admission("p1"), admission("p2", device="d2", version=2))
    rosters.found(foreign)
    assert rosters.puzzled()
    assert not rosters.puzzled()
    assert rosters.due(is_read=False) == []
    assert apply(rosters, admission("p2", device="d2", version=2)) == []
    rosters.apply("p2", None)
    (without,) = rosters.due(is_read=False)
    assert without.version > foreign.version


def test_a_roster_that_the_log_does_not_explain_is_overruled_once() -> None:
    rosters = Rosters(ALL)
    (mine,) = apply(rosters, admission("p1"))
    (stray,) = apply(Rosters(ALL), admission("p9", version=7))
    rosters.found(stray)
    (again,) = rosters.due()
    assert (again.placements, again.version) == (mine.placements, 8)
    rosters.found(msgspec.structs.replace(stray, version=9))
    assert rosters.due() == []
    # What is admitted later counts, whoever disputes it.
    assert apply(rosters, admission("p1", version=20)) != []


@pytest.mark.parametrize("seed", range(40))
def test_two_bridges_of_one_slot_agree_after_few_rosters_however_far_one_is_behind(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a seed, no secret
    log: list[tuple[str, bytes | None]] = []
    bridges, read = [Rosters(ALL), Rosters(ALL)], [0, 0]
    published, waits = [], [0, 0]
    versions = itertools.count(1)

    def step(k: int, records: int) -> None:
        for patient, value in log[read[k] : read[k] + records]:
            bridges[k].apply(patient, value)
        read[k] = min(len(log), read[k] + records)
        if bridges[k].puzzled():
            waits[k] = len(log)
        for roster in bridges[k].due(is_read=read[k] >= waits[k]):
            published.append(roster)
            # Each hears what is published, its own word too.
            bridges[0].found(roster)
            bridges[1].found(roster)

    for _ in range(30):
        patient = f"p{draw.randrange(4)}"
        value = admission(patient, device=f"d-{patient}", version=next(versions))
        log.append((patient, msgspec.json.encode(value) if draw.random() < 0.7 else None))
        for k in draw.sample((0, 1), 2):
            step(k, draw.choice((0, 0, 1, 3)))
    for _ in range(200):
        for k in draw.sample((0, 1), 2):
            step(k, 1)
    count = len(published)
    # Nothing more is said once both have read everything, and what was said last is right.
    for _ in range(20):
        step(0, 1)
        step(1, 1)
    assert len(published) == count <= 3 * len(log)
    truth = Rosters(ALL)
    for patient, value in log:
        truth.apply(patient, value)
    assert [published[-1].placements] == [r.placements for r in truth.due()]
