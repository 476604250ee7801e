"""Readings of many devices, round by round: physiology, scenario, cuff, sensors, artefacts. Pure but for its own seed.

All devices of one cadence make a round together; within it each has its own phase and a little jitter, like real
monitors, which are not synchronised. Time is the second of the run and no clock is read, so a day passes as fast as it
is computed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_sim.patient import physiology
from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.artefacts import Artefacts, names
from firmware_sim.patient.calibration import CHANNELS, NEWEST, Calibration
from firmware_sim.patient.physiology import DRIVES, Floats
from firmware_sim.patient.scenarios import Course, Scenario
from firmware_sim.patient.variation import Display, Variation
from vitals.signs import FIELDS, INDEX, SIGNS

_JITTER_SHARE: Final = 0.02
CONTINUOUS: Final = tuple(INDEX[field] for field in ("hr", "pr", "rr", "spo2"))
"""Places of the signs that a monitor averages and holds."""
_PRESSURES: Final = np.array([i for i, sign in enumerate(SIGNS) if sign.sensor == "cuff"])


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading as measured, before it has an identity.

    Attributes:
        device: Device id.
        at_s: Second of the run.
        values: One per sign as shown, None if absent.
        off: Fields whose sensor is disconnected.
        story: Name of the patient's scenario.
        phase: Phase of it.
        truth: Value that the monitor shows without artefacts, one per sign, measured now or not.
        state: The patient's state without the minute's variation, one per sign, unrounded; empty for a recording.
        artefacts: Names of the artefacts in `values`.
        unmeasured: Fields that a faultless device would not have measured now: a cuff at rest, a sensor that is off.
    """

    device: str
    at_s: float
    values: tuple[float | None, ...]
    off: tuple[str, ...] = ()
    story: str = ""
    phase: str = ""
    truth: tuple[float | None, ...] = ()
    state: tuple[float, ...] = ()
    artefacts: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """One reading of each patient of a group, as columns; rows in the order of admission.

    Attributes:
        t_s: (n,) seconds of the run.
        values: (n, signs) as shown, NaN if nothing is measured.
        truth: (n, signs) values shown without artefacts, measured now or not; 0 if the monitor finds none.
        state: (n, signs) the patient's state without the minute's variation, unrounded.
        artefacts: (n, kinds) flags of the artefacts (`artefacts.KINDS`) in the values.
        measured: (n, signs) flags of the signs measured now, including sensors that a scenario disconnects.
        off: (n, signs) flags of the sensors that have come off, as the device reports; not a scenario's.
    """

    t_s: Floats
    values: Floats
    truth: Floats
    state: Floats
    artefacts: NDArray[np.bool_]
    measured: NDArray[np.bool_]
    off: NDArray[np.bool_]


class Source(Protocol):
    """Source of readings."""

    def start_s(self) -> float:
        """Returns the second of the run before which the next round has no reading; infinite after the last."""

    def next(self) -> Sequence[Sample]:
        """Returns the next round."""


@dataclass(frozen=True, slots=True)
class Patient:
    """A device and the patient on it.

    Attributes:
        device: Device id.
        course: The patient's scenario.
        cuff_s: Seconds between cuff pressures; 0 for an arterial line.
        signs: Fields that the device measures.
        baseline: Resting values that are given instead of drawn.
    """

    device: str
    course: Course
    cuff_s: float = 0.0
    signs: tuple[str, ...] = FIELDS
    baseline: tuple[tuple[str, float], ...] = ()


