"""Where a sign is heading: a robust online level and slope per patient and sign, with an interval.

The model is a level that wanders and a slope that fades (an Ornstein-Uhlenbeck process with `FADE_MIN`), followed by
a Kalman filter whose outliers are weighted down after Huber. Noise and wander are taken from each sign's largest
believable step, so a new sign needs no entry here. At most one value per sign and half minute is used: the noise of
neighbouring seconds is the same noise, and a trend over half an hour needs no more.

An *advisory* says that a limit is expected to be crossed within 30 minutes. It is low priority, an aid beside the
alarms and never one of them: it has a switch of its own, and ends when the sign's own limit is crossed.
"""

import math
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.alarms import AlarmEvent, Kind, Phase, Priority, State, alarm_id
from vitals.limits import HIGH, LOW
from vitals.readings import Readings
from vitals.signs import FIELDS, SIGNS, Suspect

Floats = NDArray[np.float64]
MINUTE_MS: Final = 60_000
HORIZON_MIN: Final = 30.0
FADE_MIN: Final = 30.0
"""A slope is half forgotten after some 20 minutes: patients are treated, and bodies correct themselves."""
SPACING_MS: Final = 30_000
HUBER: Final = 2.0
LIVE_MS: Final = 120_000
HOLD_MS: Final = 180_000
"""An expected crossing must stay expected for so long, and an advisory no longer wanted stays for as long."""
SURE: Final = 1.64
"""One-sided 95 %: the slope is told from none, before anybody is told of it."""
CERTAIN: Final = 1.28
"""Two-sided 80 % interval of forecasts."""
MIN_COUNT: Final = 10
NOISE: Final = np.array([sign.max_step / 10 for sign in SIGNS])
WANDER: Final = NOISE * 0.05
"""Standard deviation by which the level wanders in a minute."""
SLOPE: Final = NOISE * 0.05
"""Standard deviation of the slope, per minute. Wander and slope were chosen on half of a hundred intensive-care
patients for the error at 1 to 4 h, and on stories for how early an advisory comes; the other half checks them."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A sign's expected value.

    Attributes:
        mean: Expected value, in the sign's unit.
        low: Lower end of the 80 % interval.
        high: Upper end.
        slope: Present slope, unit per minute.
    """

    mean: float
    low: float
    high: float
    slope: float


class Trends:
    """Levels and slopes of all patients; made by `empty`, changed in place by `advance` alone."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        signs = len(SIGNS)
        self.x: Floats = np.zeros((64, 2, signs))
        self.p: Floats = np.zeros((64, 3, signs))
        self.t: NDArray[np.int64] = np.zeros((64, signs), dtype=np.int64)
        self.count: NDArray[np.int32] = np.zeros((64, signs), dtype=np.int32)
        self.wanted: NDArray[np.int64] = np.zeros((64, signs), dtype=np.int64)
        self.told: dict[tuple[int, int], AlarmEvent] = {}
        self.unwanted: dict[tuple[int, int], int] = {}

    def rows(self, patients: list[str | None]) -> NDArray[np.int64]:
        """Returns the patients' rows, -1 for nobody; new patients get one."""
        for patient in patients:
            if patient is not None and patient not in self.index:
                self.index[patient] = len(self.index)
        while len(self.index) > len(self.t):
            for name in ("x", "p", "t", "count", "wanted"):
                array = getattr(self, name)
                setattr(self, name, np.concatenate([array, np.zeros_like(array)]))
        return np.array([-1 if p is None else self.index[p] for p in patients], dtype=np.int64)


def empty() -> Trends:
    """Returns trends of nobody."""
    return Trends()


