"""The engine against recorded patients, in the folder that `SHARED` names (`make verify`)."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.vitals.build import T0, One, columns, placement
from vitals import engine
from vitals.alarm_events import AlarmEvent, Phase, Priority
from vitals.signs import Suspect

DATA = Path(os.environ["SHARED"]) / "data"
MINUTE = 60_000
MONITOR = {"HR": "hr", "PULSE": "pr", "RESP": "rr", "SpO2": "spo2"}
CUFF = {"NBPSys": "sbp", "NBPDias": "dbp", "NBPMean": "map"}


@pytest.fixture(scope="module")
def recording() -> list[One]:
    """32 h of one patient's monitor, one reading a minute; a zero is the monitor's dropout."""
    with (DATA / "monitor_numerics_1min" / "patient_a_32h.csv").open() as file:
        rows = list(csv.DictReader(file))
    return list(_readings(rows))


def _readings(rows: list[dict[str, str]]) -> Iterator[One]:
    for k, row in enumerate(rows):
        numbers = {sign: float(row[name]) for name, sign in (MONITOR | CUFF).items() if row[name]}
        codes = {sign: Suspect.DROPOUT for sign, value in numbers.items() if value == 0 and sign in MONITOR.values()}
        values = {sign: value for sign, value in numbers.items() if value != 0}
        yield One(T0 + k * MINUTE, values, codes, seq=k)


def play(ones: list[One]) -> list[AlarmEvent]:
    state = engine.empty()
    engine.place(state, [placement(cadence_s=60.0, cuff_s=780.0)], T0)
    return [event for one in ones for event in engine.advance(state, columns([one]), one.t)[1]]


def with_value(one: One, sign: str, value: float) -> One:
    codes = {name: code for name, code in one.codes.items() if name != sign}
    return One(one.t, {**one.values, sign: value}, codes, seq=one.seq)


def starts(events: list[AlarmEvent], condition: str) -> list[AlarmEvent]:
    return [event for event in events if event.condition == condition and event.phase is Phase.START]


def episodes(ones: list[One], sign: str, low: float, high: float) -> list[tuple[int, int]]:
    """Runs of samples beyond the limits: (first, length)."""
    runs: list[tuple[int, int]] = []
    for k, one in enumerate(ones):
        beyond = sign in one.values and not low <= one.values[sign] <= high
        if beyond and runs and sum(runs[-1]) == k:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        elif beyond:
            runs.append((k, 1))
    return runs


def test_a_monitors_zeros_make_no_spo2_alarm(recording: list[One]) -> None:
    zeros = sum("spo2" in one.codes for one in recording)
    assert zeros > 300
    filled = [with_value(one, "spo2", 97) if "spo2" in one.codes else one for one in recording]
    assert [e.start for e in starts(play(recording), "spo2")] == [e.start for e in starts(play(filled), "spo2")]


def test_no_one_sample_episode_of_the_respiratory_rate_pages(recording: list[One]) -> None:
    runs = episodes(recording, "rr", 8, 30)
    single = {T0 + k * MINUTE for k, length in runs if length == 1}
    assert len(single) == 24
    assert [e.id for e in starts(play(recording), "rr") if e.start in single] == []


def test_every_desaturation_injected_into_it_pages(recording: list[One]) -> None:
    rng = np.random.default_rng(7)
    ones, injected = list(recording), []
    for first in range(20, len(ones) - 20, 40):
        length, depth = int(rng.integers(2, 6)), float(rng.integers(78, 90))
        if all("spo2" in one.values for one in ones[first : first + length]):
            injected.append((first, length, depth))
            ones[first : first + length] = [with_value(one, "spo2", depth) for one in ones[first : first + length]]
    told = [e for e in play(ones) if e.condition == "spo2"]
    assert len(injected) > 30
    missed = []
    for first, length, depth in injected:
        window = range(T0 + first * MINUTE, T0 + (first + length) * MINUTE)
        # One that latched before, unacknowledged, comes alive again as the same alarm.
        mine = [e for e in told if e.t in window and (e.phase is Phase.START or e.state.value == "active")]
        if not mine or (depth < 85 and max(e.priority for e in mine) is not Priority.HIGH):
            missed.append((first, length, depth))
    assert missed == []
