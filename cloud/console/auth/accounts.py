"""Users, their roles, sessions and one-time links, in one SQLite file.

SQLite, not the warehouse: users must be able to sign in and acknowledge while the warehouse is down (ADR 0008).
Passwords, session secrets and link secrets are stored only as hashes.
"""

import contextlib
import hashlib
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

import argon2

ANY: Final = "*"
"""Ward of a role that applies to all wards."""
SHORTEST: Final = 10
LONGEST: Final = 256
TICKET_MS: Final = 24 * 3_600_000
KEY_MS: Final = 365 * 24 * 3_600_000
TOUCH_MS: Final = 60_000
"""Minimum time between two updates of a session's last use."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password TEXT, disabled INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS roles (
    name TEXT NOT NULL REFERENCES users, ward TEXT NOT NULL, role INTEGER NOT NULL, PRIMARY KEY (name, ward));
CREATE TABLE IF NOT EXISTS tickets (hash TEXT PRIMARY KEY, name TEXT, until INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    hash TEXT PRIMARY KEY, name TEXT NOT NULL, csrf TEXT NOT NULL, began INTEGER NOT NULL, used INTEGER NOT NULL,
    until INTEGER NOT NULL, idle INTEGER NOT NULL);
"""


class Role(IntEnum):
    """Permissions on a ward; each role includes those of the one before."""

    VIEWER = 1
    NURSE = 2
    ADMIN = 3

    @property
    def label(self) -> str:
        """Name of the role in texts."""
        return self.name.lower()


class AccountError(ValueError):
    """The change of an account is not allowed; the message contains the reason, for the user."""


@dataclass(frozen=True, slots=True)
class Person:
    """A signed-in user.

    Attributes:
        name: User name.
        roles: Role by ward; `ANY` is for all wards.
        csrf: Secret that their pages send with every change; empty for an API key.
    """

    name: str
    roles: dict[str, Role]
    csrf: str = ""

    def may(self, role: Role, ward: str | None) -> bool:
        """Returns whether they have at least this role on the ward; without a ward, on all wards."""
        own = self.roles.get(ward or ANY)
        return max(own or 0, self.roles.get(ANY, 0)) >= role


@dataclass(frozen=True, slots=True)
class Spans:
    """Lifetime of a session, ms: after sign-in, and without use."""

    session_ms: int
    idle_ms: int


