"""How few alarms, and none too few: `make bench ONLY=alarms`.

A hundred patients through a day (`tests/bench/wards.py`, held-out seeds), at 1 s and at 30 s cadence: simulated bodies,
artefacts at the measured rates, the gateway's filter, the shared engine. A nurse acknowledges each high alarm a minute
after it was told. The simulator's truth judges:

- *Alarms* are what would page: every event that calls the first contact (`vitals.alarm_events.pages`).
  *Episodes* are runs of values beyond a limit as sent, per sign, zeros left out: what a monitor without delay and
  filter tells. Compared are alarms of the signs' limits; what no such monitor has (lost signs, NEWS2, sensors)
  is told in the note.
- A *true event* is a time in which a sign of the patient's state is beyond its limit (gaps under a minute are bridged),
  or in which heart and saturation are lost. It is *due* when a faultless device of that cadence shows what the rules
  ask for: a value beyond an extreme bound, a pressure, or the condition delay. *Missed* are due ones without an alarm.
  A sign that vanishes while it is beyond its limit is told of by its loss too. Events too shallow or short to be due
  are told in the note.
- The *delay* runs from the second in which the breach begins, as a faultless monitor that looks each second shows it,
  that lasts as long as the rules ask for, or for one cadence if that is longer (with a cuff: from the first
  measurement), to the alarm's time. It holds the condition delay and the cadence.
- A *false* alarm is a physiological one of medium or high priority whose sign (or NEWS2 of 5 or a single 3, or lost
  signs) the state does not bear out within a minute. It is due to *variation* when a faultless device shows the breach
  too, else to an artefact.
"""

import os
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.ingest import artefact_filter as artefacts
from tests.bench import wards
from tests.bench.bench_filter import memory
from vitals import engine, readings
from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority, pages
from vitals.breach_codes import ABSENT, BREACH_EXTREME_HIGH, BREACH_EXTREME_LOW, BREACH_LOW, WITHIN, breach
from vitals.limits import DELAY_S
from vitals.signs import FIELDS, INDEX, SIGNS, SUSPECT_BITS

PATIENTS = int(os.environ.get("ALARM_PATIENTS", "100"))
HOURS = int(os.environ.get("ALARM_HOURS", "24"))
GOALS = {1: 20.0, 30: 60.0}
"""Delay, s, by cadence, s."""
NURSE_MS = 60_000
BRIDGED_S = 60
NEAR_S = 60
TOGETHER = 5
"""Rounds at 1 Hz that the engine is given at once."""
CUFF = np.array([sign.sensor == "cuff" for sign in SIGNS])
LOST, NEWS2 = "vital-signs-lost", "news2-risk"
_SHIFTS = np.arange(len(SIGNS), dtype=np.int64) * SUSPECT_BITS

Digits = NDArray[np.int8]


@dataclass(slots=True)
class Day:
    """What a ward lived through; the lists hold one array per hour.

    Attributes:
        cadence_s: Seconds between readings.
        cuff_s: (n,) seconds between cuff pressures, 0 with a line.
        t: (rounds, n) event times, ms.
        sent: (rounds, n, signs) breach digits of the values as sent.
        shown: (rounds, n, signs) those of a faultless device at that moment.
        each_second: (seconds, n, signs) those of a faultless monitor.
        body: (seconds, n, signs) those of the state.
        at_risk: (seconds, n) by NEWS2.
        events: What the engine told.
    """

    cadence_s: int
    cuff_s: NDArray[np.float64]
    t: list[NDArray[np.int64]] = field(default_factory=list)
    sent: list[Digits] = field(default_factory=list)
    shown: list[Digits] = field(default_factory=list)
    each_second: list[Digits] = field(default_factory=list)
    body: list[Digits] = field(default_factory=list)
    at_risk: list[NDArray[np.bool_]] = field(default_factory=list)
    events: list[AlarmEvent] = field(default_factory=list)


