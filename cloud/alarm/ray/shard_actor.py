"""What runs inside a Ray actor: one shard's loop in a thread of its own, and answers to those who ask."""

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
"""How long the last snapshots may take; without them the next start reads more of the log."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a shard is.

    Attributes:
        shard: Its number.
        pid: Its process.
        clocks: Log time of each of its partitions, 0 where nothing has come.
        catching_up: Whether it still judges what came before its start.
        turns: Turns of work since its start, with or without anything to do; 0 while it recovers.
        cpu_s: Processor seconds of its process so far.
        readings: Readings judged since its start.
        repeats: Records dropped because they had been judged before.
        misplaced: Readings left out, as they name a patient whose they cannot be.
        emitted: Alarm events written since its start.
        rejects: Records that could not be read since its start.
        disputed: Beds and devices that two admissions claim; shard 0 knows.
        passed_over: What was passed over since its start, by topic and exception.
        foreign: Readings since its start of gateways about patients that they do not have, by gateway.
        unseen: Readings judged since its start that those who look do not see, as that raised.
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
    """Keeps log lines until the driver fetches them: Ray would put a prefix of its own before each."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines("watch"))
        self._kept: collections.deque[str] = collections.deque(maxlen=KEEP_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self._kept.append(self.format(record))

    def take(self) -> tuple[str, ...]:
        """Returns the lines and forgets them."""
        return tuple(self._kept.popleft() for _ in range(len(self._kept)))


class ShardActor:
    """One shard. Ray restarts it when its process dies; it then recovers by itself.

    Args:
        settings: The job's settings.
        number: Which of `settings.watch_shards` it is; number 0 holds the equipment's alarms as well.
    """

    def __init__(self, settings: Watch, number: int) -> None:
        # Inside the actor's process: neither librdkafka nor boto3 survives being pickled.
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
            # Made last: from here on a former process of this shard, should one still run, writes nothing any more.
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
            saved, slices = time.monotonic(), itertools.cycle(self._shard.engines)
            while not self._stop.is_set():
                self._step()
                if time.monotonic() - saved >= self._every_s / len(self._shard.engines):
                    # One after the other: an alarm then waits for one slice's snapshot at most.
                    with self._lock:
                        self._runner.save((next(slices),))
                    saved = time.monotonic()
                self._turns += 1
            with self._lock:
                self._runner.save()
            self._snapshots.close(CLOSE_S)
        except BaseException:
            # Crash-only: whatever it was, state and log may have parted. A new process begins from the snapshot.
            logger.exception("shard %s ends and will be restarted", self._number)
            os._exit(1)

    def _step(self) -> None:
        # Those who ask get their turn between two batches, not within one.
        with self._lock:
            came = self._runner.step(POLL_S / 20)
        if not came:
            self._stop.wait(0.001)

    def health(self) -> Health:
        """Returns how it is."""
        slices = self._shard.engines.values()
        return Health(
            shard=self._number,
            pid=os.getpid(),
            clocks=self._shard.clocks(),
            catching_up=not self._turns or self._runner.catching_up,
            turns=self._turns,
            cpu_s=time.process_time(),
            readings=sum(s.readings for s in slices),
            repeats=sum(s.repeats for s in slices),
            misplaced=sum(s.misplaced for s in slices),
            emitted=self._runner.emitted,
            rejects=self._runner.rejects,
            disputed=len(self._shard.beds.disputes),
            passed_over=dict(self._runner.passed_over),
            foreign=dict(sum((s.foreign for s in slices), collections.Counter[str]())),
            unseen=sum(s.unseen for s in slices),
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
            epoch: Of the last answer; when the shard has begun anew since, everything is answered.
            since: Revision of the last answer: only what changed after it.
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
        """Ends the work with a last snapshot; returns whether it ended in time."""
        self._stop.set()
        self._worker.join(10.0)
        return not self._worker.is_alive()
