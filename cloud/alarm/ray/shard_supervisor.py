"""Starts, polls and stops the shards' actors, and kills a shard that is stuck."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from cloud.alarm.ray import cluster
from cloud.alarm.ray.shard_actor import Health, ShardActor
from cloud.settings import Watch

logger = logging.getLogger("watch")
COMPUTING: Final = 0.1
"""Weight of a second without a turn while the shard uses the processor."""
BUSY: Final = 0.05
"""Processor share above which a shard counts as computing; answering queries needs a hundredth of that."""


@dataclass(slots=True)
class Progress:
    """Finds stuck shards, by turns of their loop: stopped, hung in a call, or waiting for a lock.

    A shard counts from its first turn on: recovery has no time limit, and Ray restarts a process that dies. A shard
    that uses the processor is more likely busy than hung, and a kill would repeat its work: its limit is ten times as
    long. Elapsed time is the time that the driver spent polling, so that a suspended machine blames no shard.

    Attributes:
        limit_s: Longest time without a turn.
    """

    limit_s: float
    _turns: dict[int, int] = field(default_factory=dict)
    _cpu_s: dict[int, float] = field(default_factory=dict)
    _still_s: dict[int, float] = field(default_factory=dict)

    def judge(self, health: Iterable[Health], looked_s: float) -> list[int]:
        """Returns the shards to kill, and ignores them until their next turn.

        Args:
            health: Health of the shards that answered.
            looked_s: Time since the last call, s.
        """
        computed = set()
        for shard in health:
            if shard.cpu_s - self._cpu_s.get(shard.shard, 0.0) > BUSY * looked_s:
                computed.add(shard.shard)
            self._cpu_s[shard.shard] = shard.cpu_s
            if shard.turns and shard.turns != self._turns.get(shard.shard):
                self._turns[shard.shard], self._still_s[shard.shard] = shard.turns, 0.0
        stuck = []
        for number in list(self._turns):
            self._still_s[number] += looked_s * (COMPUTING if number in computed else 1.0)
            if self._still_s[number] > self.limit_s:
                stuck.append(number)
                del self._turns[number], self._still_s[number]
        return stuck


@dataclass(slots=True)
class ShardSupervisor:
    """The actors.

    Attributes:
        ray: The `ray` module, connected.
        settings: The job's settings.
    """

    ray: ModuleType
    settings: Watch
    _handles: dict[int, Any] = field(default_factory=dict)
    _asked: dict[int, Any] = field(default_factory=dict)

    def start(self, number: int) -> None:
        """Starts a shard; Ray restarts its process each time it dies."""
        remote = self.ray.remote(ShardActor).options(
            name=cluster.shard_name(number),
            num_cpus=1,
            max_restarts=-1,
            max_concurrency=4,
            scheduling_strategy="SPREAD",
        )
        self._handles[number] = remote.remote(self.settings, number)
        self._asked.pop(number, None)

    def health(self, timeout_s: float) -> list[Health]:
        """Polls all shards; shards that are down or restarting are missing from the result."""
        for number, handle in self._handles.items():
            if number not in self._asked:
                self._asked[number] = handle.health.remote()
        ready, _ = self.ray.wait(list(self._asked.values()), num_returns=len(self._asked), timeout=timeout_s)
        found = []
        for number, reference in list(self._asked.items()):
            if reference not in ready:
                continue
            del self._asked[number]
            try:
                found.append(self.ray.get(reference))
            except self.ray.exceptions.ActorUnavailableError:
                logger.warning("shard %s does not answer", number)
            except self.ray.exceptions.ActorDiedError as error:
                logger.warning("shard %s died and is restarted: %s", number, str(error).splitlines()[0])
                self._replace(number)
        return found

    def kill(self, numbers: Iterable[int]) -> None:
        """Kills shards, which Ray then restarts. Kafka fences a late write of the killed process."""
        for number in numbers:
            logger.error("shard %s is stuck and is killed; it recovers from its snapshot", number)
            self.ray.kill(self._handles[number], no_restart=False)

    def stop(self, timeout_s: float) -> None:
        """Stops all shards with a last snapshot."""
        stopping = [handle.stop.remote() for handle in self._handles.values()]
        done, late = self.ray.wait(stopping, num_returns=len(stopping), timeout=timeout_s)
        if late:
            logger.warning("%s shards did not stop in time, %s did; the next start recovers them", len(late), len(done))

    def _replace(self, number: int) -> None:
        # Ray also raises this for a call that died with a process it restarts. Only a dead actor's name is free again.
        try:
            self._handles[number] = self.ray.get_actor(cluster.shard_name(number))
        except ValueError:
            self.start(number)
