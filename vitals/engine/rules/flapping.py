"""Unstable equipment: repeated failures of a device, gateway or bridge are one alarm. Source: R10, R12.

**Condition.** `FAILURES` failures within `WINDOW_MS`. Consecutive reports of a failure are one; reports while a parent
inhibits the alarm do not count.

**Inhibition.** *Device silent* does not start meanwhile: *not judged* is the alarm of a patient without monitoring.
*Gateway down* and *bridge down* are of many patients: each starts after `HOLD_MS` of a failure, before *not judged*.

**End.** `WINDOW_MS` without a report of a failure.
"""

from typing import Final

from vitals.engine.state import Flaps, State

WINDOW_MS: Final = 900_000
FAILURES: Final = 3
HOLD_MS: Final = 45_000
"""A gateway is reported after ten seconds of silence; *not judged* of its patients would start after 70 s at least."""


def note(state: State, key: str, *, fails: bool) -> bool:
    """Records a report of equipment; returns whether it is unstable.

    Args:
        state: The state.
        key: Key of its failure's alarm, without a ward.
        fails: Whether it has failed.
    """
    now, known = state.now, state.flaps.get(key)
    if known is None:
        if not fails:
            return False
        known = Flaps()
    begun = tuple(t for t in known.begun if now - t < WINDOW_MS)
    if fails and not known.since:
        begun = (*begun, now)[-FAILURES:]
    unstable = len(begun) == FAILURES or (known.unstable and now - known.newest < WINDOW_MS)
    if not (fails or begun or unstable):
        del state.flaps[key]
        return False
    since = (known.since or now) if fails else 0
    state.flaps[key] = Flaps(begun, since, now if fails else known.newest, unstable)
    return unstable


def held(state: State, key: str) -> bool:
    """Returns whether a failure of unstable equipment is too short to be an alarm of its own."""
    known = state.flaps.get(key)
    return known is not None and known.unstable and state.now - known.since < HOLD_MS


def any_unstable(state: State) -> bool:
    """Returns whether any equipment is unstable: its alarms then depend on time, too."""
    return any(known.unstable for known in state.flaps.values())


def forget(state: State) -> None:
    """Drops records of equipment that no status has named for `WINDOW_MS`."""
    state.flaps = {key: known for key, known in state.flaps.items() if state.now - known.newest < WINDOW_MS}
