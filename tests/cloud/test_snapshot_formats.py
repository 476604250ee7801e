"""A shard that starts from an earlier release's snapshot announces the same alarms, under the same ids."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from cloud.kafka.in_memory import MemoryLog, MemoryWriter
from tests.cloud.lives import SECONDS, T0, TAIL, Terms, Ward, _shard, calm_life, told
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, AlarmState, Phase

FORMATS = Path(__file__).parent / "formats"
SAVED_AT = 300
SETTLED_AT = 400


def continued(ward: Ward, folder: Path) -> list[AlarmEvent]:
    """Lives the ward's life on a shard that starts from `folder` at `SAVED_AT`; returns the alarm events."""
    now = [T0]
    log = MemoryLog(lambda: now[0])
    runner = _shard(log, MemoryWriter(log), folder / "none")
    runner.start()
    for k in range(SECONDS + TAIL):
        if k == SAVED_AT:
            runner = _shard(log, MemoryWriter(log), folder)
            runner.start()
        now[0] = T0 + 1000 * k
        for place, key, value, t in ward.seconds[k]:
            log.append(place, key, value, t)
            runner.step(0)
    return told(log)


def active(events: list[AlarmEvent]) -> set[str]:
    """Returns the ids of the alarms that are active at the end; a latched one waits for a nurse of another life."""
    return {e.id for e in {e.id: e for e in events}.values() if e.state is AlarmState.ACTIVE}


def starts(events: list[AlarmEvent], since: int) -> list[str]:
    """Returns the ids of the alarms that begin from `since` seconds on."""
    return [e.id for e in events if e.phase is Phase.START and e.log_t >= T0 + 1000 * since]


@pytest.mark.parametrize("release", sorted(p.name for p in FORMATS.iterdir() if p.is_dir()))
def test_a_snapshot_of_an_earlier_release_goes_on_with_its_alarms_and_then_gives_the_same_ones(
    tmp_path: Path, release: str, admission: Callable[..., Admission], scored: Callable[..., bytes]
) -> None:
    ward = Ward(Random(7), Terms(), admission, scored)  # noqa: S311 - a drawn story, no secret
    calm = calm_life(ward, tmp_path / "calm")
    shutil.copytree(FORMATS / release, tmp_path / "saved")
    events = continued(ward, tmp_path / "saved")
    # Alarms of before were raised by the rules of that release: they go on under their ids, and end once.
    assert len({(e.id, e.n) for e in events}) == len(events)
    ends = [e.id for e in events if e.phase is Phase.END]
    assert sorted(ends) == sorted(set(ends))
    assert active(events) <= active(calm)
    # Once those are over, the present rules give the same alarms as without the snapshot.
    assert starts(events, SETTLED_AT) == starts(calm, SETTLED_AT) != []
