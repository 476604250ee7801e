"""A shard that starts from an earlier release's snapshot announces the same alarms, under the same ids."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from cloud.kafka.in_memory import MemoryLog, MemoryWriter
from tests.cloud.lives import SECONDS, T0, TAIL, Terms, Ward, _shard, calm_life, told
from vitals.admissions import Admission

FORMATS = Path(__file__).parent / "formats"
SAVED_AT = 300


def continued(ward: Ward, folder: Path) -> list[tuple[str, int]]:
    """Lives the ward's life on a shard that starts from `folder` at `SAVED_AT`; returns alarm ids and numbers."""
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
    return [(e.id, e.n) for e in told(log)]


@pytest.mark.parametrize("release", sorted(p.name for p in FORMATS.iterdir() if p.is_dir()))
def test_a_snapshot_of_an_earlier_release_gives_the_same_alarms(
    tmp_path: Path, release: str, admission: Callable[..., Admission], scored: Callable[..., bytes]
) -> None:
    ward = Ward(Random(7), Terms(), admission, scored)  # noqa: S311 - a drawn story, no secret
    events = [(e.id, e.n) for e in calm_life(ward, tmp_path / "calm")]
    shutil.copytree(FORMATS / release, tmp_path / "saved")
    assert continued(ward, tmp_path / "saved") == events
    assert len(events) > 50
