"""The warehouse's SQL: one file a table or view, the same for PostgreSQL and Redshift.

What only one of them takes stands in a comment that bears its name, `/*redshift DISTKEY (patient) */`, and is uncovered
for it; `{sign_columns}` and `{signs}` are filled in from `vitals.signs`, so that a new sign needs no edit here.
"""

import re
from collections.abc import Iterable
from importlib.resources import files
from typing import Final

from vitals.signs import FIELDS

POSTGRESQL: Final = "postgresql"
REDSHIFT: Final = "redshift"
TABLES: Final = ("vitals", "alarms", "notifications", "patients", "load_log")
VIEWS: Final = (
    "ward_census",
    "latest_vitals",
    "readings_per_hour",
    "alarms_per_hour",
    "alarm_timeline",
    "delivery_latency",
)
_COMMENT: Final = re.compile(r"--[^\n]*")


def statements(name: str, dialect: str) -> list[str]:
    """Returns the statements of one SQL file, as one dialect takes them.

    Args:
        name: The file below `sql/`, such as "tables/vitals".
        dialect: POSTGRESQL or REDSHIFT.
    """
    text = (files(__package__) / "sql" / f"{name}.sql").read_text()
    text = text.replace("{sign_columns}", ",\n    ".join(f"{f} double precision" for f in FIELDS))
    text = text.replace("{signs}", ",\n    ".join(FIELDS))
    text = re.sub(rf"/\*{dialect} (.*?)\*/", r"\1", text, flags=re.DOTALL)
    text = _COMMENT.sub("", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    return [statement.strip() for statement in text.split(";") if statement.strip()]


def create_tables(dialect: str) -> list[str]:
    """Returns the statements that make every table that is not there."""
    return [s for table in TABLES for s in statements(f"tables/{table}", dialect)]


def add_signs(present: Iterable[str]) -> list[str]:
    """Returns the statements that add a column to `vitals` for each sign that has none yet."""
    have = set(present)
    return [f"ALTER TABLE vitals ADD COLUMN {field} double precision" for field in FIELDS if field not in have]


def create_views(dialect: str) -> list[str]:
    """Returns the statements that make every view, or bring it up to date."""
    return [s for view in VIEWS for s in statements(f"views/{view}", dialect)]


def literal(value: str | int) -> str:
    """Returns an SQL literal: the two drivers agree on no placeholder."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def columns(names: Iterable[str]) -> str:
    """Returns a list of quoted column names."""
    return ", ".join(f'"{name}"' for name in names)
