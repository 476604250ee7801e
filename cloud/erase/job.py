"""`python -m cloud erase`: a patient leaves lake, warehouse, snapshots and topics; an audit line stays."""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from cloud.erase import erasure_log, erasure_targets
from cloud.erase.erasure_log import Erasure
from cloud.erase.erasure_targets import StillAdmittedError
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Writer
from cloud.lake import BadManifestError, LakeError, MutableStore, open_lake
from cloud.settings import Kafka
from cloud.warehouse import Warehouse, WarehouseError, open_warehouse, prepare
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load, setting
from vitals.wire.topics import TOPICS

LOOK_S: Final = 2.0
UNFINISHED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Erase(Kafka):
    """Settings of `python -m cloud erase`."""

    lake: str = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder")
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    warehouse_iam_role: str = setting("ARN of the role by which Redshift reads the lake", "")
    watch_snapshots: str = setting("where snapshots go: file:///… or s3://bucket/prefix?endpoint_override=…")


@dataclass(frozen=True)
class ErasureTargets:
    """The places that a patient leaves.

    Attributes:
        lake: The lake.
        snapshots: Where `cloud watch` keeps its snapshots.
        warehouse: The warehouse.
        reader: Reads the log.
        writer: Writes the log.
        layout: How patients lie on partitions.
    """

    lake: MutableStore
    snapshots: MutableStore
    warehouse: Warehouse
    reader: Reader
    writer: Writer
    layout: Partitioning


@dataclass(frozen=True)
class Begun:
    """An erasure under way.

    Attributes:
        patient: Patient id.
        erasure: Its audit line.
        until: Where the patient's partitions ended after the tombstone: so far the archive has to come.
    """

    patient: str
    erasure: Erasure
    until: Mapping[Place, int]


def begin(where: ErasureTargets, patient: str, by: str, reason: str, now: int) -> Begun:
    """Begins an erasure, or goes on with one that was interrupted.

    Raises:
        StillAdmittedError: The patient has not been discharged.
        LakeError: The lake cannot be read or written.
        KafkaUnavailableError: The log cannot be read or written.
    """
    told = erasure_targets.tombstone(where.reader, where.writer, where.layout, patient)
    until = erasure_targets.ends(where.reader, where.layout, patient)
    erasure = erasure_log.begun(where.lake, patient, by, reason, now)
    return Begun(patient, _noted(where, erasure, {"tombstones": told}), until)


def erase(where: ErasureTargets, begun: Begun, now: int) -> tuple[Begun, list[str]]:
    """Removes the patient, as far as it can be done now.

    Returns:
        The erasure with its audit line as it stands, and what is left to wait for: nothing when it is finished.

    Raises:
        BadManifestError: A manifest of the lake is damaged.
        LakeError: The lake or the snapshots cannot be read or written.
        WarehouseError: The warehouse refused.
        KafkaUnavailableError: The log cannot be read.
    """
    patient, erasure = begun.patient, begun.erasure
    waiting = behind(where, begun)
    for table, found in erasure_targets.from_lake(where.lake, patient, now):
        counts = {"rows": found.rows, "objects": found.objects, "rejected": found.rejected}
        erasure = _noted(where, erasure, {f"lake {table.name} {what}": n for what, n in counts.items()})
        waiting += [f"{found.waiting} objects of {table.name} are being written"] if found.waiting else []
    for name, rows in _from_warehouse(where, patient):
        erasure = _noted(where, erasure, {f"warehouse {name} rows": rows})
    _, naming = erasure_targets.from_snapshots(where.snapshots, patient)
    waiting += [f"{naming} snapshots of watch name the patient, until 48 h after the discharge"] if naming else []
    before = [e for e in erasure_log.past(where.lake, patient) if e.finished is not None]
    if not waiting and before and not erasure.removed:
        return replace(begun, erasure=before[-1]), []
    if not waiting:
        until = now + max(topic.keep_ms or 0 for topic in TOPICS)
        erasure = msgspec.structs.replace(erasure, finished=now, topics_until=until)
        erasure_log.write(where.lake, erasure)
    return replace(begun, erasure=erasure), waiting


def behind(where: ErasureTargets, begun: Begun) -> list[str]:
    """Returns what the archive has still to read before an erasure can be complete.

    Raises:
        LakeError: The lake cannot be read.
        KafkaUnavailableError: The log cannot be read.
    """
    left = erasure_targets.unarchived(where.lake, where.reader, begun.until)
    return [f"the archive has still to read {n:,} offsets of {topic}" for topic, n in left.items()]


def _noted(where: ErasureTargets, erasure: Erasure, removed: dict[str, int]) -> Erasure:
    found = {what: n for what, n in removed.items() if n}
    if not found:
        return erasure
    erasure = erasure.counting(found)
    erasure_log.write(where.lake, erasure)
    return erasure


def _from_warehouse(where: ErasureTargets, patient: str) -> Iterator[tuple[str, int]]:
    connection = where.warehouse.connect()
    try:
        prepare(where.warehouse, connection)
        yield from erasure_targets.from_warehouse(where.warehouse, connection, patient)
    finally:
        connection.close()


def _erased_within(where: ErasureTargets, begun: Begun, wait_s: float) -> tuple[Begun, list[str]]:
    """Erases once the archive has come far enough, and again while something is left; gives up after `wait_s`."""
    deadline = time.monotonic() + wait_s
    # Each erasure looks through the whole lake: so the archive is waited for first.
    while behind(where, begun) and time.monotonic() < deadline:
        time.sleep(LOOK_S)
    while True:
        begun, waiting = erase(where, begun, now_ms())
        if not waiting or time.monotonic() >= deadline:
            return begun, waiting
        time.sleep(LOOK_S)


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command; 3 when something is left to wait for: run it again then."""
    parser = argparse.ArgumentParser(prog="python -m cloud erase", description=__doc__)
    parser.add_argument("--patient", required=True, help="patient id; the patient must have been discharged")
    parser.add_argument("--by", required=True, help="who asks for it: stands in the audit line")
    parser.add_argument("--reason", default="", help="why: stands in the audit line, so name nobody")
    parser.add_argument("--wait-s", type=float, default=60.0, help="how long to wait for the archive (default: 60)")
    given = parser.parse_args(argv)
    log_json("erase")
    try:
        settings = load(Erase, environ)
        partitions.check(settings)
        where = ErasureTargets(
            open_lake(settings.lake),
            open_lake(settings.watch_snapshots),
            open_warehouse(settings.warehouse, settings.warehouse_iam_role),
            KafkaReader(settings, "erase"),
            KafkaWriter(settings, "erase"),
            settings.layout,
        )
        begun = begin(where, given.patient, given.by, given.reason, now_ms())
        begun, waiting = _erased_within(where, begun, given.wait_s)
    except (SettingsError, ValueError, StillAdmittedError) as error:
        sys.stderr.write(f"erase: {error}\n")
        return 2
    except (BadManifestError, LakeError, WarehouseError, KafkaUnavailableError) as error:
        sys.stderr.write(f"erase: interrupted, run it again: {error}\n")
        return 1
    sys.stdout.write(msgspec.json.encode(begun.erasure).decode() + "\n")
    for what in waiting:
        sys.stderr.write(f"erase: not finished: {what}; run it again then\n")
    return UNFINISHED if waiting else 0
