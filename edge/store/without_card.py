"""A gateway whose card cannot be opened: full, read-only, gone. The lights at the beds do not depend on it.

Nothing is kept, so nothing is accepted: what the cloud confirms is acknowledged, and of the rest a device hears in the
end only so that it may go on (`edge.store.commit`). Roster, engine and devices are as the card shows them, if it does.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from edge.clock.boot_clock import BOOT, known_boot
from edge.store.outbox import POSITION, Outbox, open_outbox
from edge.store.repair import readings
from edge.store.snapshot import ENGINE, HEARD, MEMORY, ROSTER
from edge.store.sqlite import NAME, in_memory
from edge.store.values import verified
from vitals.runtime.daemon import now_ms
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)
TRY_EVERY_S: Final = 10.0
SHOWN: Final = (ROSTER, ENGINE, MEMORY, HEARD, BOOT, POSITION)
"""Kept values that a start takes from a card that can only be read."""
WAYS: Final = "vfs=unix-none", "immutable=1"
"""What was kept last stands in the log beside the file. Its index is made in our own memory, as the card may have no
room for one, and without locks, as nobody else writes there. Without that log what is in the file is all there is."""


class InMemoryStore(Outbox):
    """An outbox that keeps nothing.

    Args:
        directory: Where the outbox lies that cannot be opened.
        spare: What an earlier run knew, and that card could not take.
    """

    def __init__(self, directory: Path, spare: Mapping[str, bytes]) -> None:
        self._closed = False
        db = in_memory()
        if spare:
            db.executemany("INSERT INTO meta VALUES (?, ?)", spare.items())
        else:
            _show(directory, db)
        super().__init__(db)
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


def _show(directory: Path, db: sqlite3.Connection) -> None:
    """Copies what the card still shows of what a start needs: kept values, and the readings after them."""
    for how in WAYS:
        uri = f"{(directory / NAME).absolute().as_uri()}?mode=ro&{how}"
        with suppress(sqlite3.DatabaseError, ValueError), closing(sqlite3.connect(uri, uri=True)) as card:
            card.execute("PRAGMA locking_mode = EXCLUSIVE")
            values, rows = _read(card)
            db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
            db.executemany("INSERT INTO journal VALUES (?, ?)", rows)
            return


def _read(card: sqlite3.Connection) -> tuple[dict[str, bytes], list[tuple[int, bytes]]]:
    kept = {key: value for key, value in card.execute("SELECT key, value FROM meta") if isinstance(value, bytes)}
    values = {key: value for key, value in verified(kept).values.items() if key in SHOWN}
    if (boot := known_boot(values.get(BOOT))) is not None:
        # Rows that wait for their times stay on the card.
        values[BOOT] = msgspec.json.encode(msgspec.structs.replace(boot, unset=0))
    after = int(values.get(POSITION, b"0"))
    rows = card.execute("SELECT id, columns FROM journal WHERE id > ? ORDER BY id", (after,)).fetchall()
    return values, [row for row in rows if _whole(row[1])]


def _whole(columns: bytes) -> bool:
    with suppress(WireError):
        return bool(len(readings(columns)))
    return False


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
