"""A crash at any record, and what it must not do: open what ended, swallow what is new, tell anything twice."""

from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from tests.cloud.lives import Terms, Ward, calm_life, differences, stormy_life
from vitals.admissions import Admission
from vitals.alarm_events import Phase

CLOCKS = {
    "one clock, whole seconds": (Terms(), 0.8),
    "a console that is up to 20 s off": (Terms(console_ms=20_000, jitter_ms=900), 1.0),
    "most snapshots lost": (Terms(console_ms=3000, jitter_ms=900), 0.3),
}
NEVER = ("told twice", "after its end", "never ended", "ended, never begun", "start missing")


# Seeds of lives in which alarms were told twice or never ended, before the replay was brought in step.
LIVES = {"one clock, whole seconds": 4, "a console that is up to 20 s off": 13, "most snapshots lost": 9}
FURTHER = [(clocks, seed) for clocks in CLOCKS for seed in (3, 8, 11, 12, 18)]


@pytest.mark.parametrize(
    ("clocks", "seed"), [*LIVES.items(), *(pytest.param(*case, marks=pytest.mark.long) for case in FURTHER)]
)
def test_whatever_a_ward_lives_through_a_crash_opens_swallows_and_doubles_nothing(
    tmp_path: Path,
    seed: int,
    clocks: str,
    admission: Callable[..., Admission],
    scored: Callable[..., bytes],
) -> None:
    terms, keeps = CLOCKS[clocks]
    ward = Ward(Random(seed), terms, admission, scored)  # noqa: S311 - a drawn story, no secret
    calm = calm_life(ward, tmp_path / "calm")
    assert sum(e.phase is Phase.START for e in calm) > 10
    stormy, crashes = stormy_life(ward, tmp_path / "stormy", Random(seed + 1), keeps=keeps)  # noqa: S311 - see above
    assert crashes > 1
    found = differences(calm, stormy)
    assert {name: found[name] for name in NEVER} == dict.fromkeys(NEVER, 0), found
