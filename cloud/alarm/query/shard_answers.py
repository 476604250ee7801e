"""Builds a shard's answers (:mod:`cloud.alarm.query.answers`) from its slices. Pure."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np

from cloud.alarm.latest_values import LatestValues
from cloud.alarm.partition_engine import EQUIPMENT, PartitionEngine
from cloud.alarm.query.answers import News2Now, PatientNow, ShardSnapshot, SignNow, StandbyNow
from cloud.alarm.shard import Shard
from vitals import engine, trend
from vitals.alarm_events import AlarmEvent
from vitals.engine.reading_view import breach
from vitals.limits import Limit
from vitals.signs import FIELDS


def now(
    shard: Shard,
    *,
    number: int,
    epoch: str,
    catching_up: bool,
    wards: Collection[str] | None = None,
    patients: Collection[str] | None = None,
    since: int = 0,
) -> ShardSnapshot:
    """Returns the patients and alarms of a shard.

    Args:
        shard: The shard.
        number: Number of the shard.
        epoch: Id of this start of the shard.
        catching_up: Whether it judges records from before its start.
        wards: Only these wards; None for all.
        patients: Only these patients; None for all.
        since: Only patients that changed after this revision.
    """
    found: list[PatientNow] = []
    standbys: list[StandbyNow] = []
    revision = 0
    for held in shard.engines.values():
        if held.name == EQUIPMENT:
            continue
        revision = max(revision, held.latest.revision)
        found += _changed(held, wards, patients, since)
        standbys += _standbys(held, wards, patients)
    return ShardSnapshot(
        shard=number,
        epoch=epoch,
        revision=revision,
        clock=max(shard.clocks().values(), default=0),
        catching_up=catching_up,
        patients=tuple(found),
        alarms=tuple(e for e in shard.active() if _concerns(e, wards, patients)),
        standbys=tuple(standbys),
    )


def _standbys(
    held: PartitionEngine, wards: Collection[str] | None, patients: Collection[str] | None
) -> Iterator[StandbyNow]:
    for patient, kept in engine.standbys(held.state).items():
        here = wards is None or held.state.wards[held.state.index[patient]] in wards
        if here and (patients is None or patient in patients):
            yield StandbyNow(patient, kept.until, kept.by)


def _concerns(event: AlarmEvent, wards: Collection[str] | None, patients: Collection[str] | None) -> bool:
    if patients is not None and event.patient is not None:
        return event.patient in patients
    return wards is None or event.ward is None or event.ward in wards


def _changed(
    held: PartitionEngine, wards: Collection[str] | None, patients: Collection[str] | None, since: int
) -> Iterator[PatientNow]:
    index = held.state.index
    if patients is not None:
        chosen = [(patient, index[patient]) for patient in patients if patient in index]
    elif since:
        rows = set(np.flatnonzero(held.latest.changed > since).tolist())
        chosen = [(patient, row) for patient, row in index.items() if row in rows]
    else:
        chosen = list(index.items())
    wanted = [
        (patient, row)
        for patient, row in chosen
        if row < len(held.latest.seen)
        and held.latest.changed[row] > since
        and (wards is None or held.state.wards[row] in wards)
    ]
    # All trends in one call: a query about a thousand patients must not delay alarms.
    trends = trend.estimates(held.trends, [patient for patient, _ in wanted])
    for (patient, row), own in zip(wanted, trends, strict=True):
        yield _patient(held, patient, row, own)


def _patient(held: PartitionEngine, patient: str, row: int, trends: Mapping[str, trend.Estimate]) -> PatientNow:
    latest, limits = held.latest, held.latest.limits(row)
    signs = {
        field: _sign(latest, (row, s), limits.limits[s], trends.get(field))
        for s, field in enumerate(FIELDS)
        if latest.times[row, s] or latest.words[row, s]
    }
    oxygen, consciousness = engine.charted(held.state, patient)
    return PatientNow(
        patient=patient,
        ward=held.state.wards[row],
        t=int(latest.seen[row]),
        signs=signs,
        news2=_news2(held, patient),
        oxygen=oxygen,
        consciousness=consciousness,
    )


def _sign(latest: LatestValues, place: tuple[int, int], limit: Limit, own: trend.Estimate | None) -> SignNow:
    value, t = float(latest.values[place]), int(latest.times[place])
    return SignNow(
        value=value if t else None,
        t=t,
        suspect=int(latest.words[place]),
        breach=breach(value, limit),
        limits=(limit.extreme_low, limit.low, limit.high, limit.extreme_high),
        slope=None if own is None else round(own.slope, 4),
    )


def _news2(held: PartitionEngine, patient: str) -> News2Now | None:
    score = engine.score(held.state, patient, held.clock)
    if score is None:
        return None
    return News2Now(score.total, score.risk, score.parts, score.ages_s, score.missing, bool(score.missing))
