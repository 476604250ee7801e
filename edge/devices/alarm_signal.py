"""The signal of the alarm indicator at a bed, as drivers publish it."""

from collections.abc import Iterable

import msgspec

from vitals.alarm_events import AlarmEvent, Inactivation, Priority


class SignalledAlarm(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One alarm for the alarm indicator at a bed, without the patient's name."""

    id: str
    condition: str
    priority: str
    state: str
    inactivation: str
    start: int
    text: str


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """State of a bed's alarm indicator; retained JSON on `beds/{bed}/alarm`.

    It is published again each minute. An indicator without a message for two minutes shows that it may be wrong.

    Attributes:
        bed: Bed, or the gateway's id for its own indicator.
        t: Time of the change, UTC epoch ms.
        priority: Highest priority among the alarms; None if there is none.
        audible: True if any alarm is neither acknowledged nor audio-paused.
        alarms: Active alarms, most urgent first.
        monitored: False while no patient in the bed is monitored: device silent, not judged, or on standby.
        paged: False while no heartbeat of the notifier arrives.
        standby_until: Planned end of the patient's standby, UTC epoch ms; past while no value follows; 0 without one.
        standby_s: Seconds until then at `t`, for an indicator without a clock.
    """

    bed: str
    t: int
    priority: str | None
    audible: bool
    alarms: tuple[SignalledAlarm, ...]
    monitored: bool = True
    paged: bool = True
    standby_until: int = 0
    standby_s: int = 0


def signal(
    bed: str,
    alarms: Iterable[AlarmEvent],
    now: int,
    *,
    monitored: bool = True,
    paged: bool = True,
    standby_until: int = 0,
) -> Signal:
    """Returns the state of a bed's indicator for its alarms."""
    ordered = sorted(alarms, key=lambda a: (-a.priority, a.start, a.id))
    return Signal(
        bed=bed,
        t=now,
        priority=ordered[0].priority.label if ordered else None,
        audible=any(a.inactivation is Inactivation.NONE for a in ordered),
        monitored=monitored,
        paged=paged,
        standby_until=standby_until,
        standby_s=max(0, (standby_until - now) // 1000),
        alarms=tuple(
            SignalledAlarm(
                id=a.id,
                condition=a.condition,
                priority=Priority(a.priority).label,
                state=a.state.value,
                inactivation=a.inactivation.value,
                start=a.start,
                text=a.text,
            )
            for a in ordered
        ),
    )
