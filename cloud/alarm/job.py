"""`python -m cloud watch`: Ray actors hold each patient's state and decide what is an alarm.

This is the driver: it starts the shards, starts them again should Ray have given one up, kills one that stands still,
and is the wall-clock watchdog over all of them.
"""

import logging
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final

import prometheus_client

from cloud.alarm.count_alarms import FOREIGN, PASSED_OVER, CountWatch, foreign, passed_over
from cloud.alarm.ray import cluster
from cloud.alarm.ray.shard_supervisor import Progress, ShardSupervisor
from cloud.alarm.snapshot.failure_alarm import SnapshotWatch
from cloud.alarm.snapshot.store import SnapshotError, open_snapshots
from cloud.alarm.watchdog.alarm_writer import WatchdogWriter
from cloud.alarm.watchdog.stall import StallWatch
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Record, read_to_end
from cloud.kafka.transactional import open_transactional
from cloud.settings import Watch
from vitals.alarm_events import AlarmEvent, decode
from vitals.engine.rules.technical_alarms import PIPELINE
from vitals.runtime.daemon import notify, now_ms, serve_metrics, stop_on_signals
from vitals.runtime.daemon import run as run_daemon
from vitals.wire import topics

logger = logging.getLogger("watch")
LOOK_EVERY_S: Final = 1.0
COUNTS: Final = {
    "readings": "readings judged since the shard's start",
    "repeats": "records dropped because they had been judged before",
    "misplaced": "readings left out since the shard's start, as they name a patient whose they cannot be",
    "emitted": "alarm events written since the shard's start",
    "rejects": "records that could not be read since the shard's start",
    "unseen": "readings judged that those who look do not see, as that raised",
    "disputed": "beds and devices that two admissions claim",
    "snapshots_failing": "slices whose last snapshot could not be written or read",
}
_GAUGES: Final = {
    name: prometheus_client.Gauge(f"wardwatch_watch_{name}", text, ["shard"]) for name, text in COUNTS.items()
}


def run(environ: Mapping[str, str]) -> int:
    """Runs the job until SIGTERM or SIGINT."""
    return run_daemon("watch", Watch, _start, environ)


def _start(settings: Watch, early: threading.Event) -> int:
    try:
        open_snapshots(settings.watch_snapshots)
        if not partitions.wait(settings, early):
            return 0
        stall = StallWatch(round(settings.watch_stall_s * 1000), round(settings.watch_start_grace_s * 1000))
        unsaved, counted = SnapshotWatch(), (passed_over(), foreign())
        place = (topics.ALARMS, settings.layout.partition(PIPELINE))
        reader = KafkaReader(settings, "watchdog")
        records = read_to_end(reader, {place: 0})
        told = [event for r in records if r.value and (event := _own(r)) is not None]
        stall.resume(told)
        unsaved.resume(told)
        for watch in counted:
            watch.resume(told, now_ms())
        reader.close()
    except (KafkaUnavailableError, SnapshotError) as error:
        logger.error("cannot start: %s", error)
        return 2
    try:
        for number in range(settings.watch_shards, settings.partitions):
            # There may have been more shards before, and one of them may still run somewhere, cut off.
            open_transactional(settings, cluster.writer_name(number))
    except KafkaUnavailableError as error:
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
    shards = ShardSupervisor(ray, settings)
    try:
        for number in range(settings.watch_shards):
            shards.start(number)
        word = WatchdogWriter(place, lambda: KafkaWriter(settings, "watchdog", aside=True))
        return _watch(settings, shards, (stall, unsaved, counted), word, stop)
    finally:
        notify("STOPPING=1")
        shards.stop(10.0)
        ray.shutdown()


def _own(record: Record) -> AlarmEvent | None:
    """Reads an alarm that a watchdog has told; None for any other record."""
    try:
        event = decode(record.value or b"")
    except ValueError as error:
        logger.warning("%s[%s]@%s cannot be read: %s", *record.place, record.offset, error)
        return None
    return event if event.subject == PIPELINE or event.condition in {PASSED_OVER, FOREIGN} else None


def _watch(
    settings: Watch,
    shards: ShardSupervisor,
    watchdogs: tuple[StallWatch, SnapshotWatch, tuple[CountWatch, CountWatch]],
    word: WatchdogWriter,
    stop: threading.Event,
) -> int:
    stall, unsaved, (passing, foreigners) = watchdogs
    ready = False
    progress = Progress(settings.watch_stuck_s)
    while not stop.wait(LOOK_EVERY_S):
        begun = time.monotonic()
        health = shards.health(LOOK_EVERY_S)
        waited_s = min(time.monotonic() - begun, LOOK_EVERY_S)
        shards.kill(progress.judge(health, LOOK_EVERY_S + waited_s))
        clocks: dict[int, int] = {}
        for shard in health:
            clocks |= shard.clocks
            sys.stderr.writelines(f"{line}\n" for line in shard.lines)
            for name, gauge in _GAUGES.items():
                gauge.labels(str(shard.shard)).set(getattr(shard, name))
        sys.stderr.flush()
        now = now_ms()
        events = (
            stall.judge(clocks, settings.partitions, now, starting=not ready),
            unsaved.judge(health, now),
            *passing.judge({s.shard: s.passed_over for s in health}, now),
            *foreigners.judge({s.shard: s.foreign for s in health}, now),
        )
        for event in events:
            if event is not None:
                logger.warning("%s: %s", event.phase.value, event.text)
            word.tell(event)
        if not ready and len(health) == settings.watch_shards and not any(shard.catching_up for shard in health):
            ready = True
            # From here on it serves: who waits for it waits for this port.
            serve_metrics(settings.metrics_port)
            logger.info("watch is ready", extra={"data": {"shards": {s.shard: s.pid for s in health}}})
            notify("READY=1")
        notify("WATCHDOG=1")
    return 0
