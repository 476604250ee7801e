"""Technical alarms with a count: skipped records, and readings in which a gateway names a patient it does not have.

The shards count by subject. The driver adds the counts up and raises one technical alarm per subject.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vitals.alarm_events import AlarmEvent, Phase, Priority, continued, ended
from vitals.conditions import technical

PASSED_OVER: Final = "records-passed-over"
FOREIGN: Final = "foreign-readings"
QUIET_MS: Final = 900_000
"""An alarm ends after this time without another occurrence; `python -m cloud skipped` still lists the records."""
COUNT_EVERY_MS: Final = 600_000
"""Minimum time between two updates of an alarm's count."""


@dataclass(slots=True)
class _Standing:
    alarm: AlarmEvent
    count: int
    newest: int
    told: int


@dataclass(slots=True)
class CountWatch:
    """Adds up the counts of all shards; a shard that restarts counts from 0.

    Attributes:
        condition: Name of the alarms' condition.
        text: Alarm text, from subject and count.
        over: Text of the end event, from the subject.
        lasting_ms: Age from which the alarm is high priority; 0: never.
    """

    condition: str
    text: Callable[[str, int], str]
    over: Callable[[str], str]
    lasting_ms: int = 0
    _seen: dict[tuple[int, str], int] = field(default_factory=dict)
    _standing: dict[str, _Standing] = field(default_factory=dict)

    def resume(self, events: Iterable[AlarmEvent], now: int) -> None:
        """Resumes alarms that an earlier run raised and did not end."""
        for event in events:
            if event.condition == self.condition:
                self._standing.pop(event.subject, None)
                if event.phase is not Phase.END:
                    self._standing[event.subject] = _Standing(event, int(event.value or 1), now, now)

    def judge(self, counts: Mapping[int, Mapping[str, int]], now: int) -> list[AlarmEvent]:
        """Judges the counts of the shards that answered.

        Args:
            counts: By shard and subject, since the shard's start.
            now: Wall clock, UTC epoch ms.

        Returns:
            Start, update, escalation and end events.
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
                told.append(ended(standing.alarm, now, self.over(subject)))
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
        begun = technical(subject, self.condition, start=now, now=now, text=text, value=float(more))
        self._standing[subject] = _Standing(begun, more, now, now)
        return [begun]

    def _tell(self, subject: str, standing: _Standing, now: int) -> AlarmEvent:
        alarm, lasts = standing.alarm, self._lasts(standing)
        standing.told = now
        standing.alarm = continued(
            alarm,
            Phase.ESCALATE if lasts else Phase.UPDATE,
            now,
            priority=Priority.HIGH if lasts else alarm.priority,
            value=float(standing.count),
            text=self.text(subject, standing.count),
        )
        return standing.alarm


def passed_over() -> CountWatch:
    """Returns the counter of skipped records; a subject is topic and exception, joined by a dot.

    The engine raises *not judged* for the patients of such a record; this alarm calls a technician to examine the code.
    """

    def text(subject: str, count: int) -> str:
        topic, _, kind = subject.rpartition(".")
        what = "1 record" if count == 1 else f"{count} records"
        return f"{what} of {topic} passed over ({kind}): see vitals.rejected and `python -m cloud skipped`"

    return CountWatch(PASSED_OVER, text, lambda subject: f"No more records are passed over: {subject}.")


def foreign() -> CountWatch:
    """Returns the counter of readings about patients that a gateway does not have: its roster is old, or stolen."""

    def text(subject: str, count: int) -> str:
        what = "a patient" if count == 1 else f"patients ({count} readings)"
        return f"gateway {subject} speaks of {what} whom it does not have: nothing of that is judged"

    return CountWatch(FOREIGN, text, lambda subject: f"Gateway {subject} speaks of its own patients alone.", 120_000)