class Watched:
    """The engine, and the nurse who acknowledges high alarms."""

    def __init__(self, ward: wards.Ward) -> None:
        self.names = readings.text([f"p{i}" for i in range(ward.n)])
        placements = [
            DeviceAssignment(
                device=f"d{i}", patient=f"p{i}", ward="w", bed=f"b{i}", since=wards.T0,
                cadence_s=float(ward.cadence_s), cuff_s=float(ward.cuff_s[i]),
            )
            for i in range(ward.n)
        ]  # fmt: skip
        self.state, self.events = engine.place(engine.empty(), placements, wards.T0)
        self.told: list[AlarmEvent] = list(self.events)
        self._round: dict[str, tuple[int, AlarmEvent]] = {}

    def hear(self, t: NDArray[np.int64], values: NDArray[np.float64], codes: NDArray[np.int8]) -> None:
        """Judges rounds of readings, (rounds, n), in order of time."""
        count, n = t.shape
        order = np.argsort(t.ravel(), kind="stable")
        packed = np.bitwise_or.reduce(codes.reshape(-1, len(SIGNS)).astype(np.int64) << _SHIFTS, axis=1)
        same, zero = readings.text(["x"] * count * n), np.zeros(count * n, dtype=np.int64)
        batch = readings.Readings(
            patient=np.tile(self.names, count)[order], device=same, gateway=same, ward=same, bed=same, boot=zero,
            seq=t.ravel()[order] // 1000, t=t.ravel()[order], t_gw=t.ravel()[order], roster=zero,
            suspect=packed[order], limits=zero, values=values.reshape(-1, len(SIGNS))[order],
        )  # fmt: skip
        now = int(t.max())
        self.state, events = engine.advance(self.state, batch, now)
        self._note(events)
        for alarm, (due, event) in list(self._round.items()):
            if due <= now:
                del self._round[alarm]
                act = Action(
                    id=f"{alarm}.{due}", act=Act.ACKNOWLEDGE, patient=event.subject, t=now, by="n", alarm=alarm
                )
                self.state, events = engine.act(self.state, act, now)
                self._note(events)

    def _note(self, events: tuple[AlarmEvent, ...]) -> None:
        self.told += events
        for event in events:
            if event.priority is Priority.HIGH and event.phase in {Phase.START, Phase.ESCALATE}:
                self._round.setdefault(event.id, (event.t + NURSE_MS, event))


def live(seed: int, count: int, cadence_s: int, hours: int) -> Day:
    """Lives a day of one ward."""
    ward = wards.Ward(seed, count, cadence_s, hours * wards.HOUR_S * 2 / 3)
    day, watched = Day(cadence_s, ward.cuff_s), Watched(ward)
    rows, profile = memory(count), np.zeros(count, dtype=np.int64)
    together = TOGETHER if cadence_s == 1 else 1
    for _ in range(hours):
        hour = ward.hour()
        for first in range(0, len(hour.t), together):
            cleaned = []
            for k in range(first, first + together):
                values, codes, rows = artefacts.clean(rows, hour.t[k], hour.values[k], hour.off[k], profile)
                cleaned.append((hour.t[k], values, codes))
            watched.hear(*(np.stack(part) for part in zip(*cleaned, strict=True)))
        day.t.append(hour.t)
        day.sent.append(_digits(np.where(hour.values == 0, np.nan, hour.values)))
        day.shown.append(_digits(hour.truth))
        day.each_second.append(hour.each_second)
        day.body.append(hour.body)
        day.at_risk.append(hour.at_risk)
    day.events = watched.told
    return day


def _digits(values: NDArray[np.float64]) -> Digits:
    return breach(values.reshape(-1, len(SIGNS)), wards.ADULT).reshape(values.shape)


def sides(digits: Digits) -> Digits:
    """Returns -1 below the limit, 1 above, 0 within or absent."""
    beyond = np.where(digits <= BREACH_LOW, np.int8(-1), np.int8(1))
    return np.where((digits == WITHIN) | (digits == ABSENT), np.int8(0), beyond)


