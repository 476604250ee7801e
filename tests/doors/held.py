"""What a door has taken goes as far as it goes in a hospital: engine, snapshot, restore, archive row."""

from collections.abc import Iterable

import msgspec
import numpy as np

from cloud.archive.decode_rows import PartitionBuffer, Record
from vitals import alarm_events, breach_codes, engine
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent
from vitals.readings import Readings, empty
from vitals.wire import topics
from vitals.wire.vitals_record import decode_scored, to_columns

T0 = 1_763_812_800_000
USUAL = DeviceAssignment(device="d1", patient="p1", ward="w1", bed="b1", since=T0, cadence_s=1.0)


def known(*placements: DeviceAssignment) -> engine.State:
    """An engine that knows a patient, or those."""
    return engine.place(engine.empty(), placements or (USUAL,), T0)[0]


def kept(state: engine.State, events: Iterable[AlarmEvent] = ()) -> engine.State:
    """The engine after a restart from its snapshot; what it told is written, read and archived."""
    for event in events:
        assert alarm_events.decode(alarm_events.encode(event)) == event
        archived(topics.ALARMS, alarm_events.encode(event))
    restored = engine.restore(engine.snapshot(state))
    assert engine.snapshot(restored) == engine.snapshot(state)
    # Timers run with whatever was taken in.
    engine.advance(restored, empty(), state.now + 600_000)
    return restored


def archived(topic: str, value: bytes) -> None:
    """A record becomes rows of the lake, and none of it is refused."""
    pile = PartitionBuffer(topic, 0, {})
    pile.add(Record(0, T0, value))
    assert not pile.rejected, pile.rejected[0].reason
    assert pile.table().num_rows == pile.rows


def judged(readings: Readings) -> None:
    """Readings are scored, judged one by one and together, remembered and archived."""
    digits = breach_codes.pack(breach_codes.breach(readings.values, readings.bounds())).tolist()
    columns = to_columns(readings) | {"breach": digits, "news2": [0] * len(readings)}
    columns |= {"partition": 0, "offset": 1, "timestamp": T0}
    value = msgspec.json.encode(columns)
    scored = decode_scored(value)
    for parts in (1, 9):
        state = known()
        several = Readings(
            **{
                n: np.concatenate([getattr(scored.readings, n)] * parts)
                for n in readings.__slots__
                if n != "limit_sets"
            },
            limit_sets=scored.readings.limit_sets,
        )
        state, events = engine.advance(state, several, T0 + 1_000)
        kept(state, events)
    archived(topics.SCORED, value)
