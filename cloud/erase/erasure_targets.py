"""The places that a patient leaves: topics, lake, warehouse, snapshots. Each removal may be run again at any time."""

import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError, Place, Reader, Writer, read_to_end
from cloud.lake import MutableStore
from cloud.lake.erase import Erased, erase
from cloud.lake.manifests import last_manifest
from cloud.lake.schema import TABLES, Table
from cloud.warehouse import Warehouse
from cloud.warehouse.ddl import literal
from cloud.warehouse.loader import transaction
from vitals.admissions import Admission
from vitals.wire import topics

WRITTEN_BY_PATIENT = (topics.SCORED, topics.ALARMS, topics.ACTIONS, topics.PATIENTS, topics.NOTIFICATIONS)
READ_S: Final = 60.0


class StillAdmittedError(RuntimeError):
    """The patient cannot be erased yet; the message says what has to happen first."""


def tombstone(reader: Reader, writer: Writer, layout: Partitioning, patient: str) -> int:
    """Writes the tombstone by which compaction removes the admission; a patient in a bed is refused.

    Returns:
        1 when it was written, 0 when it was there already or the patient was never admitted.

    Raises:
        StillAdmittedError: The patient has not been discharged.
        KafkaUnavailableError: The log cannot be read or written.
    """
    place = (topics.PATIENTS, layout.partition(patient))
    mine = [r.value for r in read_to_end(reader, {place: 0}) if r.key == patient.encode()]
    if not mine or mine[-1] is None:
        return 0
    admission = msgspec.json.decode(mine[-1], type=Admission)
    if admission.discharged is None:
        raise StillAdmittedError(f"the patient is in bed {admission.bed}: run python -m cloud discharge first")
    writer.write(place, patient.encode(), None)
    writer.flush()
    return 1


def ends(reader: Reader, layout: Partitioning, patient: str) -> dict[Place, int]:
    """Returns where the partitions that hold the patient end now.

    Asked once, after the tombstone: what others write there afterwards is nothing to wait for.

    Raises:
        KafkaUnavailableError: The log cannot be read.
    """
    return reader.ends([(topic, layout.partition(patient)) for topic in WRITTEN_BY_PATIENT if topic in TABLES])


def unarchived(store: MutableStore, reader: Reader, until: Mapping[Place, int]) -> dict[str, int]:
    """Returns how many offsets the archive has still to pass, by topic; what it reads after an erasure would come back.

    Args:
        store: The lake.
        reader: Reads the log.
        until: From `ends`.

    Raises:
        LakeError: The lake cannot be read.
        KafkaUnavailableError: The log cannot be read.
    """
    behind = {}
    for (topic, partition), end in until.items():
        newest = last_manifest(store, topic)
        read = 0 if newest is None else newest.next.get(partition, 0)
        if end > read and _holds(reader, (topic, partition), read, end):
            behind[topic] = end - read
    return behind


def _holds(reader: Reader, place: Place, since: int, until: int) -> bool:
    """Whether any record stands in a range of offsets: the ends of transactions take offsets and are none.

    Raises:
        KafkaUnavailableError: The log gives nothing.
    """
    reader.assign({place: since})
    deadline = time.monotonic() + READ_S
    while not any(since <= record.offset < until for record in reader.read(0.2)):
        if reader.position(place) >= until:
            return False
        if time.monotonic() > deadline:
            raise KafkaUnavailableError(f"reading {place[0]}[{place[1]}] gave nothing for {READ_S} s: is Kafka up?")
    return True


def from_lake(store: MutableStore, patient: str, now: int) -> Iterator[tuple[Table, Erased]]:
    """Removes the patient from the lake, table by table, with every version of every object.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read or written.
    """
    for table in TABLES.values():
        yield table, erase(store, table, patient, now_ms=now, run=secrets.token_hex(4))


def from_warehouse(warehouse: Warehouse, connection: Any, patient: str) -> Iterator[tuple[str, int]]:  # noqa: ANN401 - DB-API
    """Removes the patient's rows, a table and transaction at a time, in turn with loaders.

    Raises:
        WarehouseError: A statement was refused.
    """
    who = literal(patient)
    for topic, table in TABLES.items():
        spoken_of = (f"strpos({name}, {who}) > 0" for name in table.text_columns)
        theirs = " OR ".join((*(f"{name} = {who}" for name in table.patient_columns), *spoken_of))
        if not theirs:
            continue
        with transaction(warehouse, connection) as cursor:
            cursor.execute(warehouse.lock(topic))
            cursor.execute(f"DELETE FROM {table.name} WHERE {theirs}")  # noqa: S608 - quoted
            count = int(cursor.rowcount)
            if "merged" in table.names:
                _unmerge(cursor, table, patient)
        yield table.name, count


def _unmerge(cursor: Any, table: Table, patient: str) -> None:  # noqa: ANN401 - see above
    """Takes the patient's alarms out of the lists of what was merged into other patients' messages."""
    begins = msgspec.json.encode(f"{patient}.").decode()[:-1]
    # This only finds candidates. In a pattern an id's own % and _ would stand for anything, a backslash for nothing.
    cursor.execute(f"SELECT DISTINCT merged FROM {table.name} WHERE strpos(merged, {literal(begins)}) > 0")  # noqa: S608 - quoted
    for (text,) in cursor.fetchall():
        left = [alarm for alarm in msgspec.json.decode(text) if not str(alarm).startswith(f"{patient}.")]
        kept = literal(msgspec.json.encode(left).decode())
        cursor.execute(f"UPDATE {table.name} SET merged = {kept} WHERE merged = {literal(text)}")  # noqa: S608 - quoted


def from_snapshots(store: MutableStore, patient: str) -> tuple[int, int]:
    """Removes older versions of the snapshots of `cloud watch`.

    Returns:
        How many snapshots were looked at, and how many of them name the patient still: `watch` writes those anew within
        a minute, without the patient 48 hours after the discharge.

    Raises:
        LakeError: They cannot be read.
    """
    names = [name for name in store.names("") if name.endswith(".snapshot")]
    for name in names:
        store.forget(name)
    needle = _packed(patient)
    return len(names), sum(needle in store.get(name) for name in names)


def _packed(text: str) -> bytes:
    """How a snapshot, MessagePack within MessagePack, spells a text."""
    return msgspec.msgpack.encode(text)
