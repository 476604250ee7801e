"""Plays lives: simulated patients and people around the product's own filter, engine and notifier.

    python -m tests.truth.live --seed 7 --cadence 30 --patients 50 --hours 24 --out DIR [--story ward] [--people silent]

writes `life.npz`, `messages.jsonl` and `acts.jsonl` into DIR; a judge (`python -m tests.truth.judge`) says from them
alone who had to be paged and was not. The clock is moved: a day takes as long as its readings take to be judged.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient.calibration import CALIBRATIONS, NEWEST, calibration
from tests.bench import wards
from tests.truth import stories
from tests.truth.messages import messages
from tests.truth.people import Habit, People
from tests.truth.play import Batch, Product
from vitals.signs import INDEX, SIGNS

STEP_S: Final = 5
"""Seconds that pass at one stroke; at a cadence of 1 s, one."""
OXIMETER: Final = [INDEX["pr"], INDEX["spo2"]]
SILENCES_S: Final = (45.0, 150.0, 600.0, 1500.0)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Script:
    """The script of a life.

    Attributes:
        seed: Of patients, artefacts and mishaps.
        cadence_s: 1 or 30.
        patients: How many.
        hours: For how long.
        story: `ward` or `quiet-ward` for a mixture (58 % or 5 % ill), else a name of `stories.NAMED`, for everybody.
        people: The nurse's habit.
        lost: Share of readings that never arrive.
        silences: Whether each device falls silent a few times.
        standby: Whether each patient is taken off the monitor once, by a person's act.
        oximeter: Whether the devices have an oximeter and nothing else.
        clean: Whether devices are free of artefacts.
        simulator: Parameter set of bodies and monitors.
        nurses: Number of nurses with assigned beds, beside a charge nurse; 0 for one nurse of all beds.
    """

    seed: int
    cadence_s: int
    patients: int
    hours: int
    story: str = stories.WARD
    people: Habit = Habit.ACKNOWLEDGES
    lost: float = 0.0
    silences: bool = False
    standby: bool = False
    oximeter: bool = False
    clean: bool = False
    simulator: str = NEWEST.name
    nurses: int = 0


@dataclass(slots=True)
class Life:
    """A life that is over.

    Attributes:
        arrays: `life.npz`.
        messages: `messages.jsonl`.
        acts: `acts.jsonl`.
    """

    arrays: dict[str, Any]
    messages: list[dict[str, Any]]
    acts: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        """Writes the three files."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(folder / "life.npz", **self.arrays)
        for name, lines in (("messages", self.messages), ("acts", self.acts)):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")


@dataclass(slots=True)
class _Rounds:
    """Rounds as they happened; each entry has one row per patient."""

    t: list[NDArray[np.int64]] = field(default_factory=list)
    shown: list[NDArray[np.float64]] = field(default_factory=list)
    state: list[NDArray[np.float64]] = field(default_factory=list)
    pulse: list[Flags] = field(default_factory=list)
    usable: list[Flags] = field(default_factory=list)
    arrived: list[Flags] = field(default_factory=list)

    def arrays(self) -> dict[str, Any]:
        """Returns (n, rounds, …) arrays."""
        found: dict[str, Any] = {name: np.stack(getattr(self, name), axis=1) for name in self.__slots__}
        return found | {"heard": found["usable"].any(axis=2) & found["arrived"]}


def live(script: Script) -> Life:
    """Plays one life."""
    courses = stories.courses(script.story, script.seed, script.patients, script.hours)
    ward = wards.Ward(
        script.seed, script.patients, script.cadence_s, script.hours * wards.HOUR_S * 2 / 3, courses,
        still=script.clean, model=calibration(script.simulator), ill=stories.ILL.get(script.story, 1.0),
    )  # fmt: skip
    people = People(script.people)
    product = Product(script.cadence_s, ward.cuff_s, people, wards.T0, script.nurses)
    mishaps = Mishaps(script)
    if script.standby:
        for i, spans in enumerate(mishaps.away):
            people.stand_by(f"p{i}", *(wards.T0 + round(1000 * s) for s in spans[-1]))
    rounds = _Rounds()
    for _ in range(script.hours):
        hour = ward.hour()
        _play(script, hour, product, mishaps, rounds)
    limits = np.broadcast_to(wards.ADULT[:, :4], (script.patients, len(SIGNS), 4))
    arrays = rounds.arrays() | {
        "cadence_s": np.array(script.cadence_s),
        "patients": np.array([f"p{i}" for i in range(script.patients)]),
        "story": np.array([course.story.name for course in ward.courses]),
        "line": ward.cuff_s == 0,
        "fits": ward.fits,
        "limits": limits,
    }
    return Life(arrays, messages(product.alarms(), product.notifications()), people.lines)


