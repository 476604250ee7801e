"""One suite for both state tiers: the one in memory, and the one behind a process that asks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloud.alarm.query import answers
from cloud.alarm.query.answers import PatientNow, ShardSnapshot
from cloud.console.live import ray_client
from cloud.console.live.alarm_state import AlarmStateSnapshot, MemoryState, StateDownError, StatePort
from cloud.console.live.ray_client import RayState
from tests.console.stage import admission, event, seen

T0 = 1_763_812_800_000
ADA, BELA = admission(1, "icu", T0), admission(2, "icu", T0)


@dataclass
class Rig:
    """A state tier that a test can steer."""

    state: StatePort
    show: Callable[[AlarmStateSnapshot], None]
    fail: Callable[[bool], None]


def shard_now(
    number: int, sight: AlarmStateSnapshot, *, epoch: str = "first", revision: int = 1, catching_up: bool = False
) -> bytes:
    mine = tuple(one for name, one in sorted(sight.patients.items()) if int(name[-1]) % 2 == number)
    alarms = sight.alarms if number == 0 else ()
    return answers.encode(ShardSnapshot(number, epoch, revision, sight.clock, catching_up, mine, alarms))


@pytest.fixture(params=["memory", "process"])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    if request.param == "memory":
        memory = MemoryState()

        def show(sight: AlarmStateSnapshot) -> None:
            memory.sight = sight

        def fail(yes: bool) -> None:
            memory.down = "away" if yes else None

        yield Rig(memory, show, fail)
        return
    state = RayState(str(tmp_path), None, 2, program="tests.console.stand_in")

    def lay(sight: AlarmStateSnapshot) -> None:
        for number in (0, 1):
            (tmp_path / str(number)).write_bytes(shard_now(number, sight))

    def refuse(yes: bool) -> None:
        (tmp_path / "refuse").touch() if yes else (tmp_path / "refuse").unlink()

    yield Rig(state, lay, refuse)
    state.close()


def sight(*people: PatientNow) -> AlarmStateSnapshot:
    return AlarmStateSnapshot({one.patient: one for one in people}, (), T0)


def test_what_is_shown_is_seen_of_every_shard(rig: Rig) -> None:
    wanted = sight(seen(ADA, {"hr": 72}, T0), seen(BELA, {"hr": 80}, T0))
    rig.show(AlarmStateSnapshot(wanted.patients, (event(ADA, "hr", T0, "heart rate 150"),), T0))
    found = rig.state.fetch()
    assert dict(found.patients) == dict(wanted.patients)
    assert [e.condition for e in found.alarms] == ["hr"]
    assert found.clock == T0


def test_a_state_tier_that_fails_is_down_with_a_reason_and_is_back_when_it_answers(rig: Rig) -> None:
    rig.show(sight(seen(ADA, {"hr": 72}, T0)))
    rig.state.fetch()
    rig.fail(True)
    with pytest.raises(StateDownError, match="away"):
        rig.state.fetch()
    rig.fail(False)
    assert rig.state.fetch().patients.keys() == {ADA.patient}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[RayState, Path]]:
    state = RayState(str(tmp_path), None, 2, program="tests.console.stand_in")
    yield state, tmp_path
    state.close()


def lay(folder: Path, shown: AlarmStateSnapshot, **facts: object) -> None:
    for number in (0, 1):
        (folder / str(number)).write_bytes(shard_now(number, shown, **facts))  # type: ignore[arg-type] # the facts of one


def test_only_what_changed_is_asked_for_and_the_rest_is_remembered(process: tuple[RayState, Path]) -> None:
    state, folder = process
    lay(folder, sight(seen(ADA, {"hr": 72}, T0), seen(BELA, {"hr": 80}, T0)))
    state.fetch()
    lay(folder, sight(seen(ADA, {"hr": 73}, T0 + 1)), revision=2)
    assert {n: p.signs["hr"].value for n, p in state.fetch().patients.items()} == {ADA.patient: 73, BELA.patient: 80}
    assert (folder / "asked").read_text() == "(('first', 1), ('first', 1))"


def test_a_shard_that_began_anew_is_believed_anew(process: tuple[RayState, Path]) -> None:
    state, folder = process
    lay(folder, sight(seen(ADA, {"hr": 72}, T0), seen(BELA, {"hr": 80}, T0)))
    state.fetch()
    lay(folder, sight(seen(ADA, {"hr": 73}, T0)), epoch="second")
    assert state.fetch().patients.keys() == {ADA.patient}


def test_a_shard_that_still_reads_what_came_before_is_not_believed_yet(process: tuple[RayState, Path]) -> None:
    state, folder = process
    lay(folder, sight(seen(ADA, {"hr": 72}, T0)), catching_up=True)
    with pytest.raises(StateDownError, match="what came before"):
        state.fetch()


def test_an_asking_process_that_dies_is_replaced(
    process: tuple[RayState, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    state, folder = process
    monkeypatch.setattr(ray_client, "AGAIN_S", 0.0)
    lay(folder, sight(seen(ADA, {"hr": 72}, T0)))
    state.fetch()
    (folder / "die").touch()
    with pytest.raises(StateDownError, match="gone"):
        state.fetch()
    (folder / "die").unlink()
    assert state.fetch().patients.keys() == {ADA.patient}
