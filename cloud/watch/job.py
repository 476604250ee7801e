"""`python -m cloud watch`: Ray actors hold each patient's state and decide what is an alarm.

This is the driver: it starts the shards, starts them again should Ray have given one up, and is the wall-clock
watchdog over all of them.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import prometheus_client

from cloud.log.fenced import fence
from cloud.log.kafka import KafkaReader, KafkaWriter
from cloud.log.port import LogError, read_to_end
from cloud.settings import Watch
from cloud.watch import cluster
from cloud.watch.actor import Health, ShardActor
from cloud.watch.snapshots import SnapshotError, open_snapshots
from cloud.watch.stall import StallWatch
from vitals import topics
from vitals.alarms import AlarmEvent, decode, encode
from vitals.daemon import notify, now_ms, serve_metrics, stop_on_signals
from vitals.daemon import run as run_daemon
from vitals.engine.tree import PIPELINE

logger = logging.getLogger("watch")
LOOK_EVERY_S: Final = 1.0
WRITE_S: Final = 5.0
COUNTS: Final = {
    "readings": "readings judged since the shard's start",
    "repeats": "records dropped because they had been judged before",
    "misplaced": "readings left out since the shard's start, as they name a patient whose they cannot be",
    "emitted": "alarm events written since the shard's start",
    "rejects": "records that could not be read since the shard's start",
}
_GAUGES: Final = {
    name: prometheus_client.Gauge(f"wardwatch_watch_{name}", text, ["shard"]) for name, text in COUNTS.items()
}


@dataclass(slots=True)
class Shards:
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


def run(environ: Mapping[str, str]) -> int:
    """Runs the job until SIGTERM or SIGINT."""
    return run_daemon("watch", Watch, _start, environ)


def _start(settings: Watch, _: threading.Event) -> int:
    try:
        open_snapshots(settings.watch_snapshots)
        stall = StallWatch(round(settings.watch_stall_s * 1000), round(settings.watch_start_grace_s * 1000))
        place = (topics.ALARMS, settings.layout.partition(PIPELINE))
        reader = KafkaReader(settings, "watchdog")
        stall.resume(decode(r.value) for r in read_to_end(reader, {place: 0}) if r.value and r.key == PIPELINE.encode())
        reader.close()
    except (LogError, SnapshotError) as error:
        logger.error("cannot start: %s", error)
        return 2
    try:
        for number in range(settings.watch_shards, settings.partitions):
            # There may have been more shards before, and one of them may still run somewhere, cut off.
            fence(settings, cluster.writer_name(number))
    except LogError as error:
        logger.error("cannot start: %s", error)
        return 2
    begun = time.monotonic()
    try:
        ray = cluster.start(settings)
    except ConnectionError as error:
        logger.error("cannot start: %s", error)
        return 2
    logger.info("Ray is up", extra={"data": {"seconds": round(time.monotonic() - begun, 1)}})
    # Ray has put its own handlers in the place of ours.
    stop = stop_on_signals()
    shards = Shards(ray, settings)
    try:
        for number in range(settings.watch_shards):
            shards.start(number)
        return _watch(settings, shards, stall, KafkaWriter(settings, "watchdog"), stop)
    finally:
        notify("STOPPING=1")
        shards.stop(10.0)
        ray.shutdown()


def _watch(settings: Watch, shards: Shards, stall: StallWatch, writer: KafkaWriter, stop: threading.Event) -> int:
    place = (topics.ALARMS, settings.layout.partition(PIPELINE))
    ready = False
    unsent: list[AlarmEvent] = []
    while not stop.wait(LOOK_EVERY_S):
        health = shards.health(LOOK_EVERY_S)
        clocks: dict[int, int] = {}
        for shard in health:
            clocks |= shard.clocks
            sys.stderr.writelines(f"{line}\n" for line in shard.lines)
            for name, gauge in _GAUGES.items():
                gauge.labels(str(shard.shard)).set(getattr(shard, name))
        sys.stderr.flush()
        event = stall.judge(clocks, settings.partitions, now_ms())
        if event is not None:
            logger.warning("%s: %s", event.phase.value, event.text)
            unsent.append(event)
        if unsent:
            try:
                for waiting in unsent:
                    writer.write(place, PIPELINE.encode(), encode(waiting))
                writer.flush(WRITE_S)
                unsent.clear()
            except LogError as error:
                # Kafka itself is what stands still: the word waits for it, and the shards go on waiting too.
                logger.warning("the watchdog's word waits for Kafka: %s", error)
                writer = KafkaWriter(settings, "watchdog")
        if not ready and len(health) == settings.watch_shards and not any(shard.catching_up for shard in health):
            ready = True
            # From here on it serves: who waits for it waits for this port.
            serve_metrics(settings.metrics_port)
            logger.info("watch is ready", extra={"data": {"shards": {s.shard: s.pid for s in health}}})
            notify("READY=1")
        notify("WATCHDOG=1")
    return 0
