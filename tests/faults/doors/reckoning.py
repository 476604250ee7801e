"""Holds what came of every input against what was sent: taken, or refused where somebody can read it. Pure.

An input is *uncounted* when nobody says what became of it:

| door | of each input is known |
|---|---|
| device, by MQTT | the gateway's own counters: accepted, seen before, rejected; the neighbours' frames are taken off |
| gateway, by MQTT | what the bridge's rules refuse stands in `vitals.rejected` under its MQTT topic |
| `vitals` | its offset stands in `vitals.scored` or in `vitals.rejected`; what was scored, as in the next row |
| `vitals.scored`, `status`, `actions`, `patients`, `contacts` | what is no such record stands in `vitals.rejected` |
| `alarms` | the notifier counts it |
| `vitals.rejected` | the archive counts it, and has it as a row or put aside |
| HTTP | an answer below 500 |
| files | a row is admitted, or a line tells what is wrong with it |
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from cloud.alarm.decoded_records import decode
from cloud.kafka.port import Place, Record
from vitals.bounds import BoundError, decoded
from vitals.contacts import Rota
from vitals.wire import topics

READ_BY_WATCH: Final = frozenset((topics.SCORED, topics.STATUS, topics.ACTIONS, topics.PATIENTS))


@dataclass(slots=True)
class Sent:
    """What was sent through the doors.

    Attributes:
        frames: Device frames.
        up: Of each MQTT topic of a gateway, messages.
        up_refused: Of each, records that the bridge's rules make of what they refuse.
        offsets: Of each place in Kafka, the offsets of what was written there.
        refused: Places and offsets of what is no record of its topic.
        http: Answers by status; 0 for none.
        rows: Rows of files, and what was said of them.
    """

    frames: int = 0
    up: Counter[str] = field(default_factory=Counter)
    up_refused: Counter[str] = field(default_factory=Counter)
    offsets: dict[Place, set[int]] = field(default_factory=dict)
    refused: set[tuple[str, int, int]] = field(default_factory=set)
    http: Counter[int] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)

    def written(self, topic: str, partition: int, offset: int, value: bytes | None) -> None:
        """Notes a record of Kafka's."""
        self.offsets.setdefault((topic, partition), set()).add(offset)
        if value is not None and not readable(topic, value):
            self.refused.add((topic, partition, offset))

    def records(self, topic: str) -> int:
        """How many records of a topic were sent."""
        return sum(len(offsets) for place, offsets in self.offsets.items() if place[0] == topic)

    def messages(self) -> int:
        """How many messages went by MQTT and Kafka."""
        return self.frames + self.up.total() + sum(map(len, self.offsets.values()))


def readable(topic: str, value: bytes) -> bool:
    """Whether a record is one of its topic, by the types that every part reads it with."""
    if topic in READ_BY_WATCH or topic == topics.ALARMS:
        return decode(Record(topic, 0, 0, 1, b"", value))[1] is None
    if topic == topics.CONTACTS:
        try:
            decoded(value, Rota)
        except BoundError:
            return False
    return True


@dataclass(slots=True)
class Seen:
    """What there is of them.

    Attributes:
        frames: What the gateways counted of frames that are not the neighbours'.
        rejected: Records of `vitals.rejected` by the topic that they name.
        scored: Places and offsets of `vitals` in `vitals.scored`.
        unusable: Of these, place and offset in `vitals.scored` of what is no record of scored readings.
        alarms: Alarms that the notifier could not read.
        put_aside: Records of `vitals.rejected` that the archive has, as rows or put aside.
    """

    frames: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    scored: set[tuple[int, int]] = field(default_factory=set)
    unusable: set[tuple[int, int]] = field(default_factory=set)
    alarms: int = 0
    put_aside: int = 0


def uncounted(sent: Sent, seen: Seen) -> Counter[str]:
    """Returns by door how many inputs nobody accounts for."""
    found: Counter[str] = Counter()
    found["device"] = max(0, sent.frames - seen.frames)
    for topic, count in sent.up_refused.items():
        found[f"gateway {topic.rpartition('/')[2]}"] += max(0, count - seen.rejected[topic])
    for (topic, partition), offsets in sent.offsets.items():
        if topic == topics.VITALS:
            there = {offset for p, offset in seen.scored if p == partition}
            left = offsets - there
            found[topic] += sum(not seen.rejected[f"{topic}/{partition}/{offset}"] for offset in left)
    found[f"{topics.VITALS}, scored"] = _missing(((topics.SCORED, p, o) for p, o in seen.unusable), seen)
    for topic in (*sorted(READ_BY_WATCH), topics.CONTACTS):
        found[topic] += _missing((one for one in sent.refused if one[0] == topic), seen)
    found[topics.ALARMS] = max(0, sum(one[0] == topics.ALARMS for one in sent.refused) - seen.alarms)
    found[topics.REJECTED] = max(0, sent.records(topics.REJECTED) - seen.put_aside)
    found["http"] = sum(count for status, count in sent.http.items() if not 0 < status < 500)
    found["files"] = max(0, sent.rows["sent"] - sent.rows["admitted"] - sent.rows["told"])
    return +found


def twice(sent: Sent, seen: Seen) -> Counter[str]:
    """Returns by topic how many of the refusals of records stand there more than once."""
    found: Counter[str] = Counter()
    for topic, partition, offset in sent.refused:
        found[topic] += max(0, seen.rejected[f"{topic}[{partition}]@{offset}"] - 1)
    for (topic, partition), offsets in sent.offsets.items():
        if topic == topics.VITALS:
            found[topic] += sum(max(0, seen.rejected[f"{topic}/{partition}/{o}"] - 1) for o in offsets)
    return +found


def _missing(refused: Iterable[tuple[str, int, int]], seen: Seen) -> int:
    return sum(not seen.rejected[f"{topic}[{partition}]@{offset}"] for topic, partition, offset in refused)
