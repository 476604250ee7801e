"""Technical alarm for failing snapshots: patients' alarms do not depend on them, but a restart reads the whole log."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from vitals.alarm_events import AlarmEvent, Phase, ended
from vitals.conditions import technical
from vitals.engine.rules.technical_alarms import PIPELINE

SNAPSHOTS_FAILING: Final = "snapshots-failing"
GRACE_MS: Final = 120_000
"""A failed snapshot is retried with the next one; only failures that last longer than this need a person."""


class SnapshotHealth(Protocol):
    """Snapshot counters of a shard; `cloud.alarm.ray.shard_actor.Health` in the product."""

    @property
    def shard(self) -> int:
        """Number of the shard."""

    @property
    def snapshots_failing(self) -> int:
        """Slices whose last snapshot could not be written or read."""

    @property
    def snapshots_saved(self) -> int:
        """Slices with a snapshot written since the shard's start."""


@dataclass(slots=True)
class SnapshotWatch:
    """Starts one alarm for all shards, and ends it when every shard has written a snapshot again."""

    _failing: dict[int, bool] = field(default_factory=dict)
    _saved: dict[int, bool] = field(default_factory=dict)
    _since: int = 0
    _alarm: AlarmEvent | None = None

    def resume(self, events: Iterable[AlarmEvent]) -> None:
        """Resumes an alarm that an earlier run raised and did not end."""
        for event in events:
            if event.condition == SNAPSHOTS_FAILING:
                self._alarm = None if event.phase is Phase.END else event

    def judge(self, shards: Iterable[SnapshotHealth], now: int) -> AlarmEvent | None:
        """Judges the counters of the shards that answered; for the others the last counters count.

        Args:
            shards: Counters of the shards that answered.
            now: Wall clock, UTC epoch ms.

        Returns:
            The alarm's start or end, None if nothing has changed.
        """
        for shard in shards:
            self._failing[shard.shard] = shard.snapshots_failing > 0
            self._saved[shard.shard] = shard.snapshots_saved > 0
        if not any(self._failing.values()):
            self._since = 0
            return self._end(now) if self._alarm is not None and self._saved and all(self._saved.values()) else None
        self._since = self._since or now
        return self._begin(now) if self._alarm is None and now - self._since >= GRACE_MS else None

    def _begin(self, now: int) -> AlarmEvent:
        text = "Alarms go on, but snapshots fail, and a restart would take long: check WATCH_SNAPSHOTS."
        self._alarm = technical(PIPELINE, SNAPSHOTS_FAILING, start=self._since, now=now, text=text)
        return self._alarm

    def _end(self, now: int) -> AlarmEvent | None:
        alarm, self._alarm = self._alarm, None
        return None if alarm is None else ended(alarm, now, "Snapshots of the alarm engine are kept again.")