def advance(
    trends: Trends, readings: Readings, now: int, *, advisories: bool = True
) -> tuple[Trends, tuple[AlarmEvent, ...]]:
    """Follows readings; late, suspect and absent values are passed over.

    Args:
        trends: What is known; changed in place.
        readings: In arrival order.
        now: Log time, ms: history is followed, but gives no advisory.
        advisories: The switch: without it levels and slopes are followed and nobody is told.

    Returns:
        The trends, and start and end of advisories.
    """
    rows = trends.rows(readings.patient.tolist())
    codes = readings.suspect_digits()
    usable = ~np.isnan(readings.values) & ((codes == Suspect.NONE) | (codes == Suspect.CLOCK))
    events: list[AlarmEvent] = []
    left = np.flatnonzero(rows >= 0)
    while len(left):
        _, first = np.unique(rows[left], return_index=True)
        turn = np.sort(first)
        index = left[turn]
        _follow(trends, readings, rows[index], index, usable[index])
        if advisories:
            live = index[now - readings.t[index] <= LIVE_MS]
            events += _advise(trends, readings, rows[live], live, now)
        left = np.delete(left, turn)
    return trends, tuple(events)


def _follow(
    trends: Trends, readings: Readings, rows: NDArray[np.int64], index: NDArray[np.intp], usable: NDArray[np.bool_]
) -> None:
    t, z = readings.t[index][:, None], readings.values[index]
    last, count = trends.t[rows], trends.count[rows]
    new = usable & (count == 0)
    due = usable & (count > 0) & (t - last >= SPACING_MS)
    x, p = trends.x[rows], trends.p[rows]
    minutes = np.where(due, (t - last) / MINUTE_MS, 0.0)
    level, slope, p11, p12, p22 = _predict(x, p, minutes)
    error = np.where(due, z - level, 0.0)
    variance = p11 + NOISE**2
    size = np.abs(error) / np.sqrt(variance)
    # An outlier counts as a value of larger noise, so that its pull stays bounded.
    noise = NOISE**2 * np.maximum(1.0, size / HUBER) ** 2
    gain1, gain2 = p11 / (p11 + noise), p12 / (p11 + noise)
    x_new = np.stack([level + gain1 * error, slope + gain2 * error], axis=1)
    p_new = np.stack([p11 * (1 - gain1), p12 * (1 - gain1), p22 - gain2 * p12], axis=1)
    x_first = np.stack([z, np.zeros_like(z)], axis=1)
    p_first = np.broadcast_to(np.stack([NOISE**2, np.zeros_like(NOISE), SLOPE**2]), p.shape)
    x = np.where(due[:, None], x_new, np.where(new[:, None], x_first, x))
    p = np.where(due[:, None], p_new, np.where(new[:, None], p_first, p))
    trends.x[rows], trends.p[rows] = x, p
    trends.t[rows] = np.where(due | new, t, last)
    trends.count[rows] = count + (due | new)