def _play(script: Script, hour: wards.Hour, product: Product, mishaps: "Mishaps", rounds: _Rounds) -> None:
    batches = []
    for k in range(len(hour.t)):
        values, shown, state, off = (part[k].copy() for part in (hour.values, hour.truth, hour.state, hour.off))
        if script.oximeter:
            others = np.setdiff1d(np.arange(len(SIGNS)), OXIMETER)
            values[:, others] = shown[:, others] = state[:, others] = np.nan
            off[:, others] = False
        arrived = mishaps.arrives(hour.t[k])
        rounds.t.append(hour.t[k])
        rounds.shown.append(shown)
        rounds.state.append(state)
        rounds.pulse.append(hour.pulse[k])
        rounds.usable.append(np.isfinite(values) & (values > 0) & arrived[:, None] & ~_hidden(values, shown))
        rounds.arrived.append(arrived)
        batches.append(product.clean(hour.t[k], values, off, arrived))
    for batch, now in _strokes(script, batches, int(hour.t[0].min())):
        product.advance(batch, now)


def _hidden(values: NDArray[np.float64], shown: NDArray[np.float64]) -> Flags:
    """Returns (n, signs) whether an artefact replaced a value beyond its limit by one that is not.

    Nobody can hear such a breach, so the value is not usable. A value that an artefact leaves beyond the limit, or puts
    there, is.
    """
    low, high = wards.ADULT[:, 1], wards.ADULT[:, 2]
    return ((shown < low) & ~(values < low)) | ((shown > high) & ~(values > high))


def _strokes(script: Script, batches: Sequence[Batch], first: int) -> Iterator[tuple[Batch, int]]:
    """Yields the readings of an hour in the order of their times, with the time up to which they have come."""
    whole = Batch(
        np.concatenate([b.patient for b in batches]),
        np.concatenate([b.t for b in batches]),
        np.concatenate([b.values for b in batches]),
        np.concatenate([b.suspect for b in batches]),
        [off for b in batches for off in b.off],
    )
    order = np.argsort(whole.t, kind="stable")
    whole = Batch(
        whole.patient[order], whole.t[order], whole.values[order], whole.suspect[order],
        [whole.off[i] for i in order.tolist()],
    )  # fmt: skip
    step = 1000 * (1 if script.cadence_s == 1 else STEP_S)
    begin = (first - wards.T0) // 3_600_000 * 3_600_000 + wards.T0
    ends = np.arange(begin + step, begin + 3_600_000 + step, step)
    places = np.searchsorted(whole.t, ends)
    before = 0
    for place, end in zip(places.tolist(), ends.tolist(), strict=True):
        yield whole.part(before, place), end
        before = place


class Mishaps:
    """Mishaps that keep readings from arriving: loss, silence, and standby."""

    def __init__(self, script: Script) -> None:
        self._rng = np.random.default_rng([script.seed, 3])
        self._lost = script.lost
        self.away = [self._spans(script) for _ in range(script.patients)]

    def _spans(self, script: Script) -> list[tuple[float, float]]:
        """Returns when a device is silent, (first, end) in seconds of the life; a standby is the last of them."""
        spans = []
        lengths = [*(SILENCES_S if script.silences else ()), *((900.0,) if script.standby else ())]
        for k, length in enumerate(lengths):
            share = script.hours * wards.HOUR_S / len(lengths)
            first = share * k + float(self._rng.uniform(0.1, 0.9)) * max(share - length - 300, 1)
            spans.append((first, first + length))
        return spans

    def arrives(self, t: NDArray[np.int64]) -> Flags:
        """Returns (n,) whether each device's reading of the moment (n,) `t` arrives."""
        arrives = self._rng.random(len(t)) >= self._lost
        seconds = (t - wards.T0) / 1000
        for i, spans in enumerate(self.away):
            arrives[i] &= not any(first <= seconds[i] < end for first, end in spans)
        return arrives


def main(argv: Sequence[str]) -> int:
    """Plays one life and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--cadence", type=int, choices=(1, 30), default=30)
    parser.add_argument("--patients", type=int, default=50)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--story", choices=(*stories.ILL, *stories.NAMED), default=stories.WARD)
    parser.add_argument("--people", type=Habit, choices=list(Habit), default=Habit.ACKNOWLEDGES)
    parser.add_argument("--lost", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--simulator", choices=list(CALIBRATIONS), default=NEWEST.name)
    for name in ("silences", "standby", "oximeter", "clean"):
        parser.add_argument(f"--{name}", action="store_true")
    given = vars(parser.parse_args(argv))
    out, cadence = given.pop("out"), given.pop("cadence")
    live(Script(cadence_s=cadence, **given)).write(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