class PatientGroup:
    """Simulated patients whose devices share one cadence."""

    def __init__(  # noqa: PLR0917 - the model is the newest almost everywhere
        self,
        patients: Sequence[Patient],
        cadence_s: float,
        rates: Rates,
        seed: int,
        day_s: float,
        model: Calibration = NEWEST,
    ) -> None:
        """Admits the patients; `day_s` is the time of day at second 0 of the run, seconds since midnight."""
        n = len(patients)
        self._model = model
        self._patients, self._cadence_s, self._day_s = tuple(patients), cadence_s, day_s
        self._rng = np.random.default_rng([seed, n, round(cadence_s * 1000)])
        self._base = np.asfortranarray(physiology.admit(self._rng, [dict(p.baseline) for p in patients], model))
        self._variation = Variation(model, n, self._rng)
        self._own = self._base + self._variation.drift
        self._calm = np.zeros((n, len(CHANNELS)))
        # Evenly spread phases in random order: a ward's readings do not come in one burst.
        self._phase_s = (self._rng.permutation(n) / n) * cadence_s
        self._cuff_s = np.array([p.cuff_s for p in patients])
        self._cuffs = bool(self._cuff_s.any())
        # Each cuff keeps its own time; the first reading of every device has a pressure.
        self._cuff_phase_s = self._rng.uniform(0, 1, n) * self._cuff_s
        self._cuffs_done = np.full(n, -1.0)
        self._measures = np.array([[field in p.signs for field in FIELDS] for p in patients])
        self._artefacts = Artefacts(rates, n, self._rng, self._cuff_s == 0)
        self._display = Display(model, CONTINUOUS, n, self._rng)
        self._by_story = _by_story([p.course for p in patients])
        self._round = 0

    def start_s(self) -> float:
        """Returns the second of the run before which the next round has no reading."""
        return self._round * self._cadence_s

    def next(self) -> list[Sample]:
        """Returns the next round, in order of time."""
        made = self.step()
        at, shown, true = made.t_s.tolist(), made.values.tolist(), made.truth.tolist()
        state, spoilt = np.round(made.state, 2).tolist(), np.any(made.artefacts, axis=1).tolist()
        whole, complete = frozenset(FIELDS), np.all(made.measured, axis=1).tolist()
        some = np.any(made.off, axis=1).tolist()
        return [
            self._sample(
                i,
                at[i],
                shown=shown[i],
                truth=true[i],
                state=state[i],
                labels=names(made.artefacts[i]) if spoilt[i] else (),
                off=tuple(compress(FIELDS, made.off[i])) if some[i] else (),
                measured=whole if complete[i] else frozenset(compress(FIELDS, made.measured[i])),
            )
            for i in np.argsort(made.t_s).tolist()
        ]

    def step(self) -> Round:
        """Returns the next round as columns; sensors that a scenario disconnects are still connected in them."""
        t_s = self.start_s() + self._phase_s
        t_s += self._rng.uniform(0, _JITTER_SHARE, len(t_s)) * self._cadence_s
        if self._round and self._variation.step(self._cadence_s):
            self._own = self._base + self._variation.drift
        self._round += 1
        drives, day_s = self._drives(t_s), t_s + self._day_s
        state = physiology.signs(self._own, self._calm, drives, day_s, self._model)
        truth = physiology.shown(physiology.signs(self._own, self._variation.noise, drives, day_s, self._model))
        self._display.hold(truth[None], self._cadence_s)
        cuff_now = self._measured(t_s)
        values, spoilt, off = self._artefacts.apply(truth, cuff_now & (self._cuff_s > 0), t_s, self._cadence_s)
        measured = self._measures
        if not cuff_now.all():
            measured = measured.copy()
            measured[np.ix_(~cuff_now, _PRESSURES)] = False
        if off.any():
            measured, off = measured & ~off, off & self._measures
        if not measured.all():
            values[~measured] = np.nan
        return Round(t_s, values, truth, state, spoilt, measured, off)

    def _drives(self, t_s: Floats) -> Floats:
        drives = np.zeros((len(t_s), len(DRIVES)), order="F")
        for story, rows, start_s, speed in self._by_story:
            if story.moves:
                drives[rows] = story.drives((t_s[rows] - start_s) * speed)
        return drives

    def _measured(self, t_s: Floats) -> NDArray[np.bool_]:
        """Returns (n,) whether pressures are measured now: always with a line, with the first reading for a cuff."""
        if not self._cuffs:
            return np.ones(len(t_s), dtype=np.bool_)
        turn = np.floor_divide(t_s + self._cuff_phase_s, np.where(self._cuff_s > 0, self._cuff_s, np.inf))
        now: NDArray[np.bool_] = (self._cuff_s == 0) | (turn > self._cuffs_done)
        self._cuffs_done = turn
        return now

    def _sample(
        self,
        i: int,
        at_s: float,
        *,
        shown: list[float],
        truth: list[float],
        state: list[float],
        labels: tuple[str, ...],
        off: tuple[str, ...],
        measured: frozenset[str],
    ) -> Sample:
        patient = self._patients[i]
        story = patient.course.story
        story_s = float(patient.course.story_s(at_s))
        away = story.sensors_off(story_s)
        values = tuple(
            None if math.isnan(value) or field in away else value for field, value in zip(FIELDS, shown, strict=True)
        )
        if story.off:
            told = {*off, *story.sensors_off(story_s, reported=True)}
            off = tuple(field for field in FIELDS if field in told and field in patient.signs)
        return Sample(
            patient.device,
            at_s,
            values,
            off,
            story.name,
            story.phase(story_s),
            tuple(truth),
            tuple(state),
            labels,
            tuple(field for field in FIELDS if field not in measured or field in away),
        )


def _by_story(courses: Sequence[Course]) -> list[tuple[Scenario, NDArray[np.intp], Floats, Floats]]:
    """Groups patients by scenario, so that each scenario is computed once a round for all its patients."""
    rows: dict[Scenario, list[int]] = {}
    for i, course in enumerate(courses):
        rows.setdefault(course.story, []).append(i)
    return [
        (
            story,
            np.array(members, dtype=np.intp),
            np.array([courses[i].start_s for i in members]),
            np.array([courses[i].speed for i in members]),
        )
        for story, members in rows.items()
    ]