def runs(flags: NDArray[np.bool_], bridged: int = 0) -> list[tuple[int, int]]:
    """Returns (first, end) of the runs of true; shorter gaps than `bridged` do not part them."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    found: list[tuple[int, int]] = []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and first - found[-1][1] < bridged:
            found[-1] = (found[-1][0], end)
        else:
            found.append((first, end))
    return found


class Truth:
    """What was so in one ward."""

    def __init__(self, day: Day) -> None:
        self.body = np.concatenate(day.body)
        self._t, self._shown = np.concatenate(day.t), np.concatenate(day.shown)
        self._each, self._risk = np.concatenate(day.each_second), np.concatenate(day.at_risk)
        self._cuff_s, self._cadence_s = day.cuff_s, day.cadence_s

    def onset(self, i: int, s: int, side: int, span: tuple[int, int]) -> int | None:
        """Returns when a true event of patient i and sign s began to be due, ms; None when it never was."""
        first, end = span
        t = self._t[:, i]
        inside = (t >= wards.T0 + 1000 * first) & (t < wards.T0 + 1000 * end) & (self._shown[:, i, s] != ABSENT)
        at, digits = t[inside], self._shown[inside, i, s]
        asked_s = float(wards.ADULT[s, DELAY_S])
        if _asks(at, digits, s, side, asked_s) is None:
            return None
        if CUFF[s] and self._cuff_s[i]:
            return int(at[np.flatnonzero(sides(digits) == side)[0]])
        seconds = np.arange(first, end) * 1000 + wards.T0
        lasting_s = max(asked_s, self._cadence_s) if self._cadence_s > 1 else asked_s
        return _asks(seconds, self._each[first:end, i, s], s, side, lasting_s)

    def vanishes(self, i: int, s: int, second: int) -> bool:
        """Whether a sign of patient i is gone at a second."""
        return bool(second < len(self.body) and self.body[second, i, s] == ABSENT)

    def lost(self, i: int) -> NDArray[np.bool_]:
        """Returns (seconds,) whether patient i has neither heart rate nor saturation."""
        gone: NDArray[np.bool_] = (self.body[:, i, [INDEX["hr"], INDEX["spo2"]]] == ABSENT).all(axis=1)
        return gone

    def bears_out(self, event: AlarmEvent) -> bool:
        """Whether the patient's state is as an alarm says, within a minute."""
        i = int(event.subject[1:])
        near = slice(max(0, (event.start - wards.T0) // 1000 - NEAR_S), (event.t - wards.T0) // 1000 + NEAR_S)
        if event.condition == NEWS2:
            return bool(self._risk[near, i].any())
        if event.condition == LOST:
            return bool((self.body[near, i, INDEX["spo2"]] == ABSENT).any())
        return bool(sides(self.body[near, i, INDEX[event.condition]]).any())

    def varied(self, event: AlarmEvent) -> bool:
        """Whether a faultless device shows the breach of a false alarm too."""
        if event.condition not in INDEX:
            return False
        i = int(event.subject[1:])
        mine = (self._t[:, i] >= event.start) & (self._t[:, i] <= event.t)
        return bool(sides(self._shown[mine, i, INDEX[event.condition]]).any())


def _asks(at: NDArray[np.int64], digits: Digits, s: int, side: int, asked_s: float) -> int | None:
    """Returns when the first run begins that has what the rules ask for, ms."""
    extreme = digits == (BREACH_EXTREME_LOW if side < 0 else BREACH_EXTREME_HIGH)
    for first, end in runs(sides(digits) == side):
        if at[end - 1] - at[first] >= asked_s * 1000:
            return int(at[first])
        if extreme[first:end].any() and SIGNS[s].sensor != "impedance":
            return int(at[first + int(np.flatnonzero(extreme[first:end])[0])])
    return None


@dataclass(slots=True)
class Verdict:
    """Counts over wards."""

    episodes: int = 0
    due: int = 0
    shallow: int = 0
    varied: int = 0
    days: float = 0.0
    missed: list[str] = field(default_factory=list)
    delays_s: list[float] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    alarms: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)

    def settle(self, name: str, onset: int | None, end_s: int, spans: list[tuple[int, int]]) -> None:
        """Counts one true event; `spans` are the times in which its alarm was active, ms."""
        if onset is None:
            self.shallow += 1
            return
        self.due += 1
        end = wards.T0 + 1000 * end_s
        told = [max(0, start - onset) / 1000 for start, over in spans if start <= end and over >= onset]
        if not told:
            self.missed.append(name)
            return
        self.delays_s.append(min(told))
        if min(told) > max(GOALS.values()):
            self.slow.append(f"{name} {min(told):.0f}")


def judge(day: Day, verdict: Verdict) -> None:
    """Adds one ward's day."""
    truth = Truth(day)
    sent = np.concatenate(day.sent)
    spans = _spans(day.events)
    verdict.days += sent.shape[1] * len(truth.body) / wards.DAY_S
    for i in range(sent.shape[1]):
        for s in range(len(SIGNS)):
            seen = sides(sent[sent[:, i, s] != ABSENT, i, s])
            for side in (-1, 1):
                verdict.episodes += len(runs(seen == side))
                for span in runs(sides(truth.body[:, i, s]) == side, BRIDGED_S):
                    mine, end = spans[f"p{i}", FIELDS[s]], span[1]
                    if truth.vanishes(i, s, end):
                        mine, end = mine + spans[f"p{i}", LOST], end + BRIDGED_S
                    verdict.settle(f"p{i} {FIELDS[s]} {span[0]} s", truth.onset(i, s, side, span), end, mine)
        for first, end in runs(truth.lost(i), BRIDGED_S):
            verdict.settle(f"p{i} lost {first} s", wards.T0 + 1000 * first, end, spans[f"p{i}", LOST])
    for event in _pages(day.events):
        verdict.alarms[event.condition] += 1
        told = event.phase is Phase.START and event.kind is Kind.PHYSIOLOGICAL and event.priority > Priority.LOW
        if told and not truth.bears_out(event):
            verdict.false[event.condition] += 1
            verdict.varied += truth.varied(event)


def _spans(events: list[AlarmEvent]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Returns when alarms were active, (start, end) in ms, by patient and condition."""
    spans: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    begun: dict[str, int] = {}
    for e in events:
        if e.state is AlarmState.ACTIVE:
            begun.setdefault(e.id, e.t)
        elif e.id in begun:
            spans[e.subject, e.condition].append((begun.pop(e.id), e.t))
    last = {e.id: e for e in events}
    for alarm, start in begun.items():
        spans[last[alarm].subject, last[alarm].condition].append((start, sys.maxsize))
    return spans


def _pages(events: list[AlarmEvent]) -> Iterator[AlarmEvent]:
    return (e for e in events if pages(e) and e.phase is not Phase.CONTINUE)


def judged(seeds: tuple[int, ...], cadence_s: int, count: int = PATIENTS, hours: int = HOURS) -> Verdict:
    """Returns the verdict on `count` patients, spread over the seeds."""
    verdict = Verdict()
    for seed in seeds:
        judge(live(seed, count // len(seeds), cadence_s, hours), verdict)
    return verdict


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    found = []
    for cadence_s, goal in GOALS.items():
        v = judged(wards.HELD_OUT_SEEDS, cadence_s)
        limits = sum(v.alarms[name] for name in FIELDS)
        others = ", ".join(f"{name} {k}" for name, k in v.alarms.most_common() if name not in FIELDS)
        fewer = f"{v.episodes} / {limits}, {PATIENTS} patients x {HOURS} h, held-out seeds; beside: {others}"
        missed = f"of {v.due} due; {v.shallow} never due; {', '.join(v.missed[:5])}".rstrip("; ")
        share = ", ".join(f"{name} {k / v.days:.2f}" for name, k in v.false.most_common())
        rate, late = v.false.total() / v.days, float(np.percentile(v.delays_s, 95))
        for name, value, unit, limit, better, note in (
            ("vs_episodes", v.episodes / limits, "times fewer", 3.0, "higher", fewer),
            ("missed", len(v.missed), "count", 0.0, "lower", missed),
            ("false_per_patient_day", rate, "count", None, "lower", f"{share}; {v.varied} of variation"),
            ("delay_p95_s", late, "s", goal, "lower", f"max {max(v.delays_s):.0f} s; {', '.join(v.slow[:3])}"),
        ):
            row = {"name": f"alarms.{name}_{cadence_s}s", "value": round(value, 3), "unit": unit, "goal": limit}
            found.append(row | {"better": better, "note": note})
    return found


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
