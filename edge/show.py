"""What `python -m edge status` and `python -m edge accepted` print."""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from edge.ledger import Ledger
from edge.report import read_state
from edge.storage import read_only
from vitals import records
from vitals.status import Health


def accepted(directory: Path) -> Iterator[dict[str, Any]]:
    """Yields what the gateway accepted, by device and boot: {"device", "boot", "ranges": [[first, last], …]}.

    Raises:
        sqlite3.OperationalError: There is no outbox in `directory`.
    """
    db = read_only(directory)
    try:
        db.execute("BEGIN")
        ledger = Ledger(db.execute("SELECT device, boot, first, last FROM accepted"))
        for (columns,) in db.execute("SELECT columns FROM journal"):
            for identity in records.decode_vitals(columns).identities():
                ledger.add(*identity)
    finally:
        db.close()
    for (device, boot), runs in groupby(ledger.ranges(), key=lambda run: run[:2]):
        yield {"device": device, "boot": boot, "ranges": [[first, last] for _, _, first, last in runs]}


def status(directory: Path, now: int) -> dict[str, Any]:
    """Returns the gateway's state: what the database holds now, and what the gateway said of itself last.

    Raises:
        sqlite3.OperationalError: There is no outbox in `directory`.
    """
    db = read_only(directory)
    try:
        backlog = _backlog(db, now)
        rejected = db.execute(
            "SELECT reason, count(*) FROM rejected GROUP BY reason ORDER BY 2 DESC LIMIT 10"
        ).fetchall()
    finally:
        db.close()
    shown: dict[str, Any] = {"backlog": backlog, "rejected_kept": dict(rejected)}
    state = read_state(directory)
    if state is None:
        return shown
    unwell = [d for d in state.status.devices if d.health is not Health.UP or d.off]
    return shown | {
        "gateway": state.status.id,
        "said_s_ago": round((now - state.status.t) / 1000, 1),
        "uplink": "up" if state.uplink else "down",
        "outbox": state.status.outbox,
        "accepted": state.status.accepted,
        "rejected": state.status.rejected,
        "duplicates": state.duplicates,
        "trimmed": state.trimmed,
        "last_confirmed_s_ago": state.last_confirmed and round((now - state.last_confirmed) / 1000, 1),
        "last_heartbeat_s_ago": state.last_heartbeat and round((now - state.last_heartbeat) / 1000, 1),
        "clock_synchronised": state.status.clock_synchronised,
        "roster": state.roster,
        "alarms": state.alarms,
        "devices": {
            "up": len(state.status.devices) - len([d for d in unwell if d.health is not Health.UP]),
            "unwell": {d.device: {"health": d.health.value, "off": list(d.off)} for d in unwell},
            "clock_offset_ms": {d.device: d.offset_ms for d in state.status.devices if d.offset_ms},
        },
    }


def _backlog(db: sqlite3.Connection, now: int) -> dict[str, Any]:
    sums = "count(*), coalesce(sum(readings), 0), coalesce(sum(length(payload)), 0)"
    text = f"SELECT {sums}, min(t), min(n), max(n) FROM batch"  # noqa: S608 - own text
    count, readings, size, oldest, first, last = db.execute(text).fetchone()
    age = None if oldest is None else round((now - oldest) / 1000, 1)
    return {"batches": count, "readings": readings, "bytes": size, "oldest_s": age, "first": first, "last": last}
