"""Moves every time of the state when the clock behind log time was set.

In the cloud log time is Kafka's and is never set. A gateway's clock may start at any time, and be set days later. The
rules use only differences of times, so a state that is moved as a whole gives the same alarms. An alarm keeps its id,
which people and the cloud know.
"""

from dataclasses import dataclass
from typing import TypeVar

import msgspec
import numpy as np

from vitals.alarm_events import AlarmEvent
from vitals.engine.state import (
    CHARTED,
    PACE,
    SCORED,
    SINCE_2020_S,
    UNTIMED,
    Condition,
    Flaps,
    Standby,
    State,
    Track,
    all_seconds,
)
from vitals.incidents import Incident
from vitals.status import Status

Key = TypeVar("Key")
_SECONDS = [*range(PACE)[SCORED], CHARTED]


def rebase(state: State, by_ms: int) -> State:
    """Returns the state with every time in it moved; log time continues from there, also if it moved back.

    Args:
        state: The state; changed in place.
        by_ms: Step of the clock, ms.
    """
    if not by_ms or not state.now:
        return state
    move = _Move(by_ms)
    state.now, state.resumed = move.time(state.now), move.time(state.resumed)
    state.next_look, state.next_forget = move.time(state.next_look), move.time(state.next_forget)
    if state.next_due != UNTIMED:
        state.next_due = move.time(state.next_due)
    state.times = np.where(state.times, np.maximum(state.times + by_ms, 1), 0)
    state.pace[:, _SECONDS] = all_seconds((state.pace[:, _SECONDS] + np.int64(SINCE_2020_S)) * 1000 + by_ms)
    for condition in _conditions(state):
        move.condition(condition)
    for track in state.tracks.values():
        move.track(track)
    state.left = move.times(state.left)
    state.behind, state.unjudged = move.times(state.behind), move.times(state.unjudged)
    state.awaited, state.covered = move.times(state.awaited), move.times(state.covered)
    state.breached = move.times(state.breached)
    state.hushed, state.loud = move.times(state.hushed), move.times(state.loud)
    state.standbys = {row: move.standby(kept) for row, kept in state.standbys.items()}
    state.ahead = {row: move.times(of) for row, of in state.ahead.items()}
    state.lapses = {row: move.times(of) for row, of in state.lapses.items()}
    for incident in state.incidents.values():
        move.incident(incident)
    state.next_reminder = 0
    state.known = {key: (n, move.time(log_t), move.time(t)) for key, (n, log_t, t) in state.known.items()}
    state.inhibited = {key: move.event(event) for key, event in state.inhibited.items()}
    state.flaps = {key: move.flaps(known) for key, known in state.flaps.items()}
    state.next_flap_look = move.time(state.next_flap_look)
    state.statuses = {key: move.status(status) for key, status in state.statuses.items()}
    return state


def _conditions(state: State) -> list[Condition]:
    watched = [c for conditions in state.watched.values() for c in conditions if c is not None]
    every = (*watched, *state.latched.values(), *state.faults.values(), *state.alarms.values())
    # Most are in two of these tables, and each must be moved once.
    return list({id(c): c for c in every}.values())


@dataclass(frozen=True, slots=True)
class _Move:
    by_ms: int

    def time(self, t: int) -> int:
        """Returns a time by the set clock; 0 (none) stays 0, and no time is before 1970."""
        return max(1, t + self.by_ms) if t else t

    def times(self, by_key: dict[Key, int]) -> dict[Key, int]:
        return {key: self.time(t) for key, t in by_key.items()}

    def event(self, event: AlarmEvent) -> AlarmEvent:
        return msgspec.structs.replace(
            event,
            start=self.time(event.start),
            t=self.time(event.t),
            log_t=self.time(event.log_t),
            raised=self.time(event.raised),
            paused_until=self.time(event.paused_until),
            recent=tuple((self.time(t), value) for t, value in event.recent),
        )

    def condition(self, c: Condition) -> None:
        c.pend, c.peak, c.calm, c.sunk = map(self.time, (c.pend, c.peak, c.calm, c.sunk))
        c.since, c.paused_until, c.due = map(self.time, (c.since, c.paused_until, c.due))
        c.alarm = None if c.alarm is None else self.event(c.alarm)

    def standby(self, kept: Standby) -> Standby:
        t, until, value, ended = map(self.time, (kept.t, kept.until, kept.value, kept.ended))
        return msgspec.structs.replace(kept, t=t, until=until, value=value, ended=ended)

    def incident(self, incident: Incident) -> None:
        incident.seen, incident.called = self.time(incident.seen), self.time(incident.called)
        for p in incident.problems.values():
            p.named, p.named_high, p.seen, p.ended, p.joined = map(
                self.time, (p.named, p.named_high, p.seen, p.ended, p.joined)
            )
            p.highs = tuple(map(self.time, p.highs))
            p.begun, p.ended_before = self.time(p.begun), self.time(p.ended_before)

    def flaps(self, known: Flaps) -> Flaps:
        begun = tuple(map(self.time, known.begun))
        return Flaps(begun, self.time(known.since), self.time(known.newest), known.unstable)

    def track(self, track: Track) -> None:
        track.at, track.again, track.seen = map(self.time, (track.at, track.again, track.seen))
        for run in track.runs:
            if run is not None:
                run.since = self.time(run.since)

    def status(self, status: Status) -> Status:
        devices = tuple(msgspec.structs.replace(d, t=self.time(d.t)) for d in status.devices)
        return msgspec.structs.replace(status, t=self.time(status.t), devices=devices)
