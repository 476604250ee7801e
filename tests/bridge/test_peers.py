from bridge.liveness.bridges import BridgeLiveness
from vitals.status import Health, Status


def says(peers: BridgeLiveness, at: float, name: str, *slots: int, health: Health = Health.UP) -> None:
    peers.heard(Status(id=name, kind="bridge", health=health, t=int(at * 1000), slots=slots), at)


def talking(*names: str, until: float = 100.0) -> BridgeLiveness:
    """A bridge `me` with slot 0 that hears itself; the others speak until 50 s."""
    peers = BridgeLiveness("me", 10.0)
    for second in range(int(until)):
        says(peers, second, "me", 0)
        peers.lost(second, second * 1000) if second < 50 else None
        for k, name in enumerate(names if second <= 50 else ()):
            says(peers, second, name, k + 1)
    return peers


def test_a_bridge_that_says_nothing_for_ten_seconds_is_silent_once_with_its_gateways_slots() -> None:
    peers = talking("other", until=59.0)
    assert peers.lost(59.9, 59_900) == []
    says(peers, 60.0, "me", 0)
    (silent,) = peers.lost(60.0, 60_000)
    assert (silent.id, silent.health, silent.t, silent.slots) == ("other", Health.SILENT, 60_000, (1,))
    assert peers.lost(60.1, 60_100) == []


def test_a_bridge_that_restarts_within_the_time_is_no_event() -> None:
    peers = talking("other", until=59.0)
    says(peers, 59.0, "other", 1)
    says(peers, 62.0, "me", 0)
    assert peers.lost(62.0, 62_000) == []


def test_a_bridge_whose_slots_others_serve_was_replaced_and_is_no_event() -> None:
    peers = talking("old", until=59.0)
    says(peers, 60.0, "new", 1, 2)
    says(peers, 61.0, "me", 0)
    assert peers.lost(61.0, 61_000) == []


def test_who_does_not_hear_itself_judges_nobody_and_gives_everybody_time() -> None:
    peers = talking("other", until=52.0)
    assert peers.lost(80.0, 80_000) == []
    says(peers, 81.0, "me", 0)
    assert peers.lost(81.0, 81_000) == []
    says(peers, 91.0, "me", 0)
    assert [s.id for s in peers.lost(91.0, 91_000)] == ["other"]


def test_a_bridge_that_comes_back_can_be_lost_again() -> None:
    peers = talking("other", until=62.0)
    assert peers.lost(61.5, 61_500)
    says(peers, 63.0, "other", 1)
    says(peers, 72.0, "me", 0)
    assert peers.lost(72.0, 72_000) == []
    says(peers, 73.5, "me", 0)
    assert peers.lost(73.5, 73_500)


def test_a_bridge_whose_clock_steps_back_is_not_lost() -> None:
    peers = talking("other", until=52.0)
    for second in range(52, 70):
        says(peers, second, "me", 0)
        back = Status(id="other", kind="bridge", health=Health.UP, t=second * 1000 - 40_000, slots=(1,))
        peers.heard(back, second)
        assert peers.lost(second, second * 1000) == []


def test_gateways_are_no_peers() -> None:
    peers = BridgeLiveness("me", 10.0)
    peers.heard(Status(id="gw", kind="gateway", health=Health.UP, t=1), 1.0)
    says(peers, 100.0, "me", 0)
    assert peers.lost(100.0, 100_000) == []
