"""The only wall-clock watchdog. A stalled pipeline is one alarm, however many beds it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vitals.alarm_events import AlarmEvent, Phase, continued, ended
from vitals.conditions import technical
from vitals.engine.constants import HANDOVER_MS
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.engine.rules.technical_alarms import PIPELINE_STALLED as CONDITION

CALM_MS: Final = 30_000


@dataclass(slots=True)
class StallWatch:
    """Judges by progress only, never by differences between clocks.

    Attributes:
        stall_ms: Longest time without progress of a partition.
        grace_ms: The same, before its first record, and while a start still replays the backlog.
        again_ms: Time after which it pages the next contact: no engine escalates this alarm, and it cannot be
            acknowledged.
        calm_ms: Time of progress of every partition after which the alarm ends, so that a pipeline that comes and goes
            is one alarm.
    """

    stall_ms: int
    grace_ms: int
    _seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    again_ms: int = HANDOVER_MS
    calm_ms: int = CALM_MS
    _calm_since: int | None = None
    _alarm: AlarmEvent | None = None
    _starting: bool = False

    def resume(self, events: Iterable[AlarmEvent]) -> None:
        """Resumes an alarm that an earlier run raised and did not end."""
        for event in events:
            if event.condition == CONDITION:
                self._alarm = None if event.phase is Phase.END else event

    def judge(
        self, clocks: Mapping[int, int], partitions: int, now: int, *, starting: bool = False
    ) -> AlarmEvent | None:
        """Judges the progress of all partitions.

        Args:
            clocks: Log time of each partition of the shards that answered; 0 before the first record.
            partitions: Expected number of partitions.
            now: Wall clock, UTC epoch ms.
            starting: Whether shards still replay the backlog, one partition after another.

        Returns:
            The alarm's start, handover or end, None if nothing has changed.
        """
        for partition in range(partitions):
            clock, _ = self._seen.setdefault(partition, (0, now))
            if clocks.get(partition, 0) > clock:
                self._seen[partition] = (clocks[partition], now)
        if self._starting and not starting:
            # A partition that waited for the others' backlog has not stalled.
            self._seen = {partition: (clock, now) for partition, (clock, _) in self._seen.items()}
        self._starting = starting
        stalled = [
            partition
            for partition, (clock, since) in sorted(self._seen.items())
            if now - since >= (self.stall_ms if clock and not starting else self.grace_ms)
        ]
        if stalled or not all(clock for clock, _ in self._seen.values()):
            self._calm_since = None
        elif self._calm_since is None:
            self._calm_since = now
        if stalled and self._alarm is None:
            return self._raise(stalled, now)
        if self._alarm is not None and self._calm_since is not None:
            # No handover while readings are judged.
            return self._end(now) if now - self._calm_since >= self.calm_ms else None
        if self._alarm is not None and now - self._alarm.t >= self.again_ms:
            self._alarm = continued(self._alarm, Phase.CONTINUE, now, handover=self._alarm.handover + 1)
            return self._alarm
        return None

    def _end(self, now: int) -> AlarmEvent | None:
        alarm, self._alarm = self._alarm, None
        return None if alarm is None else ended(alarm, now, "Readings reach the alarm engine again.")

    def _raise(self, stalled: list[int], now: int) -> AlarmEvent:
        start = min(self._seen[partition][1] for partition in stalled)
        what = "all partitions" if len(stalled) == len(self._seen) else f"partitions {', '.join(map(str, stalled))}"
        # The alarms of all patients depend on this pipeline: nothing is more urgent.
        text = f"No readings reach the alarm engine ({what}). Watch patients at the bedside."
        self._alarm = technical(PIPELINE, CONDITION, start=start, now=now, text=text)
        return self._alarm
