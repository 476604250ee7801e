"""The wall-clock watchdog: the only one. A pipeline from which nothing comes is one alarm, however many beds it has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from vitals.alarm_events import AlarmEvent, Phase, over, technical
from vitals.conditions import priority_of
from vitals.engine.rules.constants import HANDOVER_MS
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.engine.rules.technical_alarms import PIPELINE_STALLED as CONDITION


@dataclass(slots=True)
class StallWatch:
    """Judges from progress alone, never from differences between clocks.

    Attributes:
        stall_ms: How long a partition may stand still.
        grace_ms: The same, while nothing has come from it yet, and while a start is still reading what it missed.
        again_ms: After how long it calls the next contact: no engine hands it over, and nobody can acknowledge it.
    """

    stall_ms: int
    grace_ms: int
    _seen: dict[int, tuple[int, int]] = field(default_factory=dict)
    again_ms: int = HANDOVER_MS
    _alarm: AlarmEvent | None = None
    _starting: bool = False

    def resume(self, events: Iterable[AlarmEvent]) -> None:
        """Takes up an alarm that an earlier run raised and did not end."""
        for event in events:
            if event.condition == CONDITION:
                self._alarm = None if event.phase is Phase.END else event

    def judge(
        self, clocks: Mapping[int, int], partitions: int, now: int, *, starting: bool = False
    ) -> AlarmEvent | None:
        """Judges progress.

        Args:
            clocks: Log time of each partition, as far as shards answered; 0 where nothing has come.
            partitions: How many partitions there should be.
            now: Wall clock, UTC epoch ms.
            starting: Whether shards are still reading what they missed, one partition's backlog after another's.

        Returns:
            An alarm's start or end, None when nothing has changed.
        """
        for partition in range(partitions):
            clock, _ = self._seen.setdefault(partition, (0, now))
            if clocks.get(partition, 0) > clock:
                self._seen[partition] = (clocks[partition], now)
        if self._starting and not starting:
            # What a partition waited for the others' backlog is no time in which it stood still.
            self._seen = {partition: (clock, now) for partition, (clock, _) in self._seen.items()}
        self._starting = starting
        stalled = [
            partition
            for partition, (clock, since) in sorted(self._seen.items())
            if now - since >= (self.stall_ms if clock and not starting else self.grace_ms)
        ]
        if stalled and self._alarm is None:
            return self._raise(stalled, now)
        if not stalled and self._alarm is not None and all(clock for clock, _ in self._seen.values()):
            return self._end(now)
        if self._alarm is not None and now - self._alarm.t >= self.again_ms:
            return self._call_again(now)
        return None

    def _raise(self, stalled: list[int], now: int) -> AlarmEvent:
        start = min(self._seen[partition][1] for partition in stalled)
        what = "all partitions" if len(stalled) == len(self._seen) else f"partitions {', '.join(map(str, stalled))}"
        # No alarm of any patient behind it can come: nothing is more urgent.
        text = f"No readings reach the alarm engine ({what}). Watch patients at the bedside."
        self._alarm = technical(PIPELINE, CONDITION, priority_of(CONDITION), start=start, now=now, text=text)
        return self._alarm

    def _call_again(self, now: int) -> AlarmEvent | None:
        if self._alarm is None:
            return None
        last = self._alarm
        changes = {"n": last.n + 1, "phase": Phase.CONTINUE, "handover": last.handover + 1, "t": now, "log_t": now}
        self._alarm = msgspec.structs.replace(last, **changes)
        return self._alarm

    def _end(self, now: int) -> AlarmEvent:
        assert self._alarm is not None  # noqa: S101 - the caller has looked
        alarm, self._alarm = self._alarm, None
        return over(alarm, now, "Readings reach the alarm engine again.")
