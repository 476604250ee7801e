"""Operation while the card cannot be opened (full, read-only, gone): the lights at the beds do not depend on it.

Nothing is stored, so nothing is accepted. Messages that the cloud confirmed are acknowledged; the oldest of the others
are acknowledged only so that devices can continue to send (`edge.store.commit`). Roster, engine and devices start from
the card's content if it is readable.
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
from edge.store import journal_rows
from edge.store.open import open_outbox
from edge.store.outbox import POSITION, Outbox
from edge.store.runtime_state import RuntimeState, take_up
from edge.store.snapshot import ENGINE, HEARD, MEMORY, ROSTER
from edge.store.sqlite import NAME, in_memory
from edge.store.values import verified
from vitals.runtime.daemon import now_ms
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)
TRY_EVERY_S: Final = 2.0
"""Interval of the attempts to open the outbox: until one succeeds, a boot loses a roster that has arrived since."""
SHOWN: Final = (ROSTER, ENGINE, MEMORY, HEARD, BOOT, POSITION)
"""Stored values that a start reads from a card that is read-only."""
WAYS: Final = "vfs=unix-none", "immutable=1"
"""Options to open the database read-only, in this order. The newest values are in the write-ahead log. Its index is
built in the process's memory, as the card may have no room for it. No lock is used, as there is no other writer.
Without a readable log only the database file is read."""


class InMemoryStore(Outbox):
    """An outbox that stores nothing.

    Args:
        directory: Directory of the outbox that cannot be opened.
        spare: State of an earlier run that the card could not store.
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
        """Fails as on a full card.

        Raises:
            sqlite3.OperationalError: Always, after the constructor.
        """
        if self._closed:
            raise sqlite3.OperationalError("no card can be written")
        with super().transaction():
            yield


def _show(directory: Path, db: sqlite3.Connection) -> None:
    """Copies the readable part of a start's state from the card: stored values, and the readings after them."""
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
        # Rows with unknown times stay on the card.
        values[BOOT] = msgspec.json.encode(msgspec.structs.replace(boot, unset=0))
    after = int(values.get(POSITION, b"0"))
    rows = card.execute("SELECT id, columns FROM journal WHERE id > ? ORDER BY id", (after,)).fetchall()
    return values, [row for row in rows if _whole(row[1])]


def _whole(columns: bytes) -> bool:
    with suppress(WireError):
        return bool(len(journal_rows.decode(columns)))
    return False


@contextmanager
def until_there_is_one(directory: Path, stop: threading.Event, runtime: RuntimeState) -> Iterator[threading.Event]:
    """Yields an event that is set once the outbox can be opened, or `stop` is set.

    The state in memory is written to the outbox at once: the present run ends seconds later, and a boot in them would
    lose a roster.

    Args:
        directory: Directory of the outbox.
        stop: Set when the process is to end.
        runtime: State in memory.
    """
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
                    with closing(open_outbox(directory, now_ms())) as outbox:
                        take_up(runtime.values(), outbox)
                    log.warning("the outbox can be opened again")
                    ended.set()

    thread = threading.Thread(target=look, name="card", daemon=True)
    thread.start()
    try:
        yield ended
    finally:
        over.set()
        thread.join()