class Accounts:
    """The store of accounts.

    Args:
        path: SQLite file, created if absent; its folder must exist.
        spans: Lifetime of sessions.
        hasher: argon2id with the library's parameters, unless a test needs a cheaper one.
    """

    def __init__(self, path: Path, spans: Spans, hasher: argon2.PasswordHasher | None = None) -> None:
        self._spans = spans
        self._hasher = hasher or argon2.PasswordHasher()
        # Verified for an unknown user, so that response times reveal no user name.
        self._decoy = self._hasher.hash(secrets.token_hex(16))
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;" + _SCHEMA)

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    @contextlib.contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def empty(self) -> bool:
        """Returns whether no user has a password yet."""
        return not self._rows("SELECT 1 FROM users WHERE password IS NOT NULL LIMIT 1")

    def create_invite(self, name: str | None, now: int) -> str:
        """Returns the secret of a new one-time link, by which one user sets their password.

        Args:
            name: The user; None for the first one, who chooses a name with the password.
            now: UTC epoch ms.
        """
        token = secrets.token_urlsafe(24)
        with self._change() as db:
            db.execute("DELETE FROM tickets WHERE name IS ? OR until < ?", (name, now))
            db.execute("INSERT INTO tickets VALUES (?, ?, ?)", (_hash(token), name, now + TICKET_MS))
        return token

    def holder(self, token: str, now: int) -> tuple[bool, str | None]:
        """Returns whether a one-time link is valid, and its user's name."""
        found = self._rows("SELECT name FROM tickets WHERE hash = ? AND until > ?", _hash(token), now)
        return bool(found), None if not found else _text(found[0][0])

    def set_password(self, token: str, name: str, password: str, now: int) -> None:
        """Sets a password by a one-time link, which is then used up; the first user becomes admin of all wards.

        Raises:
            AccountError: The link is not valid, or name or password is not allowed.
        """
        holds, owner = self.holder(token, now)
        if not holds:
            raise AccountError("This link has been used or is too old. Ask for a new one.")
        if not SHORTEST <= len(password) <= LONGEST:
            raise AccountError(f"A password has {SHORTEST} to {LONGEST} characters.")
        named = owner or _named(name)
        if password.lower() == named.lower():
            raise AccountError("The password must not be the user name.")
        hashed = self._hasher.hash(password)
        with self._change() as db:
            if db.execute("DELETE FROM tickets WHERE hash = ?", (_hash(token),)).rowcount != 1:
                raise AccountError("This link has been used. Ask for a new one.")
            if owner is None:
                db.execute("INSERT INTO users (name) VALUES (?)", (named,))
                db.execute("INSERT INTO roles VALUES (?, ?, ?)", (named, ANY, Role.ADMIN))
            db.execute("UPDATE users SET password = ? WHERE name = ?", (hashed, named))
            db.execute("DELETE FROM sessions WHERE name = ?", (named,))

    def grant(self, name: str, roles: dict[str, Role]) -> None:
        """Creates a user, or replaces their roles; a user without any role loses access at once.

        Raises:
            AccountError: The name is not allowed, or no admin of all wards would remain.
        """
        _named(name)
        with self._change() as db:
            db.execute("INSERT INTO users (name) VALUES (?) ON CONFLICT DO NOTHING", (name,))
            db.execute("DELETE FROM roles WHERE name = ?", (name,))
            db.executemany("INSERT INTO roles VALUES (?, ?, ?)", [(name, ward, role) for ward, role in roles.items()])
            db.execute("UPDATE users SET disabled = ? WHERE name = ?", (not roles, name))
            if not roles:
                db.execute("DELETE FROM sessions WHERE name = ?", (name,))
            admins = "SELECT 1 FROM users JOIN roles USING (name) WHERE ward = ? AND role = ? AND password IS NOT NULL"
            if not db.execute(admins, (ANY, Role.ADMIN)).fetchall():
                raise AccountError("Somebody must stay admin of all wards.")

    def users(self) -> list[tuple[str, dict[str, Role], bool]]:
        """Returns every user, their roles, and whether they have set a password."""
        rows = self._rows("SELECT name, password IS NOT NULL FROM users ORDER BY name")
        return [(str(name), self._roles(str(name)), bool(ready)) for name, ready in rows]

    def sign_in(self, name: str, password: str, now: int) -> tuple[str, Person] | None:
        """Returns a new session's secret and user; None if name or password is wrong."""
        found = self._rows("SELECT name, password FROM users WHERE name = ? AND disabled = 0", name)
        hashed = _text(found[0][1]) if found else None
        try:
            self._hasher.verify(hashed or self._decoy, password[:LONGEST])
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return None
        if hashed is None:
            return None
        return self._open(name, now, self._spans.session_ms, self._spans.idle_ms)

    def key(self, name: str, now: int) -> str:
        """Returns a new API key of a user, valid for a year and only for reading.

        Raises:
            AccountError: There is no such user.
        """
        if not self._rows("SELECT 1 FROM users WHERE name = ? AND disabled = 0", name):
            raise AccountError(f"There is no user {name}.")
        token, _ = self._open(name, now, KEY_MS, KEY_MS, csrf="")
        return token

    def _open(self, name: str, now: int, lasts: int, idle: int, csrf: str | None = None) -> tuple[str, Person]:
        token = secrets.token_urlsafe(32)
        csrf = secrets.token_urlsafe(24) if csrf is None else csrf
        with self._change() as db:
            db.execute("DELETE FROM sessions WHERE until <= ? OR used + idle <= ?", (now, now))
            row = (_hash(token), name, csrf, now, now, now + lasts, idle)
            db.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return token, Person(name, self._roles(name), csrf)

    def user_of_session(self, token: str, now: int) -> Person | None:
        """Returns the user of a session and updates its last use; None if it has ended or never existed."""
        sql = (
            "SELECT name, csrf, used FROM sessions JOIN users USING (name) "
            "WHERE hash = ? AND until > ? AND used + idle > ? AND disabled = 0"
        )
        found = self._rows(sql, _hash(token), now, now)
        if not found:
            return None
        name, csrf, used = str(found[0][0]), str(found[0][1]), int(str(found[0][2]))
        if now - used >= TOUCH_MS:
            with self._change() as db:
                db.execute("UPDATE sessions SET used = ? WHERE hash = ?", (now, _hash(token)))
        return Person(name, self._roles(name), csrf)

    def sign_out(self, token: str) -> None:
        """Ends a session."""
        with self._change() as db:
            db.execute("DELETE FROM sessions WHERE hash = ?", (_hash(token),))

    def _roles(self, name: str) -> dict[str, Role]:
        rows = self._rows("SELECT ward, role FROM roles WHERE name = ?", name)
        return {str(ward): Role(int(str(role))) for ward, role in rows}


def _hash(token: str) -> str:
    # Tokens are long and random, so a plain hash cannot be brute-forced.
    return hashlib.sha256(token.encode()).hexdigest()


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _named(name: str) -> str:
    if not (2 <= len(name) <= 64 and name.isprintable() and name == name.strip()) or set(name) & set("<>&\"'/\\"):  # noqa: PLR2004 - a name's length
        raise AccountError("A user name has 2 to 64 characters, without quotes, slashes and angle brackets.")
    return name
