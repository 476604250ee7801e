"""Append-only audit log of views and actions."""

import json
import sqlite3
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
    what TEXT NOT NULL, ward TEXT, patient TEXT, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS audit_patient ON audit (patient, t);
CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
CREATE TRIGGER IF NOT EXISTS audit_keeps BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log only grows'); END;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line.

    Attributes:
        t: UTC epoch ms.
        who: User or contact; for a refused sign-in the name that was tried.
        address: Client address.
        what: `view-patient`, `acknowledge`, `sign-in-refused`, …
        ward: Ward, if one is concerned.
        patient: Patient, if one is concerned.
        detail: Further facts, as JSON; never a password or a secret.
    """

    t: int
    who: str
    address: str
    what: str
    ward: str | None = None
    patient: str | None = None
    detail: str = "{}"


class Audit:
    """The log. A view or an action is refused if its line cannot be written: `add` raises.

    Args:
        path: SQLite file, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    def add(self, entry: Entry) -> None:
        """Writes a line; it is on disk on return."""
        row = asdict(entry)
        with self._lock:
            self._db.execute(
                "INSERT INTO audit (t, who, address, what, ward, patient, detail) "
                "VALUES (:t, :who, :address, :what, :ward, :patient, :detail)",
                row,
            )

    def read(self, *, patient: str | None = None, before: int | None = None, limit: int = 200) -> list[Entry]:
        """Returns lines, newest first.

        Args:
            patient: Only lines of this patient.
            before: Only earlier lines, UTC epoch ms.
            limit: Maximum number of lines.
        """
        sql = (
            "SELECT t, who, address, what, ward, patient, detail FROM audit "
            "WHERE (?1 IS NULL OR patient = ?1) AND (?2 IS NULL OR t < ?2) ORDER BY id DESC LIMIT ?3"
        )
        with self._lock:
            return [Entry(*row) for row in self._db.execute(sql, (patient, before, limit)).fetchall()]


def detail(**facts: object) -> str:
    """Encodes facts as an entry's detail."""
    return json.dumps(facts, default=str, sort_keys=True)
