"""Monitors on nobody: a breach is told, a calm one, one in the cupboard and one that is admitted meanwhile is not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vitals import engine
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.readings import empty

Rig = Callable[..., Any]
UNASSIGNED = "unassigned-device"
WELL = {"hr": 75, "pr": 75, "spo2": 97, "rr": 15}
ILL = {"hr": 140, "pr": 140, "spo2": 80, "rr": 15}


class Ward:
    """A gateway with one patient, the equipment's engine above, and a monitor that no admission names."""

    def __init__(self, rig: Rig, make: SimpleNamespace, *placements: dict[str, Any]) -> None:
        self.make, self.events, self.seq = make, list[AlarmEvent](), 0
        self.known = placements or (make.placement(),)
        self.gw = rig(roster=make.roster(*self.known))
        self.state = engine.empty()
        engine.place(self.state, [DeviceAssignment(**p) for p in self.known], make.NOW, "gw-1")

    def run(self, seconds: int, every_s: int = 1, device: str = "mon-x", **signs: float) -> None:
        for k in range(seconds):
            self.seq += 1
            for placement in self.known:
                self.gw.device(self.seq, device=placement["device"], **WELL)
            if signs and k % every_s == 0:
                self.gw.device(self.seq, device=device, **signs)
            before = len(self.gw.statuses())
            self.gw.turn(1)
            for status in self.gw.statuses()[before:]:
                self.events += engine.report(self.state, status, self.gw.clock.now, own=True)[1]
            self.events += engine.advance(self.state, empty(), self.gw.clock.now)[1]

    def admit(self, device: str) -> None:
        new = self.make.placement(device=device, patient="p-new", bed="W-9", since=self.gw.clock.now)
        self.gw.down("roster", self.make.roster(*self.known, new, version=2))
        engine.place(self.state, [DeviceAssignment(**new)], self.gw.clock.now, "gw-1")

    def told(self) -> list[tuple[str, Phase, Priority]]:
        """Returns what began, grew and ended; that it is handed over meanwhile is every alarm's."""
        of = [e for e in self.events if e.condition == UNASSIGNED and e.phase is not Phase.CONTINUE]
        return [(e.subject, e.phase, e.priority) for e in of]

    def lit(self, light: str = "gw-1") -> list[str]:
        """Returns the conditions that a light shows, without `remote-monitoring-lost`: there is no notifier here."""
        alarms = self.gw.bedside.shown[light]["alarms"]
        return [a["condition"] for a in alarms if a["condition"] != "remote-monitoring-lost"]


@pytest.fixture
def ward(rig: Rig, make: SimpleNamespace) -> Callable[..., Ward]:
    return lambda *placements: Ward(rig, make, *placements)


@pytest.mark.parametrize("every_s", [1, 30])
def test_a_breach_of_a_monitor_on_nobody_is_at_the_gateways_light_and_told_its_ward_and_is_high_when_it_lasts(
    ward: Callable[..., Ward], every_s: int
) -> None:
    w = ward()
    w.run(60, every_s, **WELL)
    assert w.told() == []
    w.run(40 + every_s, every_s, **ILL)
    assert UNASSIGNED in w.lit()
    w.run(60, every_s, **ILL)
    (event,) = [e for e in w.events if e.condition == UNASSIGNED]
    assert (event.subject, event.phase, event.priority) == ("mon-x", Phase.START, Priority.MEDIUM)
    assert (event.ward, event.patient, event.gateway) == ("W", None, "gw-1")
    assert "mon-x" in event.text
    w.run(150, every_s, **ILL)
    assert w.told()[1:] == [("mon-x", Phase.ESCALATE, Priority.HIGH)]
    w.run(180, every_s, **WELL)
    assert w.told()[2:] == [("mon-x", Phase.END, Priority.HIGH)]
    assert w.lit() == w.lit("W-1") == []


def test_the_admission_ends_it_and_what_is_still_beyond_limits_is_the_patients_from_then_on(
    ward: Callable[..., Ward],
) -> None:
    w = ward()
    w.run(90, **ILL)
    assert [phase for _, phase, _ in w.told()] == [Phase.START]
    w.admit("mon-x")
    w.run(20, **ILL)
    assert [phase for _, phase, _ in w.told()] == [Phase.START, Phase.END]
    assert "spo2" in w.lit("W-9")
    assert UNASSIGNED not in w.lit()
    # Discharged, the monitor still on: what it reads is nobody's again.
    w.gw.down("roster", w.make.roster(*w.known, version=3))
    w.run(60, **ILL)
    assert UNASSIGNED in w.lit()


def test_an_admission_that_comes_within_half_a_minute_pages_nobody_for_a_monitor_on_nobody(
    ward: Callable[..., Ward],
) -> None:
    w = ward()
    w.run(25, **ILL)
    w.admit("mon-x")
    w.run(60, **ILL)
    assert w.told() == []
    assert "spo2" in w.lit("W-9")


