"""The alarm that records are passed over: one for each topic and kind of exception, with how many there were.

Whoever lay in one is *not judged*, and their ward is told so by the engine. This one has a technician look at the code.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from vitals.alarms import AlarmEvent, Phase, Priority, over, technical

PASSED_OVER: Final = "records-passed-over"
QUIET_MS: Final = 900_000
"""After so long without another it ends; what was passed over stays on the list of `python -m cloud skipped`."""
COUNT_EVERY_MS: Final = 600_000
"""An alarm's count is told again no more often than this."""
Kind = tuple[str, str]


class Passing(Protocol):
    """Words of a shard on what it has passed over; `cloud.watch.actor.Health` in the product."""

    @property
    def shard(self) -> int:
        """Its number."""

    @property
    def passed_over(self) -> Mapping[Kind, int]:
        """How much since its start, by topic and exception."""


@dataclass(slots=True)
class _Standing:
    alarm: AlarmEvent
    count: int
    newest: int
    told: int


@dataclass(slots=True)
class PassedOverWatch:
    """Adds up what all shards pass over; a shard that begins anew counts from nothing."""

    _seen: dict[tuple[int, Kind], int] = field(default_factory=dict)
    _standing: dict[Kind, _Standing] = field(default_factory=dict)

    def resume(self, events: Iterable[AlarmEvent], now: int) -> None:
        """Takes up alarms that an earlier run raised and did not end."""
        for event in events:
            if event.condition != PASSED_OVER:
                continue
            topic, _, kind = event.subject.rpartition(".")
            self._standing.pop((topic, kind), None)
            if event.phase is not Phase.END:
                count = int(event.value or 1)
                self._standing[topic, kind] = _Standing(event, count, now, now)

    def judge(self, shards: Iterable[Passing], now: int) -> list[AlarmEvent]:
        """Judges what the shards that answered say.

        Args:
            shards: They.
            now: Wall clock, UTC epoch ms.

        Returns:
            Starts, counts and ends.
        """
        told = []
        for shard in shards:
            for kind, count in shard.passed_over.items():
                before = self._seen.get((shard.shard, kind), 0)
                self._seen[shard.shard, kind] = count
                more = count - before if count >= before else count
                if more:
                    told += self._count(kind, more, now)
        for kind, standing in list(self._standing.items()):
            if now - standing.newest >= QUIET_MS:
                del self._standing[kind]
                told.append(over(standing.alarm, now, f"No more records of {kind[0]} are passed over."))
            elif standing.alarm.value != standing.count and now - standing.told >= COUNT_EVERY_MS:
                told.append(self._tell(kind, standing, now))
        return told

    def _count(self, kind: Kind, more: int, now: int) -> list[AlarmEvent]:
        standing = self._standing.get(kind)
        if standing is not None:
            standing.count, standing.newest = standing.count + more, now
            return []
        # A name that holds neither a slash nor a bracket, as every subject is one.
        begun = technical(
            ".".join(kind), PASSED_OVER, Priority.MEDIUM, start=now, now=now, text=_text(kind, more), value=float(more)
        )
        self._standing[kind] = _Standing(begun, more, now, now)
        return [begun]

    def _tell(self, kind: Kind, standing: _Standing, now: int) -> AlarmEvent:
        alarm = standing.alarm
        standing.told = now
        standing.alarm = msgspec.structs.replace(
            alarm,
            n=alarm.n + 1,
            phase=Phase.UPDATE,
            t=now,
            log_t=now,
            value=float(standing.count),
            text=_text(kind, standing.count),
        )
        return standing.alarm


def _text(kind: Kind, count: int) -> str:
    what = "1 record" if count == 1 else f"{count} records"
    return f"{what} of {kind[0]} passed over ({kind[1]}): see vitals.rejected and `python -m cloud skipped`"
