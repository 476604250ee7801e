"""Snapshots beside the alarm loop: they shorten a restart, and no alarm waits for them or fails with them."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from cloud.alarm.snapshot.store import SnapshotError, Snapshots

logger = logging.getLogger(__name__)
READS_S: Final = 30.0
"""What reads that fail may cost a start in all: from then on the log is the quicker way."""


class SnapshotWriter:
    """Writes snapshots in a thread of its own. What cannot be written or read is a warning, and nothing else.

    One is being written, and of each slice the newest waits: a store that hangs costs no more memory than that.

    Args:
        store: Where they go.
        clock: Monotonic clock, s.
    """

    def __init__(self, store: Snapshots, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock, self._lost_s = store, clock, 0.0
        self._changed = threading.Condition()
        self._waiting: dict[str, bytes] = {}
        self._writing = self._closed = False
        self._failed: set[str] = set()
        self._saved: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="snapshots", daemon=True)
        self._thread.start()

    @property
    def failing(self) -> int:
        """How many slices have a snapshot that could not be written or read, and none written since."""
        with self._changed:
            return len(self._failed)

    @property
    def saved(self) -> int:
        """How many slices have had a snapshot written."""
        with self._changed:
            return len(self._saved)

    def put(self, name: str, data: bytes) -> None:
        """Has a snapshot written, instead of one of the same slice that still waits; returns at once."""
        with self._changed:
            self._waiting[name] = data
            self._changed.notify_all()

    def get(self, name: str) -> bytes | None:
        """Returns a snapshot; None when there is none, or none that can be read."""
        begun = self._clock()
        try:
            if self._lost_s < READS_S:
                return self._store.get(name)
            logger.warning("snapshots could not be read for %.0f s; %s is rebuilt from the log", self._lost_s, name)
        except SnapshotError as error:
            logger.warning("%s; %s is rebuilt from the log", error, name)
        except Exception:
            logger.exception("the snapshot of %s cannot be read; its state is rebuilt from the log", name)
        self._lost_s += self._clock() - begun
        with self._changed:
            self._failed.add(name)
        return None

    def settle(self, timeout_s: float) -> bool:
        """Waits until nothing waits any more; returns whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def close(self, timeout_s: float) -> bool:
        """Writes what waits and ends the thread; returns whether it ended in time."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting) or self._closed)
                if not self._waiting:
                    return
                name = next(iter(self._waiting))
                data = self._waiting.pop(name)
                self._writing = True
            written = self._write(name, data)
            with self._changed:
                (self._saved if written else self._failed).add(name)
                if written:
                    self._failed.discard(name)
                self._writing = False
                self._changed.notify_all()

    def _write(self, name: str, data: bytes) -> bool:
        try:
            self._store.put(name, data)
        except SnapshotError as error:
            logger.warning("%s; alarms go on, and a restart takes longer", error)
            return False
        except Exception:
            # Whatever a client library raises, this thread goes on.
            logger.exception("the snapshot of %s cannot be written; alarms go on, and a restart takes longer", name)
            return False
        return True
