"""A message that raises in the bridge is refused and confirmed, and its neighbours go on."""

from collections.abc import Callable

import msgspec
import pytest

from bridge.down.rosters import Rosters
from bridge.up import validate
from bridge.up.validate import ValidBatch
from tests.bridge.test_downward import NOW, admitted, downward
from tests.bridge.test_upward import Rig
from vitals.admissions import Roster
from vitals.wire import topics

MakeBatch = Callable[..., bytes]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Exception]], None]:
    real = validate.take

    def patched(error: type[Exception]) -> None:
        def take(gateway: str, payload: bytes) -> ValidBatch:
            if gateway == "gw-2":
                raise error("nobody thought of it")
            return real(gateway, payload)

        monkeypatch.setattr(validate, "take", take)

    return patched


def test_a_batch_that_raises_costs_itself_alone(batch: MakeBatch, raising: Callable[[type[Exception]], None]) -> None:
    raising(ZeroDivisionError)
    rig = Rig()
    for gateway in ("gw-1", "gw-2", "gw-3"):
        rig.arrive(gateway, batch(gateway, 4))
    rig.turn(5.0)
    (refused,) = rig.rejected()
    assert refused.reason == "cannot be read: ZeroDivisionError: nobody thought of it"
    assert refused.topic == topics.gateway_topic("gw-2", "vitals")
    assert len(rig.broker.acked) == 3
    assert [rig.broker.confirmed(gateway) for gateway in ("gw-1", "gw-2", "gw-3")] == [{4}, {4}, {4}]


def test_what_is_no_fault_of_the_batch_is_not_held_against_it(
    batch: MakeBatch, raising: Callable[[type[Exception]], None]
) -> None:
    raising(MemoryError)
    rig = Rig()
    rig.arrive("gw-2", batch("gw-2", 4))
    with pytest.raises(MemoryError):
        rig.turn(5.0)
    assert (rig.rejected(), rig.broker.acked) == ([], [])


def test_a_record_that_raises_on_the_way_down_stops_no_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    down, broker = downward()
    real = Rosters.apply

    def raises(self: Rosters, key: str, value: bytes | None) -> None:
        if key == "p2":
            raise ZeroDivisionError("nobody thought of it")
        real(self, key, value)

    monkeypatch.setattr(Rosters, "apply", raises)
    for patient in ("p2", "p1"):
        down.received(admitted(patient), NOW)
    down.work(True, 9.0)
    (roster,) = broker.on("gw-1", "roster")
    assert [p.patient for p in msgspec.json.decode(roster, type=Roster).placements] == ["p1"]
