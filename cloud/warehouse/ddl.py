"""The warehouse's SQL: one file per table or view, the same for PostgreSQL and Redshift.

SQL for one dialect is in a comment with its name, `/*redshift DISTKEY (patient) */`, and is uncommented for it. `{each:
…}` is repeated for every sign of `vitals.signs`, so that a new one needs no edit here: SIGN is its field, CODE the
place value of its four bits in `suspect`.
"""

import hashlib
import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from vitals.signs import FIELDS, SUSPECT_BITS

POSTGRESQL: Final = "postgresql"
REDSHIFT: Final = "redshift"
TABLES: Final = (
    "vitals",
    "alarms",
    "notifications",
    "patients",
    "actions",
    "status",
    "refused",
    "load_log",
    "schema_log",
)
VIEWS: Final = (
    "bed_history",
    "ward_census",
    "vitals_last_24h",
    "latest_vitals",
    "vitals_extremes",
    "readings_per_hour",
    "data_completeness",
    "devices_last_seen",
    "gateways_last_seen",
    "fleet_state",
    "fleet_hourly",
    "refusals_hourly",
    "alarm_timeline",
    "incidents",
    "alarms_per_hour",
    "alarms_per_bed_day",
    "acknowledgement_times",
    "top_causes",
    "alert_counts",
    "latest_alerts",
    "delivery_latency",
    "canary_availability",
    "news2_hourly",
    "news2_distribution",
    "loads",
    "call_steps",
    "not_actionable_marks",
    "call_answers",
    "answers_per_day",
    "messages_to_people",
    "messages_unsent",
    "message_reach",
    "message_latency",
    "messages_per_hour",
    "message_floods",
)
"""Ordered so that each view follows those that it reads."""
_COMMENT: Final = re.compile(r"--[^\n]*")
_EACH: Final = re.compile(r"\{each: (.*?)\}", re.DOTALL)
_KEY: Final = re.compile(r"PRIMARY KEY \((.*?)\)")
_COLUMN: Final = re.compile(r"^ {4}(\w+) (varchar\(\d+\)|bigint|timestamp|double precision|boolean)", re.MULTILINE)


def statements(name: str, dialect: str) -> list[str]:
    """Returns the statements of one SQL file in one dialect.

    Args:
        name: The file below `sql/`, such as "tables/vitals".
        dialect: POSTGRESQL or REDSHIFT.
    """
    text = (files(__package__) / "sql" / f"{name}.sql").read_text()
    text = re.sub(rf"/\*{dialect} (.*?)\*/", r"\1", text, flags=re.DOTALL)
    text = _COMMENT.sub("", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    return [statement.strip() for statement in each_sign(text).split(";") if statement.strip()]


def each_sign(text: str) -> str:
    """Returns SQL with each `{each: …}` expanded for every sign."""
    return _EACH.sub(lambda match: ",\n    ".join(_of_sign(match[1], k) for k in range(len(FIELDS))), text)


def _of_sign(text: str, place: int) -> str:
    code = str(1 << (SUSPECT_BITS * place))
    return text.replace("SIGN", FIELDS[place]).replace("CODE", code)


def create_tables(dialect: str) -> list[str]:
    """Returns the statements that create missing tables."""
    return [s for table in TABLES for s in statements(f"tables/{table}", dialect)]


def columns_of(table: str, dialect: str) -> dict[str, str]:
    """Returns a table's columns and their types, in order."""
    return dict(_COLUMN.findall(statements(f"tables/{table}", dialect)[0]))


def add_columns(table: str, present: Iterable[str], dialect: str) -> list[str]:
    """Returns the statements that add columns missing from a table of an earlier version, such as a new sign's."""
    have = set(present)
    wanted = columns_of(table, dialect).items()
    return [f"ALTER TABLE {table} ADD COLUMN {name} {kind}" for name, kind in wanted if name not in have]


def change_key(table: str, present: Iterable[str]) -> list[str]:
    """Returns the statement that changes PostgreSQL's primary key if an earlier version had another.

    Redshift enforces no key, so loading there compares identities itself.
    """
    found = _KEY.search(statements(f"tables/{table}", POSTGRESQL)[0])
    if found is None or found[1].split(", ") == list(present):
        return []
    return [f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {table}_pkey, ADD PRIMARY KEY ({found[1]})"]


def drop_views() -> list[str]:
    """Returns the statements that remove every view: neither warehouse can replace a view's columns freely."""
    return [f"DROP VIEW IF EXISTS {view}" for view in reversed(VIEWS)]


def create_views(dialect: str) -> list[str]:
    """Returns the statements that create every view."""
    return [s for view in VIEWS for s in statements(f"views/{view}", dialect)]


def digest(dialect: str) -> str:
    """Returns a digest of this version of tables and views; a changed list of signs changes it too."""
    told = "\n".join((*create_tables(dialect), *create_views(dialect)))
    return hashlib.sha256(told.encode()).hexdigest()


def literal(value: str | int) -> str:
    """Returns an SQL literal: the two drivers have no placeholder in common.

    Redshift treats a backslash before a quote as its escape, PostgreSQL as itself: so backslashes are kept out of
    quotes.
    """
    if isinstance(value, int):
        return str(value)
    first, *others = ("'" + part.replace("'", "''") + "'" for part in value.split("\\"))
    return f"({' || CHR(92) || '.join((first, *others))})" if others else first


def columns(names: Iterable[str]) -> str:
    """Returns a list of quoted column names."""
    return ", ".join(f'"{name}"' for name in names)
