"""Inhibited technical alarms: each ends, and continues under its id and acknowledgement after its parent's end."""

from collections.abc import Callable, Iterable

import msgspec

from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase
from vitals.engine.event_writer import EventWriter
from vitals.engine.state import Condition, State


def inhibit(writer: EventWriter, keys: Iterable[str], t: int, why: str) -> None:
    """Ends alarms, and keeps their last events.

    Args:
        writer: Collects the events.
        keys: Keys of the faults.
        t: Event time, UTC epoch ms.
        why: Reason for their text.
    """
    state = writer.state
    for key in keys:
        c = state.faults.pop(key)
        if c.alarm is None:
            continue
        kept = c.alarm
        state.inhibited[key] = msgspec.structs.replace(kept, n=kept.n + 1)
        writer.step(c, Phase.END, t=t, state=AlarmState.INACTIVE, text=f"{kept.text}: {why}")


def resume(writer: EventWriter, key: str, text: str, t: int, about: tuple[str | None, str | None]) -> bool:
    """Continues an inhibited alarm as it was; returns false if there is none of this gateway and patient.

    The event pages no person, because its start and its parent's have. Its timers start again.

    Args:
        writer: Collects the event.
        key: Key of the fault.
        text: Its text now.
        t: Event time, UTC epoch ms.
        about: Gateway and patient.
    """
    state = writer.state
    kept = state.inhibited.pop(key, None)
    if kept is None or (kept.gateway, kept.patient) != about:
        return False
    c = state.faults[key] = Condition(-1, -1, on=True, since=kept.start, level=kept.priority, alarm=kept)
    paused = kept.inactivation is Inactivation.AUDIO_PAUSED
    inactivation = Inactivation.NONE if paused else kept.inactivation
    writer.step(c, Phase.UPDATE, t=t, text=text, inactivation=inactivation)
    return True


def forget(state: State, over: Callable[[str, AlarmEvent], bool]) -> None:
    """Drops the inhibited alarms for which `over`, of key and last event, is true."""
    state.inhibited = {key: kept for key, kept in state.inhibited.items() if not over(key, kept)}
