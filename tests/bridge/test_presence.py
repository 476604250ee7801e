from bridge.liveness.gateways import GatewayLiveness
from bridge.up import kafka_records
from vitals.bounds import MAX_DEVICES
from vitals.status import DeviceStatus, Health, Status


def up(gateway: str, t: int = 1) -> Status:
    device = DeviceStatus(device="d", health=Health.UP, t=t)
    return Status(id=gateway, kind="gateway", health=Health.UP, t=t, devices=(device,))


def listening(timeout_s: float = 10.0) -> GatewayLiveness:
    presence = GatewayLiveness(timeout_s)
    presence.listening(True, 0.0)
    return presence


def test_a_gateway_without_a_status_for_ten_seconds_is_silent_once_and_keeps_its_devices() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 5.0, 5000)
    assert presence.silent(14.9, 14_900) == []
    (silent,) = presence.silent(15.0, 15_000)
    assert (silent.id, silent.health, silent.t, len(silent.devices)) == ("gw-1", Health.SILENT, 15_000, 1)
    assert presence.silent(16.0, 16_000) == []


def test_a_gateway_that_speaks_again_can_fall_silent_again() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 0.0, 0)
    assert presence.silent(10.0, 1)
    presence.heard(up("gw-1"), 11.0, 2)
    assert presence.silent(20.0, 3) == []
    assert presence.silent(21.0, 4)


def gone(gateway: str) -> Status:
    return Status(id=gateway, kind="gateway", health=Health.OFFLINE, t=1)


def test_a_gateway_that_is_back_in_time_after_its_goodbye_or_last_will_was_never_gone() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 4.0, 4000)
    assert presence.heard(gone("gw-1"), 5.0, 5000) is None
    assert presence.silent(14.4, 14_400) == []
    assert [d.health for d in presence.gateways()] == [Health.UP]
    assert presence.heard(up("gw-1"), 14.5, 14_500)
    assert presence.silent(24.4, 24_400) == []
    # What it said before it was back counts no more.
    assert [s.health for s in presence.silent(24.5, 24_500)] == [Health.SILENT]


def test_a_gateway_that_stays_away_after_its_last_will_is_offline_once_with_its_devices() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 4.0, 4000)
    presence.heard(gone("gw-1"), 5.0, 5000)
    (told,) = presence.silent(15.0, 15_000)
    assert (told.health, told.t, len(told.devices)) == (Health.OFFLINE, 15_000, 1)
    assert presence.silent(100.0, 100_000) == []


def test_a_last_will_of_a_gateway_that_is_silent_already_is_told_at_once() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 0.0, 0)
    assert presence.silent(10.0, 10_000)
    told = presence.heard(gone("gw-1"), 12.0, 12_000)
    assert told is not None
    assert (told.health, told.t) == (Health.OFFLINE, 12_000)


def test_whatever_a_gateways_clock_says_what_is_told_of_it_has_the_bridges() -> None:
    presence = listening()
    told = [presence.heard(up("gw-1", t), at, round(at * 1000)) for t, at in ((99_000, 1.0), (3, 2.0))]
    assert [status and status.t for status in told] == [1000, 2000]
    assert [d.t for d in presence.gateways()] == [2000]


def test_a_gateway_with_patients_that_was_never_heard_is_silent_after_the_same_time() -> None:
    presence = listening()
    presence.expect("gw-1", 3.0)
    assert presence.silent(12.9, 1) == []
    (silent,) = presence.silent(13.0, 2)
    assert (silent.id, silent.kind, silent.health) == ("gw-1", "gateway", Health.SILENT)


def test_a_deaf_bridge_judges_nobody_and_gives_everybody_time_when_it_hears_again() -> None:
    presence = listening()
    presence.heard(up("gw-1"), 1.0, 0)
    presence.listening(False, 5.0)
    assert presence.silent(60.0, 0) == []
    presence.listening(True, 60.0)
    assert presence.silent(69.9, 0) == []
    assert [s.id for s in presence.silent(70.0, 0)] == ["gw-1"]


def test_a_bridge_lists_the_gateways_that_it_speaks_for() -> None:
    presence = GatewayLiveness(timeout_s=10)
    presence.expect("gw-never-heard", 0)
    presence.listening(True, 0)
    presence.heard(Status(id="gw-1", kind="gateway", health=Health.UP, t=5), 1, 5)
    assert [(d.device, d.health, d.t) for d in presence.gateways()] == [("gw-1", Health.UP, 5)]
    presence.silent(20, 20_000)
    assert [(d.device, d.health) for d in presence.gateways()] == [
        ("gw-1", Health.SILENT),
        ("gw-never-heard", Health.SILENT),
    ]


def test_a_bridges_own_status_fits_a_record_however_many_gateways_it_has_and_names_those_that_are_down() -> None:
    presence = listening()
    for n in range(20_000):
        presence.heard(up(f"gw-{n:05d}-{'x' * 50}"), 0.0, 0)
    down = Status(id=f"gw-19999-{'x' * 50}", kind="gateway", health=Health.OFFLINE, t=1)
    presence.heard(down, 1.0, 1)
    for n in range(19_999):
        presence.heard(up(f"gw-{n:05d}-{'x' * 50}"), 5.0, 0)
    assert [s.id for s in presence.silent(11.0, 1)] == [down.id]
    listed = presence.gateways()
    assert len(listed) == MAX_DEVICES
    assert [d.device for d in listed if d.health is not Health.UP] == [down.id]
    assert [d.device for d in listed] == sorted(d.device for d in listed)
    own = Status(id="bridge-1", kind="bridge", health=Health.UP, t=1_763_812_800_000, devices=listed)
    assert len(kafka_records.status(own).value) < 500_000
