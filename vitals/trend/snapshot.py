"""Encoding and decoding of trends, for the snapshot of a shard."""

from typing import Any, Final

import msgspec
import numpy as np

from vitals.alarm_events import AlarmEvent
from vitals.signs import FIELDS
from vitals.trend.kalman import ARRAYS, Trends

VERSION: Final = 1


class Snapshot(msgspec.Struct, frozen=True):
    """Stored trends; only a program with the same version and signs reads them."""

    version: int
    fields: tuple[str, ...]
    index: dict[str, int]
    free: list[int]
    told: list[tuple[int, int, AlarmEvent]]
    unwanted: list[tuple[int, int, int]]
    known: dict[str, tuple[int, int]]
    recalled: dict[str, AlarmEvent]
    arrays: dict[str, bytes]


_decoder: Final = msgspec.msgpack.Decoder(Snapshot)


def snapshot(trends: Trends) -> bytes:
    """Returns the trends as bytes."""
    rows = len(trends.index) + len(trends.free)
    return msgspec.msgpack.encode(
        Snapshot(
            version=VERSION,
            fields=FIELDS,
            index=trends.index,
            free=trends.free,
            told=[(*key, event) for key, event in trends.told.items()],
            unwanted=[(*key, since) for key, since in trends.unwanted.items()],
            known=trends.known,
            recalled=trends.recalled,
            arrays={name: getattr(trends, name)[:rows].tobytes() for name in ARRAYS},
        )
    )


def restore(data: bytes) -> Trends:
    """Reads a snapshot.

    Raises:
        ValueError: The bytes are no snapshot, or one of other signs; then build the trends from the log.
    """
    try:
        kept = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a snapshot of trends: {error}") from error
    if kept.version != VERSION or kept.fields != FIELDS:
        raise ValueError(f"snapshot of trends of version {kept.version} with signs {kept.fields}")
    trends = Trends()
    rows = len(kept.index) + len(kept.free)
    for name in ARRAYS:
        array: Any = getattr(trends, name)
        larger = np.zeros((max(len(array), rows), *array.shape[1:]), dtype=array.dtype)
        larger[:rows] = np.frombuffer(kept.arrays[name], dtype=array.dtype).reshape(rows, *array.shape[1:])
        setattr(trends, name, larger)
    trends.index, trends.free, trends.known, trends.recalled = kept.index, kept.free, kept.known, kept.recalled
    trends.told = {(row, s): event for row, s, event in kept.told}
    trends.unwanted = {(row, s): since for row, s, since in kept.unwanted}
    return trends
