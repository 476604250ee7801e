"""Output of `python -m edge status` and `python -m edge accepted`."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from edge.ingest.dedup import SeenSequences, as_run
from edge.status.report import read_state
from edge.store import journal_rows
from edge.store.sqlite import DAMAGED, NAME, RESCUED, originals, read_only
from vitals.status import Health


def accepted(directory: Path) -> Iterator[dict[str, Any]]:
    """Yields the accepted identities by device and boot: {"device", "boot", "ranges": [[first, last], …]}.

    Raises:
        sqlite3.OperationalError: There is no outbox in `directory`.
    """
    db = read_only(directory)
    try:
        db.execute("BEGIN")
        ledger = SeenSequences(filter(None, map(as_run, db.execute("SELECT device, boot, first, last FROM accepted"))))
        for (columns,) in db.execute("SELECT columns FROM journal"):
            for identity in journal_rows.decode(columns).identities():
                ledger.add(*identity)
    finally:
        db.close()
    for (device, boot), runs in groupby(ledger.ranges(), key=lambda run: run[:2]):
        yield {"device": device, "boot": boot, "ranges": [[first, last] for _, _, first, last in runs]}


def status(directory: Path, now: int) -> dict[str, Any]:
    """Returns the gateway's state: current content of the database and the last state file.

    Raises:
        sqlite3.OperationalError: There is no outbox in `directory`.
    """
    db = read_only(directory)
    try:
        rejected = db.execute(
            "SELECT t, topic, reason, substr(payload, 1, 200) FROM rejected ORDER BY id DESC LIMIT 10"
        )
        shown: dict[str, Any] = {
            "on_card": {
                "batches": db.execute("SELECT count(*) FROM batch").fetchone()[0],
                "journal_rows": db.execute("SELECT count(*) FROM journal").fetchone()[0],
                "bytes": sum(p.stat().st_size for p in directory.glob(f"{NAME}*")),
            },
            "set_aside": {
                "waiting": [path.name for path in originals(directory)],
                "taken_over": sorted(path.name for path in directory.glob(f"{NAME}{DAMAGED}*{RESCUED}")),
            },
            "rejected_last": [
                {"s_ago": round((now - t) / 1000, 1), "topic": topic, "reason": reason, "bytes": repr(payload)}
                for t, topic, reason, payload in rejected
            ],
        }
    finally:
        db.close()
    state = read_state(directory)
    if state is None:
        return shown
    status = state.status
    unwell = [d for d in state.status.devices if d.health is not Health.UP or d.off]
    return shown | {
        "gateway": state.status.id,
        "said_s_ago": round((now - state.status.t) / 1000, 1),
        "uplink": "up" if state.uplink else "down",
        "outbox": status.outbox,
        "backlog": {
            "batches": status.backlog,
            "bytes": status.backlog_bytes,
            "oldest_s": status.backlog_since and round((now - status.backlog_since) / 1000, 1),
        },
        "accepted": state.status.accepted,
        "rejected": state.rejected,
        "duplicates": state.duplicates,
        "trimmed": state.trimmed,
        "last_confirmed_s_ago": state.last_confirmed and round((now - state.last_confirmed) / 1000, 1),
        "last_heartbeat_s_ago": state.last_heartbeat and round((now - state.last_heartbeat) / 1000, 1),
        "clock_synchronised": state.status.clock_synchronised,
        "roster": state.roster,
        "alarms": state.alarms,
        "standby": {
            bed: {"left_s": max(0, round((until - now) / 1000)), "by": by}
            for bed, (until, by) in state.standbys.items()
        },
        "devices": {
            "up": len(state.status.devices) - len([d for d in unwell if d.health is not Health.UP]),
            "unwell": {d.device: {"health": d.health.value, "off": list(d.off)} for d in unwell},
            "clock_offset_ms": {d.device: d.offset_ms for d in state.status.devices if d.offset_ms},
        },
    }
