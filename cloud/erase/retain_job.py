"""`python -m cloud retain`: removes data older than its retention from lake and warehouse."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloud.lake import BadManifestError, LakeError, MutableStore, open_lake
from cloud.lake.compact import MOST_GROUPS, next_number, supersede
from cloud.lake.manifests import Object
from cloud.lake.read import live
from cloud.lake.schema import PATIENTS, TABLES, Table
from cloud.warehouse import Warehouse, WarehouseError, open_warehouse, prepare
from cloud.warehouse.loader import delete, transaction
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load, setting


@dataclass(frozen=True, kw_only=True)
class Retain:
    """Settings of `python -m cloud retain`."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    warehouse_iam_role: str = setting("ARN of the role by which Redshift reads the lake", "")
    lake_keep_days: float = setting("days for which the lake keeps archived data; 0 keeps it for ever", 0.0)
    warehouse_keep_days: float = setting("days for which the warehouse keeps rows; 0 keeps them for ever", 0.0)

    def __post_init__(self) -> None:
        if min(self.lake_keep_days, self.warehouse_keep_days) < 0:
            raise ValueError("LAKE_KEEP_DAYS and WAREHOUSE_KEEP_DAYS must not be negative")


def expire_lake(store: MutableStore, table: Table, before: int, now: int) -> int:
    """Removes objects of manifests that are older as a whole, with every version.

    Manifests stay: the archive resumes from the newest, and they contain no patient id. Admissions stay until the
    patient is erased: they are needed to interpret all other data.

    Args:
        store: The lake.
        table: The table.
        before: Log time, UTC epoch ms.
        now: UTC epoch ms.

    Returns:
        Rows removed.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read or written.
    """
    if table is PATIENTS:
        return 0
    removed = 0
    for _ in range(MOST_GROUPS):
        # Looked at before each commit: a concurrent erasure replaces manifests but keeps their other objects.
        number = next_number(store, table.topic)
        old = [
            (name, m) for name, m in live(store, table.topic) if m.objects and all(_older(o, before) for o in m.objects)
        ]
        if not old:
            break
        same = [(name, m) for name, m in old if m.columns == old[0][1].columns]
        if supersede(store, number, same, [], now_ms=now):
            removed += sum(m.rows for _, m in same)
            for held in (o for _, m in same for o in m.objects):
                store.remove(held.name)
    return removed


def _older(held: Object, before: int) -> bool:
    return held.log_t is not None and held.log_t[1] < before


def expire_warehouse(warehouse: Warehouse, connection: Any, before: int) -> dict[str, int]:  # noqa: ANN401 - DB-API
    """Deletes rows with an older event time, and admissions that ended before.

    Args:
        warehouse: The warehouse.
        connection: One of its connections.
        before: UTC epoch ms.

    Returns:
        Rows deleted, by table.

    Raises:
        WarehouseError: A statement was refused.
    """
    horizon = f"{datetime.fromtimestamp(before / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    counts = {}
    for topic, table in TABLES.items():
        clock = "valid_to" if table is PATIENTS else "t"
        with transaction(warehouse, connection) as cursor:
            warehouse.lock(cursor, topic)
            older = f"{clock} < CAST(CAST(? AS varchar) AS timestamp)"
            counts[table.name] = delete(warehouse, cursor, table.name, older, horizon)
    return counts


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; meant for a daily timer."""
    argparse.ArgumentParser(prog="python -m cloud retain", description=__doc__).parse_args(argv)
    log_json("retain")
    now = now_ms()
    try:
        settings = load(Retain, environ)
        if settings.lake_keep_days:
            store, before = open_lake(settings.lake), _before(now, settings.lake_keep_days)
            for table in TABLES.values():
                sys.stdout.write(f"lake {table.name}: {expire_lake(store, table, before, now):,} rows removed\n")
        if settings.warehouse_keep_days:
            warehouse = open_warehouse(settings.warehouse, settings.warehouse_iam_role)
            connection = warehouse.connect()
            prepare(warehouse, connection)
            for name, n in expire_warehouse(warehouse, connection, _before(now, settings.warehouse_keep_days)).items():
                sys.stdout.write(f"warehouse {name}: {n:,} rows deleted\n")
            connection.close()
    except (SettingsError, ValueError) as error:
        sys.stderr.write(f"retain: {error}\n")
        return 2
    except (BadManifestError, LakeError, WarehouseError) as error:
        sys.stderr.write(f"retain: interrupted, run it again: {error}\n")
        return 1
    return 0


def _before(now: int, days: float) -> int:
    return now - int(timedelta(days=days).total_seconds() * 1000)
