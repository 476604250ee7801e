"""The faults of a demo with FAULTS=1."""

from infra.demo.faults import CUT_S, What, storm

PROCESSES = ("bridge", "kafka", "edge-gw-icu")


def planned(seed: int = 1) -> tuple[object, ...]:
    return storm(PROCESSES, stalled=("moto",), cut="gw-med", new_outbox="gw-icu", duration_s=90, seed=seed)


def test_every_process_is_killed_once_and_every_service_stalled() -> None:
    faults = storm(PROCESSES, stalled=("moto",), cut="gw-med", new_outbox="gw-icu", duration_s=90, seed=1)
    assert sorted(f.target for f in faults if f.what is What.KILL) == sorted(PROCESSES)
    assert [f.target for f in faults if f.what is What.STALL] == ["moto"]
    assert [(f.target, f.for_s) for f in faults if f.what is What.CUT] == [("gw-med", CUT_S)]
    assert [f.target for f in faults if f.what is What.NEW_OUTBOX] == ["gw-icu"]


def test_all_strike_within_the_run_in_order() -> None:
    faults = storm(PROCESSES, stalled=(), cut="gw-med", new_outbox="gw-icu", duration_s=90, seed=3)
    times = [f.at_s for f in faults]
    assert times == sorted(times)
    assert 0 < times[0] <= times[-1] < 90


def test_a_seed_tells_the_same_story_again() -> None:
    assert planned(5) == planned(5)
    assert planned(5) != planned(6)
