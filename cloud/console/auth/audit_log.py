"""Append-only audit log of views and actions."""

import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, t INTEGER NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
    what TEXT NOT NULL, ward TEXT, patient TEXT, detail TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS audit_patient ON audit (patient, t);
CREATE INDEX IF NOT EXISTS audit_who ON audit (who, t);
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filter of lines; None does not filter.

    Attributes:
        who: User or contact.
        ward: Ward.
        patient: Patient.
        since: Earliest time, UTC epoch ms.
        before: Time after the latest one, UTC epoch ms.
    """

    who: str | None = None
    ward: str | None = None
    patient: str | None = None
    since: int | None = None
    before: int | None = None


EVERYTHING: Final = Wanted()


class Audit:
    """The log. A view or an action is refused if its line cannot be written: `add` raises.

    Args:
        path: SQLite file, created if absent.
    """

    def __init__(self, path: Path) -> None:
        self._path = quote(str(path.resolve()))
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

    def read(self, wanted: Wanted = EVERYTHING, limit: int = 200) -> list[Entry]:
        """Returns lines, newest first, at most `limit`.

        A reader has a connection of its own: a search through years must not delay the next line.
        """
        named = {"who": wanted.who, "ward": wanted.ward, "patient": wanted.patient}
        terms = [f"{name} = :{name}" for name, value in named.items() if value is not None]
        terms += ["t >= :since"] if wanted.since is not None else []
        terms += ["t < :before"] if wanted.before is not None else []
        where = f"WHERE {' AND '.join(terms)} " if terms else ""
        sql = f"SELECT t, who, address, what, ward, patient, detail FROM audit {where}ORDER BY id DESC LIMIT :limit"  # noqa: S608 - our own names
        values = {**named, "since": wanted.since, "before": wanted.before, "limit": limit}
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as reader:
            return [Entry(*row) for row in reader.execute(sql, values)]


def detail(**facts: object) -> str:
    """Encodes facts as an entry's detail."""
    return json.dumps(facts, default=str, sort_keys=True)
