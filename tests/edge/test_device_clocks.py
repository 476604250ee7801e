"""A monitor's clock that is wrong: its readings are judged all the same, and one word tells of it, here and above."""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vitals import engine
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.status import Status

Rig = Callable[..., Any]
Says = Callable[[int, int], int]
"""From true time and the number of the reading, what the monitor's clock says."""
WITHIN_S = 60


class Cloud:
    """The equipment's engine, told what the gateway publishes."""

    def __init__(self, make: SimpleNamespace, *devices: str) -> None:
        self.state, self.events = engine.empty(), list[AlarmEvent]()
        placements = [DeviceAssignment(**make.placement(device=d, patient=f"p-{d}")) for d in devices]
        engine.place(self.state, placements, make.NOW, "gw-1")

    def hear(self, statuses: list[Status]) -> None:
        for status in statuses:
            _, told = engine.report(self.state, status, status.t, own=True)
            self.events += [event for event in told if event.condition == "device-clock"]

    def brief(self) -> list[tuple[str, Phase]]:
        return [(event.subject, event.phase) for event in self.events]


def run(gw: Any, cloud: Cloud, seconds: int, says: Says, begin: int = 0, **signs: float) -> list[int]:  # noqa: ANN401
    """Lets a monitor speak once a second; returns after how many the cloud has told something of its clock."""
    told = []
    for k in range(begin, begin + seconds):
        gw.device(k, t=says(gw.clock.now, k), **({"hr": 75, "spo2": 97} | signs))
        before = len(gw.statuses())
        gw.turn(1)
        known = len(cloud.events)
        cloud.hear(gw.statuses()[before:])
        told += [k - begin] * (len(cloud.events) - known)
    return told


def off_by(seconds: float) -> Says:
    return lambda now, _: now + round(1000 * seconds)


WRONG: dict[str, tuple[Says, str]] = {
    "6 s ahead": (off_by(6), "is 6 s ahead"),
    "6 s behind": (off_by(-6), "is 6 s behind"),
    "three minutes ahead": (off_by(180), "is 3 min ahead"),
    "three minutes behind": (off_by(-180), "is 3 min behind"),
    "local time": (off_by(7200), "is 2 h ahead"),
    "an hour behind": (off_by(-3600), "is 60 min behind"),
    "years behind": (off_by(-200 * 86_400), "is 200 days behind"),
    "2100": (lambda now, _: now + 2_350_000_000_000, "is 74 years ahead"),
    "seconds": (lambda now, _: now // 1000, "counts in seconds"),
    "since its start": (lambda _, k: 3_000 + 1000 * k, "was never set"),
    "fixed today": (lambda _now, _k: 1_763_800_000_000, "stands still"),
    "fixed in 1970": (lambda _now, _k: 1, "stands still"),
}


@pytest.mark.parametrize("how", WRONG)
def test_a_monitors_wrong_clock_is_told_once_with_how_wrong_it_is_and_ends_when_it_is_right(
    rig: Rig, make: SimpleNamespace, how: str
) -> None:
    says, words = WRONG[how]
    gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
    assert run(gw, cloud, 30, off_by(0)) == []
    (after,) = run(gw, cloud, 100, says, 30)
    assert after <= WITHIN_S
    (event,) = cloud.events
    assert (event.priority, event.ward, event.gateway, event.device) == (Priority.LOW, "W", "gw-1", "dev-1")
    assert words in event.text
    # At the bed nobody can mend it, and nothing sounds.
    assert gw.bedside.shown["W-1"]["alarms"] == []
    (ended,) = run(gw, cloud, 200, off_by(0), 130)
    assert ended <= 2 * WITHIN_S
    assert cloud.brief() == [("dev-1", Phase.START), ("dev-1", Phase.END)]


@pytest.mark.parametrize("how", WRONG)
def test_a_patient_whose_monitors_clock_is_wrong_is_judged_at_the_bed(
    rig: Rig, make: SimpleNamespace, how: str
) -> None:
    says, _ = WRONG[how]
    for right_first in (0, 40):
        gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
        run(gw, cloud, right_first, off_by(0), 1000 * right_first)
        run(gw, cloud, 20, says, 1000 * right_first + 100)
        lit = []
        for k in range(40):
            run(gw, cloud, 1, says, 1000 * right_first + 200 + k, spo2=80)
            lit += [k for a in gw.bedside.shown["W-1"]["alarms"] if a["condition"] == "spo2"][:1]
        assert lit
        assert lit[0] <= 15


def test_a_clock_that_comes_and_goes_about_the_bound_is_told_once(rig: Rig, make: SimpleNamespace) -> None:
    gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
    run(gw, cloud, 600, lambda now, k: now + (7_000 if k // 30 % 2 else 1_000))
    assert cloud.brief() == [("dev-1", Phase.START)]


@pytest.mark.parametrize("seed", range(4))
def test_no_right_clock_is_told_of_whatever_the_way_does(rig: Rig, make: SimpleNamespace, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 - a line's whims
    gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
    kept: list[tuple[int, int]] = []
    away_until = 0
    for k in range(900):
        kept.append((k, gw.clock.now - draw.randrange(2_500)))
        if draw.random() < 0.01:
            away_until = k + draw.choice((3, 20, 90))
        if k >= away_until:
            for seq, t in kept[: draw.choice((1, 4, 400))]:
                gw.device(seq, t=t, hr=75, spo2=97)
                kept.remove((seq, t))
        before = len(gw.statuses())
        gw.turn(1)
        cloud.hear(gw.statuses()[before:])
    assert cloud.events == []


def test_a_restart_of_the_gateway_tells_it_neither_again_nor_as_over(rig: Rig, make: SimpleNamespace) -> None:
    gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
    run(gw, cloud, 60, off_by(-180))
    gw.gateway.cycle(gw.above, gw.mono, seal=True)
    again = rig(now=gw.clock.now + 20_000)
    cloud.hear(again.statuses())
    assert run(again, cloud, 60, off_by(-180), 80) == []
    assert cloud.brief() == [("dev-1", Phase.START)]


def test_a_gateways_own_clock_that_is_set_right_makes_no_monitors_wrong(rig: Rig, make: SimpleNamespace) -> None:
    gw, cloud = rig(roster=make.roster(make.placement(patient="p-dev-1"))), Cloud(make, "dev-1")
    # It is ten minutes behind, and so monitors look as if they were ahead.
    run(gw, cloud, 8, off_by(600))
    gw.clock.now += 600_000
    run(gw, cloud, 120, off_by(0), 30)
    assert cloud.events == []


def test_a_device_on_nobody_is_nobodys_to_set(rig: Rig, make: SimpleNamespace) -> None:
    gw, cloud = rig(roster=make.roster()), Cloud(make)
    run(gw, cloud, 60, off_by(-180))
    assert [d.clock for d in gw.statuses()[-1].devices] == ["off"]
    assert cloud.events == []
