"""The shards' actors as the driver has them: started, asked, and killed when they stand still."""

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
"""What a second without a turn counts for a shard that computes."""
BUSY: Final = 0.05
"""From this share of a processor on it does; to answer takes a hundredth of that."""


@dataclass(slots=True)
class Progress:
    """Judges from turns of work alone which shards stand still: stopped, hung in a call, or waiting for a lock.

    A shard counts from its first turn on: recovering takes what it takes, and a process that dies is Ray's to restart.
    One that computes is more likely busy than hung, and killed it would do its work again: it has ten times as long.
    Time is what the driver spent looking, so that a machine that slept finds nobody guilty.

    Attributes:
        limit_s: How long a shard may stand still.
    """

    limit_s: float
    _turns: dict[int, int] = field(default_factory=dict)
    _cpu_s: dict[int, float] = field(default_factory=dict)
    _still_s: dict[int, float] = field(default_factory=dict)

    def judge(self, health: Iterable[Health], looked_s: float) -> list[int]:
        """Returns the shards to kill, and forgets them until they answer again.

        Args:
            health: How those shards are that answered.
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
        ray: The module, connected.
        settings: The job's settings.
    """

    ray: ModuleType
    settings: Watch
    _handles: dict[int, Any] = field(default_factory=dict)
    _asked: dict[int, Any] = field(default_factory=dict)

    def start(self, number: int) -> None:
        """Starts a shard; Ray restarts its process as often as it dies."""
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
        """Asks all shards; those that are down or being restarted are missing from the answer."""
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
                logger.warning("shard %s died and is started again: %s", number, str(error).splitlines()[0])
                self._replace(number)
        return found

    def kill(self, numbers: Iterable[int]) -> None:
        """Kills shards, which Ray then starts again. What a late one still writes, the log refuses."""
        for number in numbers:
            logger.error("shard %s stands still and is killed; it begins again from its snapshot", number)
            self.ray.kill(self._handles[number], no_restart=False)

    def stop(self, timeout_s: float) -> None:
        """Ends all shards with a last snapshot."""
        stopping = [handle.stop.remote() for handle in self._handles.values()]
        done, late = self.ray.wait(stopping, num_returns=len(stopping), timeout=timeout_s)
        if late:
            logger.warning("%s of %s shards did not end in time; they recover at the next start", len(late), len(done))

    def _replace(self, number: int) -> None:
        # Ray answers so for a call that died with a process it restarts, too. Only a dead actor's name is free again.
        try:
            self._handles[number] = self.ray.get_actor(cluster.shard_name(number))
        except ValueError:
            self.start(number)
