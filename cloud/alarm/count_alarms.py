"""Alarms of what shards count: records that are passed over, and readings of gateways about patients they do not have.

The shards count, by what is to be told apart; the driver adds up and raises one technical alarm for each, with a count.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from vitals.alarm_events import AlarmEvent, Phase, Priority, over, technical
from vitals.conditions import priority_of

PASSED_OVER: Final = "records-passed-over"
FOREIGN: Final = "foreign-readings"
QUIET_MS: Final = 900_000
"""After so long without another it ends; what was passed over stays on the list of `python -m cloud skipped`."""
COUNT_EVERY_MS: Final = 600_000
"""An alarm's count is told again no more often than this."""


@dataclass(slots=True)
class _Standing:
    alarm: AlarmEvent
    count: int
    newest: int
    told: int


@dataclass(slots=True)
class CountWatch:
    """Adds up what all shards count; a shard that begins anew counts from nothing.

    Attributes:
        condition: Name of the alarms' condition.
        text: What is wrong, given the subject and how often.
        over: What is said at the end, given the subject.
        lasting_ms: What goes on for so long is high; 0: never.
    """

    condition: str
    text: Callable[[str, int], str]
    over: Callable[[str], str]
    lasting_ms: int = 0
    _seen: dict[tuple[int, str], int] = field(default_factory=dict)
    _standing: dict[str, _Standing] = field(default_factory=dict)

    def resume(self, events: Iterable[AlarmEvent], now: int) -> None:
        """Takes up alarms that an earlier run raised and did not end."""
        for event in events:
            if event.condition == self.condition:
                self._standing.pop(event.subject, None)
                if event.phase is not Phase.END:
                    self._standing[event.subject] = _Standing(event, int(event.value or 1), now, now)

    def judge(self, counts: Mapping[int, Mapping[str, int]], now: int) -> list[AlarmEvent]:
        """Judges what the shards that answered have counted.

        Args:
            counts: By shard and subject, since the shard's start.
            now: Wall clock, UTC epoch ms.

        Returns:
            Starts, counts and ends.
        """
        told = []
        for shard, by_subject in counts.items():
            for subject, count in by_subject.items():
                before = self._seen.get((shard, subject), 0)
                self._seen[shard, subject] = count
                more = count - before if count >= before else count
                if more:
                    told += self._count(subject, more, now)
        for subject, standing in list(self._standing.items()):
            if now - standing.newest >= QUIET_MS:
                del self._standing[subject]
                told.append(over(standing.alarm, now, self.over(subject)))
            elif self._lasts(standing) or (
                standing.alarm.value != standing.count and now - standing.told >= COUNT_EVERY_MS
            ):
                told.append(self._tell(subject, standing, now))
        return told

    def _lasts(self, standing: _Standing) -> bool:
        alarm = standing.alarm
        lasted = standing.newest - alarm.start >= self.lasting_ms > 0
        return lasted and alarm.priority is not Priority.HIGH

    def _count(self, subject: str, more: int, now: int) -> list[AlarmEvent]:
        standing = self._standing.get(subject)
        if standing is not None:
            standing.count, standing.newest = standing.count + more, now
            return []
        text = self.text(subject, more)
        level, value = priority_of(self.condition), float(more)
        begun = technical(subject, self.condition, level, start=now, now=now, text=text, value=value)
        self._standing[subject] = _Standing(begun, more, now, now)
        return [begun]

    def _tell(self, subject: str, standing: _Standing, now: int) -> AlarmEvent:
        alarm, lasts = standing.alarm, self._lasts(standing)
        standing.told = now
        standing.alarm = msgspec.structs.replace(
            alarm,
            n=alarm.n + 1,
            phase=Phase.ESCALATE if lasts else Phase.UPDATE,
            priority=Priority.HIGH if lasts else alarm.priority,
            t=now,
            log_t=now,
            value=float(standing.count),
            text=self.text(subject, standing.count),
        )
        return standing.alarm


def passed_over() -> CountWatch:
    """Returns the watch over records that are passed over; a subject is topic and exception, joined by a dot.

    Whoever lay in one is *not judged*, and their ward is told so by the engine: this has a technician look at the code.
    """

    def text(subject: str, count: int) -> str:
        topic, _, kind = subject.rpartition(".")
        what = "1 record" if count == 1 else f"{count} records"
        return f"{what} of {topic} passed over ({kind}): see vitals.rejected and `python -m cloud skipped`"

    return CountWatch(PASSED_OVER, text, lambda subject: f"No more records are passed over: {subject}.")


def foreign() -> CountWatch:
    """Returns the watch over gateways that speak of patients they do not have: an old roster, or a stolen one."""

    def text(subject: str, count: int) -> str:
        what = "a patient" if count == 1 else f"patients ({count} readings)"
        return f"gateway {subject} speaks of {what} whom it does not have: nothing of that is judged"

    return CountWatch(FOREIGN, text, lambda subject: f"Gateway {subject} speaks of its own patients alone.", 120_000)
