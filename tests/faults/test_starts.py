"""What the first starts decide without a stack: who is due, who was paged, and which start held."""

import pytest

from tests.bench.measure import held
from tests.faults.faults_starts import GOAL_S, page
from tests.faults.late_start import FOLLOWED_S, Start, due, falls, paged
from vitals.contacts import Notification

T0 = 1_763_812_800_000


def told(patient: str, condition: str, sns: str | None, subject: str | None = None) -> Notification:
    return Notification(
        alarm=f"{subject or patient}.{condition}.{T0}", n=0, patient=patient, contact="nurse", handover=0, channels=(),
        sns=sns, t=T0, accepted=T0, sms="",
    )  # fmt: skip


def start(**changes: object) -> Start:
    whole = {
        "paged_s": {"p-1": 3.0},
        "alarmed_s": {"p-1": 2.0},
        "unpaged": (),
        "messages": 1,
        "twice": 0,
        "stalled": (),
        "most_events": 1,
    }
    return Start(**(whole | {"load": 1.0} | changes))  # type: ignore[arg-type] # values as the test has them


def test_who_fell_before_the_last_tier_is_due_from_its_readiness_and_who_falls_after_it_from_the_fall() -> None:
    fall = falls(T0, ["a", "b", "c", "d"])
    ready = fall["c"] - 1000
    assert due(fall, ready) == {"a": ready, "b": ready, "c": fall["c"], "d": fall["d"]}
    assert fall["d"] - ready <= FOLLOWED_S * 1000
    assert due(fall, ready - 10_000).keys() == {"a", "b", "c"}


def test_only_what_is_on_a_device_and_of_the_patient_counts_as_a_page() -> None:
    sent = [
        told("a", "hr", "m-1"),
        told("a", "hr", "m-0"),
        told("b", "hr", None),
        told("c", "hr", "accepted, and on nobody's phone"),
        told("d", "device-silent", "m-2", "mon-d"),
        told("e.with.dots", "news2-risk", "m-2"),
    ]
    assert paged(sent, {"m-1": T0 + 9, "m-0": T0 + 5, "m-2": T0}) == {"a": T0 + 5, "e.with.dots": T0}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"paged_s": {"p-1": GOAL_S, "p-2": 1.0}}, True),
        ({"paged_s": {"p-1": GOAL_S + 0.1, "p-2": 1.0}}, False),
        ({"unpaged": ("p-2",)}, False),
        ({"paged_s": {}}, False),
    ],
    ids=["soon", "just in time", "late", "never", "nobody to look at"],
)
def test_a_start_holds_only_when_everybody_was_paged_in_time(changes: dict[str, object], *, holds: bool) -> None:
    assert held(page(start(**changes)))["held"] is holds
