"""Patients, contacts, actions, statuses, names and settings: values that refuse bad state."""

from dataclasses import dataclass

import msgspec
import pytest

from vitals import admissions
from vitals.actions import Act, Action
from vitals.contacts import Contact
from vitals.limits import Limit, profile
from vitals.runtime import settings
from vitals.runtime.settings import SettingsError
from vitals.signs import INDEX
from vitals.wire import topics


def admission(**changes: object) -> admissions.Admission:
    fields = {
        "patient": "p1",
        "version": 1,
        "name": "Ada Lovelace",
        "born": "1815-12-10",
        "phone": "+441632960961",
        "address": "12 St James's Square",
        "ward": "w1",
        "bed": "b1",
        "gateway": "g1",
        "devices": ("d1",),
        "since": 1_000,
    }
    return admissions.Admission(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patient": ""}, "patient"),
        ({"bed": "a/b"}, "bed"),
        ({"gateway": "g#"}, "gateway"),
        ({"devices": ("d1", "+")}, "device '\\+' must be"),
        ({"ward": "w" * 200}, "ward"),
        ({"cadence_s": 0.0}, "cadence"),
        ({"cuff_s": -1.0}, "cuff"),
        ({"profile": "robot"}, "unknown limit profile"),
        ({"overrides": {"pulse": Limit()}}, "unknown signs"),
    ],
)
def test_an_admission_that_makes_no_sense_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        admission(**changes)


def test_a_patients_overrides_replace_the_profiles_limits() -> None:
    mine = admission(overrides={"spo2": Limit(75, 80)})
    assert mine.limits.limits[INDEX["spo2"]] == Limit(75, 80)
    assert mine.limits.limits[INDEX["hr"]] == profile("adult").limits[INDEX["hr"]]


def test_a_roster_names_no_person() -> None:
    wire = msgspec.json.encode(admissions.roster("g1", [admission()]))
    for private in (b"Ada", b"1815", b"960961", b"James"):
        assert private not in wire


def test_a_roster_holds_the_gateways_own_present_patients() -> None:
    listed = admissions.roster(
        "g1",
        [
            admission(version=3),
            admission(patient="p2", devices=("d2",), discharged=5_000, version=9),
            admission(patient="p3", devices=("d3",), gateway="g2", version=20),
        ],
    )
    assert ([p.patient for p in listed.placements], listed.version) == (["p1"], 9)


def test_a_device_claimed_by_two_patients_is_the_later_ones() -> None:
    older, newer = admission(), admission(patient="p2", since=2_000)
    for order in ([older, newer], [newer, older]):
        assert [p.patient for p in admissions.roster("g1", order).placements] == ["p2"]


def test_gateways_are_those_that_admissions_name() -> None:
    assert admissions.gateways({"p1": admission(), "p2": admission(patient="p2", gateway="g2")}) == {"g1", "g2"}


def contact(**changes: object) -> Contact:
    fields = {"contact": "nurse-1", "name": "N", "start": 0, "end": 100, "phone": "+441632960961"}
    return Contact(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"contact": "a b"}, "names an SNS topic"),
        ({"phone": "01632"}, "E.164"),
        ({"end": 0}, "ends before it begins"),
    ],
)
def test_a_contact_that_could_not_be_told_is_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        contact(**changes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"act": Act.ACKNOWLEDGE}, "needs the id of an alarm"),
        ({"act": Act.AUDIO_PAUSE, "alarm": "a", "pause_s": 0}, "1 to 600 s"),
        ({"act": Act.AUDIO_PAUSE, "alarm": "a", "pause_s": 3600}, "1 to 600 s"),
        ({"act": Act.CHART, "consciousness": "Z"}, "none of A, C, V, P, U"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Action(id="a", patient="p1", t=0, by="nurse", **fields)


def test_lanes_slots_and_partitions_are_the_same_everywhere() -> None:
    # Written down: every producer and consumer of a deployment must agree for its life.
    assert [topics.lane("p1"), topics.lane("p2"), topics.slot("g1")] == [
        topics.crc32(b"p1") % 16,
        topics.crc32(b"p2") % 16,
        topics.crc32(b"g1") % 16,
    ]
    assert {topics.partition(topics.lane(f"p{k}"), 16) for k in range(300)} == set(range(16))


def test_topics_of_a_gateway_stand_under_its_slot() -> None:
    assert topics.gateway_topic("g1", "vitals") == f"gateways/{topics.slot('g1')}/g1/vitals"
    assert topics.slot_filter(3, "status") == "gateways/3/+/status"
    assert topics.device_vitals("d1") == "devices/d1/vitals"
    assert topics.bed_ack("b1") == "beds/b1/ack"


@dataclass(frozen=True)
class Part:
    bootstrap: str = settings.setting("Kafka servers")
    lanes: int = settings.setting("Lanes", 16)
    linger_s: float = settings.setting("Linger, s", 0.02)
    verbose: bool = settings.setting("Say more", False)
    slots: tuple[int, ...] = settings.setting("Slots", ())
    ca: str | None = settings.setting("CA file", None)

    def __post_init__(self) -> None:
        if self.lanes < 1:
            raise ValueError("LANES must be positive")


def test_settings_come_from_the_environment_with_their_types() -> None:
    part = settings.load(Part, {"BOOTSTRAP": "k:1", "LANES": "4", "VERBOSE": "on", "SLOTS": "0, 3", "CA": "x.pem"})
    assert part == Part("k:1", 4, 0.02, True, (0, 3), "x.pem")


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "BOOTSTRAP is not set: Kafka servers"),
        ({"BOOTSTRAP": "k", "LANES": "many"}, "LANES='many' cannot be read"),
        ({"BOOTSTRAP": "k", "VERBOSE": "perhaps"}, "neither 1 nor 0"),
        ({"BOOTSTRAP": "k", "LANES": "0"}, "LANES must be positive"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_means(environ: dict, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        settings.load(Part, environ)


def test_settings_document_themselves() -> None:
    assert settings.documented(Part)["LANES"] == ("16", "Lanes")