def _predict(x: Floats, p: Floats, minutes: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Returns level, slope and their covariance (p11, p12, p22) after so many minutes; arrays (n, 2|3, signs)."""
    fade = np.exp(-minutes / FADE_MIN)
    reach = FADE_MIN * (1 - fade)
    p11 = p[:, 0] + 2 * reach * p[:, 1] + reach**2 * p[:, 2] + WANDER**2 * minutes
    p12 = fade * (p[:, 1] + reach * p[:, 2])
    p22 = fade**2 * p[:, 2] + SLOPE**2 * (1 - fade**2)
    return x[:, 0] + reach * x[:, 1], x[:, 1] * fade, p11, p12, p22


def forecast(trends: Trends, patient: str, field: str, t: int) -> Forecast | None:
    """Expects a sign's value at time `t`.

    Args:
        trends: What is known.
        patient: Patient id.
        field: Sign's field.
        t: UTC epoch ms, not before the newest value used.

    Returns:
        The forecast with its 80 % interval; None when the sign has had no value.
    """
    row, s = trends.index.get(patient), FIELDS.index(field)
    if row is None or not trends.count[row, s]:
        return None
    minutes = np.full((1, len(SIGNS)), max(0.0, (t - int(trends.t[row, s])) / MINUTE_MS))
    level, _, p11, _, _ = _predict(trends.x[row][None], trends.p[row][None], minutes)
    half = CERTAIN * math.sqrt(p11[0, s] + NOISE[s] ** 2)
    mean = min(float(level[0, s]), SIGNS[s].maximum)
    return Forecast(mean, mean - half, min(mean + half, SIGNS[s].maximum), float(trends.x[row, 1, s]))


def _advise(
    trends: Trends, readings: Readings, rows: NDArray[np.int64], index: NDArray[np.intp], now: int
) -> list[AlarmEvent]:
    if not len(index):
        return []
    x, p = trends.x[rows], trends.p[rows]
    level, slope, p22 = x[:, 0], x[:, 1], p[:, 2]
    reach = FADE_MIN * (1 - math.exp(-HORIZON_MIN / FADE_MIN))
    ahead = np.minimum(level + reach * slope, [sign.maximum for sign in SIGNS])
    bounds = readings.bounds()[index] if readings.limit_sets else readings.take(index).bounds()
    low, high = bounds[..., LOW], bounds[..., HIGH]
    ready = (trends.count[rows] >= MIN_COUNT) & (trends.t[rows] == readings.t[index][:, None])
    sure = np.abs(slope) > SURE * np.sqrt(p22)
    falls = ready & sure & (slope < 0) & (level >= low) & (ahead < low)
    rises = ready & sure & (slope > 0) & (level <= high) & (ahead > high)
    wants = falls | rises
    t = readings.t[index][:, None]
    since = trends.wanted[rows]
    since = np.where(wants, np.where(since == 0, t, since), np.where(ready, 0, since))
    trends.wanted[rows] = since
    events = []
    told = [(k, s) for k, row in enumerate(rows.tolist()) for s in range(len(SIGNS)) if (row, s) in trends.told]
    begin = wants & (t - since >= HOLD_MS)
    for k, s in np.argwhere(begin).tolist():
        if (int(rows[k]), s) not in trends.told:
            bound = float(low[k, s] if falls[k, s] else high[k, s])
            key = (int(rows[k]), s)
            events.append(_start(trends, readings, int(index[k]), key, level=float(level[k, s]), bound=bound, now=now))
    for k, s in told:
        over = level[k, s] < low[k, s] or level[k, s] > high[k, s]
        events += _end(trends, (int(rows[k]), s), int(t[k, 0]), now, wanted=bool(wants[k, s]), over=bool(over))
    return events


def _start(
    trends: Trends, readings: Readings, i: int, key: tuple[int, int], *, level: float, bound: float, now: int
) -> AlarmEvent:
    sign, patient = SIGNS[key[1]], str(readings.patient[i])
    condition, began = f"trend-{sign.field}", int(trends.wanted[key])
    event = AlarmEvent(
        id=alarm_id(patient, condition, began),
        n=0,
        subject=patient,
        condition=condition,
        kind=Kind.PHYSIOLOGICAL,
        priority=Priority.LOW,
        phase=Phase.START,
        state=State.ACTIVE,
        start=began,
        t=int(readings.t[i]),
        log_t=now,
        text=f"{sign.name} {level:.{sign.decimals}f} is expected to cross {bound:g} within {HORIZON_MIN:.0f} min",
        value=round(level, sign.decimals + 1),
        limit=bound,
        patient=patient,
        ward=readings.ward[i],
        bed=readings.bed[i],
        device=readings.device[i],
        gateway=readings.gateway[i],
        boot=int(readings.boot[i]),
        seq=int(readings.seq[i]),
    )
    trends.told[key] = event
    trends.unwanted.pop(key, None)
    return event


def _end(trends: Trends, key: tuple[int, int], t: int, now: int, *, wanted: bool, over: bool) -> list[AlarmEvent]:
    """Ends an advisory when its limit is crossed, or when nothing has pointed there for a while."""
    if wanted and not over:
        trends.unwanted.pop(key, None)
        return []
    since = trends.unwanted.setdefault(key, t)
    if not over and t - since < HOLD_MS:
        return []
    event = trends.told.pop(key)
    del trends.unwanted[key]
    why = "its limit is crossed" if over else "no longer expected"
    return [
        msgspec.structs.replace(
            event, n=event.n + 1, phase=Phase.END, state=State.INACTIVE, t=t, log_t=now, text=f"{event.text}: {why}"
        )
    ]
