"""Snapshots of the state: encoding and decoding."""

import sys
from typing import Any, Final

import msgspec
import numpy as np

from vitals.alarm_events import AlarmEvent
from vitals.engine.constants import CONDITIONS
from vitals.engine.recovered_alarms import Recalled
from vitals.engine.state import Condition, Flaps, Standby, State, Track
from vitals.incidents import Incident
from vitals.signs import FIELDS
from vitals.status import Status

VERSION: Final = 6


class Snapshot(msgspec.Struct, frozen=True):
    """A stored state; only an engine of the same version, signs and conditions reads it."""

    version: int
    fields: tuple[str, ...]
    conditions: tuple[str, ...]
    scalars: tuple[int, int, int, int]
    index: dict[str, int]
    wards: list[str | None]
    free: list[int]
    watched: list[Condition]
    latched: list[Condition]
    tracks: list[tuple[int, int, Track]]
    faults: dict[str, Condition]
    alarms: list[str]
    known: dict[str, tuple[int, int, int]]
    recalled: dict[str, list[AlarmEvent]]
    held: dict[str, list[AlarmEvent]]
    left: dict[str, int]
    ahead: dict[int, dict[str, int]]
    behind: dict[int, int]
    statuses: dict[str, Status]
    arrays: dict[str, bytes]
    unjudged: dict[int, int]
    gateways: list[str | None]
    awaited: dict[int, int]
    covered: dict[int, int]
    lapses: dict[int, dict[int, int]]
    placed: bytes
    looks: tuple[int, int]
    standbys: dict[int, Standby] = {}
    hushed: dict[int, int] = {}
    loud: dict[int, int] = {}
    beds: bytes = b""
    incidents: dict[int, Incident] = {}
    breached: dict[int, int] = {}
    inhibited: dict[str, AlarmEvent] = {}
    flaps: dict[str, Flaps] = {}


_ARRAYS: Final = ("times", "marks", "pace", "told")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


def snapshot(state: State) -> bytes:
    """Returns the state as bytes; the state is not changed, and its later changes do not reach the bytes."""
    rows = len(state.wards)
    kept = [c for conditions in state.watched.values() for c in conditions if c is not None]
    return _encoder.encode(
        Snapshot(
            version=VERSION,
            fields=FIELDS,
            conditions=CONDITIONS,
            scalars=(state.handover_ms, state.now, state.next_due, state.next_forget),
            index=state.index,
            wards=state.wards,
            free=state.free,
            watched=kept,
            latched=list(state.latched.values()),
            tracks=[(*key, track) for key, track in state.tracks.items()],
            faults=state.faults,
            alarms=list(state.alarms),
            known=state.known,
            recalled=state.recalled.events,
            held=state.recalled.held,
            left=state.left,
            ahead=state.ahead,
            behind=state.behind,
            statuses=state.statuses,
            arrays={name: getattr(state, name)[:rows].tobytes() for name in _ARRAYS},
            unjudged=state.unjudged,
            gateways=state.gateways,
            awaited=state.awaited,
            covered=state.covered,
            lapses=state.lapses,
            placed=state.placed[:rows].tobytes(),
            looks=(state.next_look, state.resumed),
            standbys=state.standbys,
            hushed=state.hushed,
            loud=state.loud,
            beds=state.beds[:rows].tobytes(),
            incidents=state.incidents,
            breached=state.breached,
            inhibited=state.inhibited,
            flaps=state.flaps,
        )
    )


def restore(data: bytes) -> State:
    """Reads a snapshot.

    Raises:
        ValueError: The bytes are no snapshot, or one of other signs or rules; start empty and replay the log.
    """
    try:
        kept = _decoder.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a snapshot of the alarm engine: {error}; start empty and replay the log") from error
    if kept.version != VERSION or kept.fields != FIELDS or kept.conditions != CONDITIONS:
        raise ValueError(f"snapshot of version {kept.version} with signs {kept.fields}: start empty and replay the log")
    try:
        return _state(kept)
    except (KeyError, IndexError) as error:
        raise ValueError(f"snapshot that contradicts itself: {error!r}; start empty and replay the log") from error


def _state(kept: Snapshot) -> State:
    state = State(kept.scalars[0], capacity=max(64, len(kept.wards)))
    _, state.now, state.next_due, state.next_forget = kept.scalars
    state.index, state.free = kept.index, kept.free
    state.wards = [None if ward is None else sys.intern(ward) for ward in kept.wards]
    for name in _ARRAYS:
        array: Any = getattr(state, name)
        array[: len(kept.wards)] = np.frombuffer(kept.arrays[name], dtype=array.dtype).reshape(-1, array.shape[1])
    state.known, state.recalled, state.left = kept.known, Recalled(kept.recalled, kept.held), kept.left
    state.ahead, state.behind, state.statuses, state.faults = kept.ahead, kept.behind, kept.statuses, kept.faults
    state.unjudged, state.awaited, state.lapses = kept.unjudged, kept.awaited, kept.lapses
    state.gateways = [None if gateway is None else sys.intern(gateway) for gateway in kept.gateways]
    state.placed[: len(kept.wards)] = np.frombuffer(kept.placed, dtype=np.bool_)
    state.next_look, state.resumed = kept.looks
    state.covered, state.breached = kept.covered, kept.breached
    state.inhibited, state.flaps = kept.inhibited, kept.flaps
    state.incidents, state.next_reminder = kept.incidents, 0
    state.standbys, state.hushed, state.loud = kept.standbys, kept.hushed, kept.loud
    if kept.beds:
        state.beds[: len(kept.wards)] = np.frombuffer(kept.beds, dtype=np.uint32)
    state.patients = [None] * len(kept.wards)
    for patient, row in kept.index.items():
        state.patients[row] = patient if state.placed[row] else None
    for c in kept.watched:
        state.conditions(c.row)[c.index] = c
    state.tracks = {(row, problem): track for row, problem, track in kept.tracks}
    state.latched = {(c.row, c.index): c for c in kept.latched}
    by_id = {c.alarm.id: c for c in (*kept.watched, *kept.latched, *kept.faults.values()) if c.alarm is not None}
    state.alarms = {key: by_id[key] for key in kept.alarms}
    return state
