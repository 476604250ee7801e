"""The Ray actor of a shard: runs its loop in a thread and answers queries."""

import collections
import itertools
import logging
import os
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Final

from cloud.alarm.ray import cluster
from cloud.settings import Watch
from vitals.runtime.daemon import JsonLines

logger = logging.getLogger("watch")
KEEP_LINES: Final = 1000
POLL_S: Final = 0.2
CLOSE_S: Final = 8.0
"""Time for the last snapshots; without them the next start reads more of the log."""


@dataclass(frozen=True, slots=True)
class Health:
    """Health and counters of a shard.

    Attributes:
        shard: Number of the shard.
        pid: Process id.
        clocks: Log time of each of its partitions, 0 before the first record.
        catching_up: Whether it still judges records from before its start.
        turns: Iterations of its loop since its start, idle ones included; 0 while it recovers.
        cpu_s: Processor seconds of its process so far.
        readings: Readings judged since its start.
        repeats: Records dropped because they had been judged before.
        misplaced: Readings dropped because their patient cannot be in that bed or at that gateway.
        emitted: Alarm events written since its start.
        rejects: Undecodable records since its start.
        disputed: Beds and devices that two admissions claim; counted by shard 0.
        passed_over: Records and readings skipped since its start, by topic and exception.
        foreign: Readings since its start about patients that the gateway does not have, by gateway.
        unseen: Readings judged since its start that are missing from answers, because storing them raised.
        snapshots_failing: Slices whose last snapshot could not be made, written or read.
        snapshots_saved: Slices that have had a snapshot written since its start.
        lines: Log lines since the last call.
    """

    shard: int
    pid: int
    clocks: dict[int, int]
    catching_up: bool
    turns: int
    cpu_s: float
    readings: int
    repeats: int
    misplaced: int
    emitted: int
    rejects: int
    disputed: int
    passed_over: dict[str, int]
    foreign: dict[str, int]
    unseen: int
    snapshots_failing: int
    snapshots_saved: int
    lines: tuple[str, ...]


class _Lines(logging.Handler):
    """Keeps log lines until the driver fetches them, because Ray would put its own prefix before each."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines("watch"))
        self._kept: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))

    def take(self) -> tuple[str, ...]:
        """Returns the lines and removes them."""
        return tuple(self._kept.popleft() for _ in range(len(self._kept)))


class ShardActor:
    """One shard. Ray restarts it when its process dies; the new process recovers by itself.

    Args:
        settings: The job's settings.
        number: Index within `settings.watch_shards`; number 0 also holds the equipment's alarms.
    """

    def __init__(self, settings: Watch, number: int) -> None:
        # Imported inside the actor's process: neither librdkafka nor boto3 can be pickled.
        from cloud.alarm.partition_engine import Terms  # noqa: PLC0415 - see above
        from cloud.alarm.shard import Shard, share  # noqa: PLC0415 - see above
        from cloud.alarm.shard_runner import ShardRunner  # noqa: PLC0415 - see above
        from cloud.alarm.snapshot.store import open_snapshots  # noqa: PLC0415 - see above
        from cloud.alarm.snapshot.writer import SnapshotWriter  # noqa: PLC0415 - see above
        from cloud.kafka.client import KafkaReader  # noqa: PLC0415 - see above
        from cloud.kafka.transactional import TransactionalWriter  # noqa: PLC0415 - see above

        self._lines = _Lines()
        logging.basicConfig(level=logging.INFO, handlers=[self._lines, logging.StreamHandler()], force=True)
        self._number, self._every_s, self._epoch = number, settings.watch_snapshot_s, uuid.uuid4().hex
        layout = settings.layout
        terms = Terms(settings.watch_handover_s, settings.watch_advisories)
        self._shard = Shard(layout, share(layout, number, settings.watch_shards), equipment=number == 0, terms=terms)
        client = cluster.writer_name(number)
        self._snapshots = SnapshotWriter(open_snapshots(settings.watch_snapshots))
        self._runner = ShardRunner(
            self._shard,
            KafkaReader(settings, client),
            # Created last: it fences a former process of this shard, should one still run.
            TransactionalWriter(settings, client),
            self._snapshots,
        )
        self._lock, self._stop, self._turns = threading.Lock(), threading.Event(), 0
        self._worker = threading.Thread(target=self._work, name=client, daemon=True)
        self._worker.start()

    def _work(self) -> None:
        try:
            with self._lock:
                self._runner.start()
            saved, engines = time.monotonic(), itertools.cycle(self._shard.engines)
            while not self._stop.is_set():
                self._step()
                if time.monotonic() - saved >= self._every_s / len(self._shard.engines):
                    # One slice at a time, so that an alarm waits for at most one slice's snapshot.
                    with self._lock:
                        self._runner.save((next(engines),))
                    saved = time.monotonic()
                self._turns += 1
            with self._lock:
                self._runner.save()
            self._snapshots.close(CLOSE_S)
        except BaseException:
            # Crash-only: after any exception, state and log may disagree. A new process starts from the snapshot.
            logger.exception("shard %s failed and will be restarted", self._number)
            os._exit(1)

    def _step(self) -> None:
        # Queries get the lock between two batches, never within one.
        with self._lock:
            came = self._runner.step(POLL_S / 20)
        if not came:
            self._stop.wait(0.001)

    def health(self) -> Health:
        """Returns the shard's health and counters."""
        engines = self._shard.engines.values()
        return Health(
            shard=self._number,
            pid=os.getpid(),
            clocks=self._shard.clocks(),
            catching_up=not self._turns or self._runner.catching_up,
            turns=self._turns,
            cpu_s=time.process_time(),
            readings=sum(s.readings for s in engines),
            repeats=sum(s.repeats for s in engines),
            misplaced=sum(s.misplaced for s in engines),
            emitted=self._runner.emitted,
            rejects=self._runner.rejects,
            disputed=len(self._shard.beds.disputes),
            passed_over=dict(self._runner.passed_over),
            foreign=dict(sum((s.foreign for s in engines), collections.Counter[str]())),
            unseen=sum(s.unseen for s in engines),
            snapshots_failing=self._snapshots.failing + len(self._runner.unsaved),
            snapshots_saved=self._snapshots.saved,
            lines=self._lines.take(),
        )

    def now(
        self,
        wards: tuple[str, ...] | None = None,
        patients: tuple[str, ...] | None = None,
        epoch: str = "",
        since: int = 0,
    ) -> bytes:
        """Returns `cloud.alarm.query.answers.ShardSnapshot`: signs, NEWS2, trends and alarms of wards, patients or all.

        Args:
            wards: Only these wards; None for all.
            patients: Only these patients; None for all.
            epoch: Epoch of the last answer; if the shard has restarted since, the answer is complete.
            since: Revision of the last answer: only later changes.
        """
        from cloud.alarm.query import answers, shard_answers  # noqa: PLC0415 - see __init__

        with self._lock:
            found = shard_answers.now(
                self._shard,
                number=self._number,
                epoch=self._epoch,
                catching_up=self._runner.catching_up,
                wards=wards,
                patients=patients,
                since=since if epoch == self._epoch else 0,
            )
        return answers.encode(found)

    def stop(self) -> bool:
        """Stops the loop with a last snapshot; returns whether it stopped in time."""
        self._stop.set()
        self._worker.join(10.0)
        return not self._worker.is_alive()
