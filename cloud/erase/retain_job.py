"""`python -m cloud retain`: what is older than it is to be kept leaves lake and warehouse."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cloud.lake import BadManifestError, LakeError, MutableStore, open_lake
from cloud.lake.compact import next_number, supersede
from cloud.lake.manifests import Object
from cloud.lake.read import live
from cloud.lake.schema import PATIENTS, TABLES, Table
from cloud.warehouse import Warehouse, WarehouseError, open_warehouse, prepare
from cloud.warehouse.loader import transaction
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load, setting


@dataclass(frozen=True, kw_only=True)
class Retain:
    """Settings of `python -m cloud retain`."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    warehouse_iam_role: str = setting("ARN of the role by which Redshift reads the lake", "")
    lake_keep_days: float = setting("days for which the lake keeps what was archived; 0 keeps it for ever", 0.0)
    warehouse_keep_days: float = setting("days for which the warehouse keeps rows; 0 keeps them for ever", 0.0)

    def __post_init__(self) -> None:
        if min(self.lake_keep_days, self.warehouse_keep_days) < 0:
            raise ValueError("LAKE_KEEP_DAYS and WAREHOUSE_KEEP_DAYS must not be negative")


def expire_lake(store: MutableStore, table: Table, before: int, now: int) -> int:
    """Removes a table's manifests' objects that are older as a whole, with every version.

    Manifests stay, of which the newest tells the archive where to go on; they name no patient. Admissions stay until
    the patient is erased: who was in a bed is needed to read everything else.

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
    number = next_number(store, table.topic)
    old = [(name, m) for name, m in live(store, table.topic) if m.objects and all(_older(o, before) for o in m.objects)]
    removed = 0
    for name, manifest in old:
        if supersede(store, number, [(name, manifest)], [], now_ms=now):
            removed += manifest.rows
            for held in manifest.objects:
                store.remove(held.name)
        number += 1
    return removed


def _older(held: Object, before: int) -> bool:
    return held.log_t is not None and held.log_t[1] < before


def expire_warehouse(warehouse: Warehouse, connection: Any, before: int) -> dict[str, int]:  # noqa: ANN401 - DB-API
    """Deletes rows whose event time is older; admissions that are over as well.

    Args:
        warehouse: The warehouse.
        connection: One of its connections.
        before: UTC epoch ms.

    Returns:
        Rows deleted, by table.

    Raises:
        WarehouseError: A statement was refused.
    """
    horizon = f"timestamp '{datetime.fromtimestamp(before / 1000, UTC):%Y-%m-%d %H:%M:%S}'"
    counts = {}
    for topic, table in TABLES.items():
        clock = "valid_to" if table is PATIENTS else "t"
        with transaction(warehouse, connection) as cursor:
            cursor.execute(warehouse.lock(topic))
            cursor.execute(f"DELETE FROM {table.name} WHERE {clock} < {horizon}")  # noqa: S608 - our own names
            counts[table.name] = int(cursor.rowcount)
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
