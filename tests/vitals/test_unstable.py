"""Equipment that flaps: one alarm *unstable*, and a patient who is not monitored is told all the same."""

from collections.abc import Iterable

import pytest

from tests.vitals.build import T0, WELL, One, columns, placement
from vitals import engine
from vitals.alarm_events import AlarmEvent, Phase, Priority, pages
from vitals.status import DeviceStatus, Health, Status

MINUTE = 60_000
DEVICE, GATEWAY, BRIDGE = "device", "gateway", "bridge"
FAILURE = {DEVICE: "device-silent", GATEWAY: "gateway-down", BRIDGE: "bridge-down"}
PATIENTS = 5


class Beds:
    """A bridge, a gateway and five monitors at 1 Hz, of which one part fails at times that a test gives."""

    def __init__(self, part: str) -> None:
        self.part, self.now, self.told = part, T0, list[AlarmEvent]()
        self.patients = [f"p{k}" for k in range(PATIENTS)]
        self.state, _ = engine.place(engine.empty(), [placement(p) for p in self.patients], T0, "g1")

    def status(self, *, fails: bool) -> list[Status]:
        def health(part: str) -> Health:
            return Health.SILENT if fails and part == self.part else Health.UP

        t = self.now
        devices = tuple(
            DeviceStatus(device=f"d-{p}", health=health(DEVICE) if p == "p0" else Health.UP, t=t, patient=p)
            for p in self.patients
        )
        above = (DeviceStatus(device="g1", health=health(GATEWAY), t=t),)
        own = Status(id="g1", kind="gateway", health=health(GATEWAY), t=t, devices=devices)
        # A gateway behind a bridge that fails is not heard.
        heard = [] if fails and self.part == BRIDGE else [own]
        return [Status(id="b1", kind="bridge", health=health(BRIDGE), t=t, devices=above), *heard]

    def second(self, *, fails: bool) -> None:
        self.now += 1000
        sends = self.patients[1:] if self.part == DEVICE else []
        rows = [One(self.now, WELL, patient=p, device=f"d-{p}") for p in (sends if fails else self.patients)]
        self.state, events = engine.advance(self.state, columns(rows), self.now)
        self.told += events
        for status in self.status(fails=fails) if self.now % 5_000 == 0 else ():
            self.state, events = engine.report(self.state, status, self.now)
            self.told += events

    def pass_by(self, minutes: float, fails: Iterable[int] = ()) -> list[AlarmEvent]:
        """Lets time pass; `fails` holds the seconds in which the part fails; returns the events that page."""
        seconds, told = set(fails), len(self.told)
        for k in range(round(60 * minutes)):
            self.second(fails=k in seconds)
        return [event for event in self.told[told:] if pages(event)]

    def active(self) -> set[str]:
        return {event.condition for event in engine.active(self.state)}


def every_two_minutes(minutes: int, lasts_s: int) -> set[int]:
    return {k for k in range(60 * minutes) if k % 120 < lasts_s}


def first_calls(events: list[AlarmEvent]) -> list[str]:
    return [event.condition for event in events if event.phase is Phase.START]


@pytest.mark.parametrize("part", [DEVICE, GATEWAY, BRIDGE])
def test_equipment_that_fails_every_two_minutes_is_one_alarm_from_the_third_failure_on(part: str) -> None:
    beds = Beds(part)
    told = beds.pass_by(60, every_two_minutes(60, 30))
    assert first_calls(told) == [FAILURE[part], FAILURE[part], f"{part}-unstable"]
    assert sum(event.phase is Phase.START for event in told) == 3
    assert beds.active() == {f"{part}-unstable"}
    beds.pass_by(12)
    assert beds.active() == {f"{part}-unstable"}
    assert first_calls(beds.pass_by(4)) == []
    assert beds.active() == set()
    # It starts from the beginning.
    assert first_calls(beds.pass_by(1, range(30))) == [FAILURE[part]]


def test_a_patient_who_is_not_monitored_behind_an_unstable_monitor_is_told_in_time_and_rises() -> None:
    beds = Beds(DEVICE)
    beds.pass_by(10, every_two_minutes(10, 30))
    told = beds.pass_by(5, range(300))
    called = [(e.condition, e.phase, e.priority) for e in told if e.phase is not Phase.CONTINUE]
    assert called == [("not-judged", Phase.START, Priority.MEDIUM), ("not-judged", Phase.ESCALATE, Priority.HIGH)]
    gone = T0 + 10 * MINUTE
    assert told[0].log_t - gone <= 100_000
    assert told[0].patient == "p0"


@pytest.mark.parametrize("part", [GATEWAY, BRIDGE])
def test_an_unstable_gateway_or_bridge_that_stays_away_is_one_message_before_its_patients_are_not_judged(
    part: str,
) -> None:
    beds = Beds(part)
    beds.pass_by(10, every_two_minutes(10, 30))
    gone = beds.now
    told = beds.pass_by(3, range(180))
    assert first_calls(told) == [FAILURE[part]]
    assert told[0].log_t - gone <= 60_000
    assert beds.active() == {f"{part}-unstable", FAILURE[part]}


def test_two_failures_in_a_quarter_of_an_hour_are_two_alarms() -> None:
    beds = Beds(DEVICE)
    told = beds.pass_by(60, {k for k in range(3600) if k % 480 < 30})
    assert set(first_calls(told)) == {"device-silent"}
    assert len(first_calls(told)) == 8


@pytest.mark.parametrize("restart", ["snapshot", "stall"])
def test_an_unstable_monitor_stays_one_alarm_through_a_restart(restart: str) -> None:
    beds = Beds(DEVICE)
    beds.pass_by(10, every_two_minutes(10, 30))
    (before,) = engine.active(beds.state)
    if restart == "snapshot":
        beds.state = engine.restore(engine.snapshot(beds.state))
    else:
        beds.state, _ = engine.stalled(beds.state, beds.now, beds.now)
        beds.state, _ = engine.stalled(beds.state, None, beds.now + 1000)
    assert first_calls(beds.pass_by(10, every_two_minutes(10, 30))) == []
    (after,) = engine.active(beds.state)
    assert (after.condition, after.id) == ("device-unstable", before.id)


def test_a_gateways_clock_that_is_set_neither_begins_nor_ends_it() -> None:
    beds = Beds(DEVICE)
    beds.pass_by(10, every_two_minutes(10, 30))
    for jump_ms in (3_600_000, -7_200_000):
        beds.state = engine.rebase(beds.state, jump_ms)
        beds.now += jump_ms
        assert first_calls(beds.pass_by(10, every_two_minutes(10, 30))) == []
        assert beds.active() == {"device-unstable"}


def test_a_retired_gateways_failures_are_forgotten() -> None:
    beds = Beds(GATEWAY)
    beds.pass_by(10, every_two_minutes(10, 30))
    beds.state, events = engine.retire(beds.state, "g1", beds.now)
    assert ("gateway-unstable", Phase.END) in {(e.condition, e.phase) for e in events}
    assert first_calls(beds.pass_by(1, range(30))) == ["gateway-down"]
