"""Opens the gateway's outbox; a damaged one is set aside, and a new one continues it."""

import logging
import sqlite3
from pathlib import Path

from edge.store import sqlite
from edge.store.damaged.takeover import is_new, take_over
from edge.store.outbox import Outbox

log = logging.getLogger(__name__)


def open_outbox(directory: Path, now: int) -> Outbox:
    """Opens the gateway's outbox, or creates it.

    A damaged outbox is set aside. A new one continues the newest original (`edge.store.damaged`); its remaining
    readable content follows while the gateway runs.

    Args:
        directory: Directory of the outbox.
        now: UTC epoch ms; part of the name of an outbox that is set aside.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, marker = directory / sqlite.NAME, directory / sqlite.CORRUPT
    if not marker.exists():
        try:
            return _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            log.error("the outbox is damaged and set aside", extra={"data": {"path": str(path), "error": str(error)}})
    sqlite.quarantine(path, now)
    marker.unlink(missing_ok=True)
    return _opened(path)


def _opened(path: Path) -> Outbox:
    db = sqlite.connect(path)
    try:
        originals, lost = sqlite.originals(path.parent), set[str]()
        if originals and is_new(db):
            lost = take_over(db, originals[-1])
            log.warning("the outbox continues the one set aside", extra={"data": {"path": str(originals[-1])}})
        outbox = Outbox(db, originals)
        outbox.lost |= lost
        for _ in outbox.journal(outbox.position):
            pass
    except BaseException:
        db.close()
        raise
    return outbox