def test_a_new_uplink_waits_for_its_roster_before_it_tells_of_monitors_on_nobody(ward: Callable[..., Ward]) -> None:
    w = ward()
    w.gw.link(up=False)
    w.run(300, **ILL)
    assert UNASSIGNED in w.lit()
    w.gw.link(up=True)
    w.run(20, **ILL)
    assert w.told() == []
    w.run(20, **ILL)
    assert [phase for _, phase, _ in w.told()] == [Phase.START]


@pytest.mark.parametrize(
    "signs",
    [
        WELL,
        {"hr": 0, "pr": 0, "spo2": 0, "rr": 0},
        {"hr": -999, "spo2": -999},
        {"temp": 20.0},
    ],
)
def test_a_monitor_in_the_cupboard_or_on_somebody_well_is_nobodys_alarm(
    ward: Callable[..., Ward], signs: dict[str, float]
) -> None:
    w = ward()
    w.run(300, **signs)
    w.run(100)
    assert w.told() == []
    assert w.lit() == []


def test_a_monitor_on_nobody_that_is_switched_off_is_no_alarm_any_more(ward: Callable[..., Ward]) -> None:
    w = ward()
    w.run(50, **ILL)
    w.run(120)
    assert [phase for _, phase, _ in w.told()] == [Phase.START, Phase.END]
    assert w.lit() == []


def test_two_monitors_on_nobody_are_two_alarms(ward: Callable[..., Ward]) -> None:
    w = ward()
    w.run(90, **ILL)
    for _ in range(90):
        w.gw.device(w.seq + 1, device="mon-y", **ILL)
        w.run(1, **ILL)
    assert [s for s, phase, _ in w.told() if phase is Phase.START] == ["mon-x", "mon-y"]


def test_each_ward_of_the_gateway_is_told_and_a_gateway_with_no_patient_tells_technicians(
    rig: Rig, make: SimpleNamespace, ward: Callable[..., Ward]
) -> None:
    two = (make.placement(), make.placement(device="dev-2", patient="p-2", bed="V-1", ward="V"))
    w = ward(*two)
    w.run(90, **ILL)
    started = [e for e in w.events if e.condition == UNASSIGNED]
    assert sorted(str(e.ward) for e in started) == ["V", "W"]
    assert len({e.id for e in started}) == 2
    status = w.gw.statuses()[-1]
    _, events = engine.report(engine.empty(), status, status.t, own=True)
    assert [e.ward for e in events if e.condition == UNASSIGNED] == [None]


def test_limits_are_those_of_most_of_the_gateways_patients(ward: Callable[..., Ward], make: SimpleNamespace) -> None:
    newborns = [make.placement(device=f"d{k}", patient=f"p{k}", bed=f"N{k}", profile="infant") for k in range(2)]
    w = ward(*newborns)
    w.known = ()
    w.run(90, hr=150, pr=150, spo2=97, rr=45)
    assert w.told() == []
    w.run(90, hr=220, pr=220, spo2=97, rr=45)
    assert [phase for _, phase, _ in w.told()] == [Phase.START]


def test_stored_readings_of_a_monitor_on_nobody_page_nobody(ward: Callable[..., Ward]) -> None:
    w = ward()
    then = w.gw.clock.now - 20 * 3_600_000
    for k in range(120):
        w.gw.device(k, device="mon-x", t=then + 1000 * k, **ILL)
        if k % 2:
            w.run(1)
    w.run(60)
    assert w.told() == []
    assert w.lit() == []


def test_a_reading_of_before_the_admission_is_nobodys_and_its_device_is_not(
    ward: Callable[..., Ward], make: SimpleNamespace
) -> None:
    w = ward(make.placement(since=make.NOW))
    for k in range(60):
        w.gw.device(1000 + k, t=make.NOW - 100_000 + 1000 * k, **ILL)
    w.run(60)
    assert w.lit() == []
    assert w.told() == []


def test_a_restart_goes_on_with_it(ward: Callable[..., Ward], rig: Rig) -> None:
    w = ward()
    w.run(90, **ILL)
    w.gw.gateway.cycle(w.gw.above, w.gw.mono, seal=True)
    w.gw = rig(now=w.gw.clock.now + 5_000)
    w.run(60, **ILL)
    assert [phase for _, phase, _ in w.told()][:1] == [Phase.START]
    assert UNASSIGNED in w.lit()


def test_the_gateways_own_time_may_be_set_meanwhile(ward: Callable[..., Ward]) -> None:
    w = ward()
    w.run(90, **ILL)
    w.gw.clock.now -= 600_000
    w.run(90, **ILL)
    assert UNASSIGNED in w.lit()
    w.run(150, **WELL)
    assert UNASSIGNED not in w.lit()
