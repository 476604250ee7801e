"""Tables of lake and warehouse: their columns, in order, with the names that both use.

Columns are append-only: Redshift matches those of a Parquet object by position, and a manifest lists the columns of its
objects. Names avoid Redshift's reserved words.
"""

from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from vitals.signs import SIGNS
from vitals.wire import topics

TEXT, INTEGER, NUMBER, TIME, FLAG, JSON = "text", "integer", "number", "time", "flag", "json"
_ARROW: Final = {
    TEXT: pa.string(),
    INTEGER: pa.int64(),
    NUMBER: pa.float64(),
    # Written as INT64 microseconds, UTC.
    TIME: pa.timestamp("us", tz="UTC"),
    FLAG: pa.bool_(),
    JSON: pa.string(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Its name in lake and warehouse.
        kind: TEXT, INTEGER, NUMBER, TIME (UTC; from epoch ms), FLAG, or JSON (text).
        field: Name in the Kafka record, if it differs.
    """

    name: str
    kind: str
    field: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _ARROW or not self.name.isidentifier():
            raise ValueError(f"column {self.name!r} of kind {self.kind!r}")


@dataclass(frozen=True, slots=True)
class Table:
    """One topic's table.

    Attributes:
        name: Table in the warehouse.
        topic: Kafka topic, and folder in the lake.
        identity: Columns that identify a row; a row with a known identity is not loaded again.
        order: Columns by which an object's rows are sorted.
        columns: All columns, in order.
    """

    name: str
    topic: str
    identity: tuple[str, ...]
    order: tuple[str, ...]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = {column.name for column in self.columns}
        if len(names) != len(self.columns) or not names.issuperset((*self.identity, *self.order)):
            raise ValueError(f"table {self.name}: columns repeat, or identity and order name others")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def patient_columns(self) -> tuple[str, ...]:
        """Names of the columns with a patient's id; none if rows are only about machines."""
        return tuple(name for name in ("patient", "subject") if name in self.names)

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Names of the text columns that may contain a patient's id."""
        return tuple(name for name in ("reason",) if name in self.names)

    def schema(self) -> pa.Schema:
        """Returns the Arrow schema of its objects."""
        return pa.schema([(column.name, _ARROW[column.kind]) for column in self.columns])


def _columns(kinds: dict[str, str]) -> tuple[Column, ...]:
    """Builds columns from lists of names by kind, as `name` or `name=field`."""
    return tuple(
        Column(n, kind, f or n)
        for names, kind in kinds.items()
        for n, _, f in (w.partition("=") for w in names.split())
    )


_SOURCE: Final = {"source_partition source_offset": INTEGER}
VITALS: Final = Table(
    "vitals",
    topics.SCORED,
    ("device", "boot", "seq"),
    ("patient", "t"),
    _columns(
        {
            "patient device gateway ward bed": TEXT,
            "boot seq": INTEGER,
            "t t_gw log_t": TIME,
            "roster suspect": INTEGER,
            "limits": TEXT,
            "limit_set": JSON,
            "breach news2 source_partition source_offset": INTEGER,
            # Last, so that a new sign appends a column.
            " ".join(sign.field for sign in SIGNS): NUMBER,
        }
    ),
)
ALARMS: Final = Table(
    "alarms",
    topics.ALARMS,
    ("id", "n"),
    ("subject", "t"),
    _columns(
        {
            "id": TEXT,
            "n": INTEGER,
            "subject condition kind": TEXT,
            "priority": INTEGER,
            "phase state inactivation": TEXT,
            "started=start t log_t": TIME,
            "message=text": TEXT,
            "value crossed=limit": NUMBER,
            "patient ward bed device gateway": TEXT,
            "boot seq handover": INTEGER,
            "acted_by=by": TEXT,
        }
        | _SOURCE
        | {"paused_until_ms=paused_until": INTEGER, "recent": JSON}
        # Not `reason`: that is free text, which an erasure searches for a patient's id.
        | {"incident call call_reason=reason": TEXT, "problems": JSON, "side raised_ms=raised": INTEGER}
        | {"coming": TEXT, "held_until_ms=held_until": INTEGER, "declined": JSON}
    ),
)
NOTIFICATIONS: Final = Table(
    "notifications",
    topics.NOTIFICATIONS,
    # A failure and the message that followed it are two rows, and so is each later state of a message.
    ("alarm", "n", "contact", "accepted", "handover"),
    ("patient", "t"),
    _columns(
        {
            "alarm": TEXT,
            "n": INTEGER,
            "patient contact": TEXT,
            "handover": INTEGER,
            "channels": JSON,
            "sns": TEXT,
            "t accepted": TIME,
            "sms": TEXT,
            "merged": JSON,
            "error": TEXT,
        }
        | _SOURCE
        | {"state": TEXT, "queued": TIME, "priority": INTEGER, "ward": TEXT, "kind": TEXT, "recipients": JSON}
    ),
)
PATIENTS: Final = Table(
    "patients",
    topics.PATIENTS,
    ("patient", "version"),
    ("patient", "version"),
    _columns(
        {
            "patient": TEXT,
            "version": INTEGER,
            "name born phone address ward bed gateway": TEXT,
            "devices": JSON,
            "since": TIME,
            "cadence_s cuff_s": NUMBER,
            "profile": TEXT,
            "overrides": JSON,
            "scale2 oxygen canary": FLAG,
            "discharged log_t": TIME,
        }
        | _SOURCE
        | {"news2": FLAG}
    ),
)
ACTIONS: Final = Table(
    "actions",
    topics.ACTIONS,
    ("id",),
    ("patient", "t"),
    _columns(
        {
            "id act patient": TEXT,
            "t": TIME,
            "acted_by=by alarm": TEXT,
            "pause_s": INTEGER,
            "oxygen": FLAG,
            "consciousness": TEXT,
            "log_t": TIME,
        }
        | _SOURCE
        | {"incident": TEXT, "shown_ms=shown": INTEGER, "bed": TEXT}
    ),
)
STATUS: Final = Table(
    "status",
    topics.STATUS,
    ("id", "log_t"),
    ("id", "log_t"),
    _columns(
        {
            "id kind health": TEXT,
            "t log_t": TIME,
            "version outbox": TEXT,
            "backlog backlog_bytes": INTEGER,
            "backlog_since": TIME,
            "accepted rejected": INTEGER,
            "clock_synchronised": FLAG,
            "devices": INTEGER,
            "unheard": JSON,
            "offset_device": TEXT,
            "offset_ms alarms": INTEGER,
            "slots": JSON,
        }
        | _SOURCE
    ),
)
REFUSED: Final = Table(
    "refused",
    topics.REJECTED,
    ("source_partition", "source_offset"),
    ("reported_by", "t"),
    _columns(
        {"reported_by=key place=topic reason": TEXT, "t log_t": TIME, "readings payload_bytes": INTEGER} | _SOURCE
    ),
)
_ALL: Final = (VITALS, ALARMS, NOTIFICATIONS, PATIENTS, ACTIONS, STATUS, REFUSED)
TABLES: Final[dict[str, Table]] = {table.topic: table for table in _ALL}
"""By topic."""
