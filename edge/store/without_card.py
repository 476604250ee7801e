"""A gateway whose card cannot be opened: full, read-only, gone. The lights at the beds do not depend on it.

Nothing is kept, so nothing is accepted: what the cloud confirms is acknowledged, and of the rest a device hears in the
end only so that it may go on (`edge.store.commit`). Roster, engine and devices are as the card shows them, if it does.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from edge.store.outbox import Outbox, open_outbox
from edge.store.snapshot import ENGINE, MEMORY, ROSTER
from edge.store.sqlite import NAME, in_memory
from edge.store.values import verified
from vitals.runtime.daemon import now_ms

log = logging.getLogger(__name__)
TRY_EVERY_S: Final = 10.0
KEPT: Final = (ROSTER, ENGINE, MEMORY)
"""Values that a start needs."""


class InMemoryStore(Outbox):
    """An outbox that keeps nothing.

    Args:
        directory: Where the outbox lies that cannot be opened.
    """

    def __init__(self, directory: Path) -> None:
        self._closed = False
        super().__init__(in_memory())
        with self.transaction():
            for key, value in _shown(directory):
                self.save(key, value)
        self._closed = True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Fails as a full card does.

        Raises:
            sqlite3.OperationalError: Always, once it is made.
        """
        if self._closed:
            raise sqlite3.OperationalError("there is no card that can be written")
        with super().transaction():
            yield


def _shown(directory: Path) -> Iterator[tuple[str, bytes]]:
    """Yields what the card still shows of the values that a start needs."""
    # A file system that is read-only has no room for the lock of a reader: then what is in the file is all there is.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        uri = f"{(directory / NAME).absolute().as_uri()}?{how}"
        with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(uri, uri=True)) as db:
            rows = db.execute("SELECT key, value FROM meta").fetchall()
            found = verified({key: value for key, value in rows if isinstance(value, bytes)}).values
            yield from ((key, found[key]) for key in KEPT if key in found)
            return


@contextmanager
def until_there_is_one(directory: Path, stop: threading.Event) -> Iterator[threading.Event]:
    """Yields an event that is set once the outbox can be opened, or `stop` is set."""
    ended = threading.Event()
    over = threading.Event()

    def look() -> None:
        passed = 0.0
        while not over.wait(0.1):
            passed += 0.1
            if stop.is_set():
                ended.set()
            elif passed >= TRY_EVERY_S and not ended.is_set():
                passed = 0.0
                with suppress(sqlite3.DatabaseError, OSError):
                    open_outbox(directory, now_ms()).close()
                    log.warning("the outbox can be opened again")
                    ended.set()

    thread = threading.Thread(target=look, name="card", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        over.set()
        thread.join()
