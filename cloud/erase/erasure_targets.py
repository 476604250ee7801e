"""Targets of an erasure: topics, lake, warehouse, snapshots. Each removal may be repeated at any time."""

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
    """The patient cannot be erased yet; the message contains the necessary step."""


def tombstone(reader: Reader, writer: Writer, layout: Partitioning, patient: str) -> int:
    """Writes the tombstone by which compaction removes the admission; refuses a patient in a bed.

    Returns:
        1 if it was written, 0 if it existed already or the patient was never admitted.

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
    # The patient's messages by ADT, with name, birth date, phone and address.
    writer.write((topics.ADT, 0), patient.encode(), None)
    writer.flush()
    return 1


def ends(reader: Reader, layout: Partitioning, patient: str) -> dict[Place, int]:
    """Returns the present end offsets of the patient's partitions.

    Called once, after the tombstone: later records of other patients need not be awaited.

    Raises:
        KafkaUnavailableError: The log cannot be read.
    """
    return reader.ends([(topic, layout.partition(patient)) for topic in WRITTEN_BY_PATIENT if topic in TABLES])


def unarchived(store: MutableStore, reader: Reader, until: Mapping[Place, int]) -> dict[str, int]:
    """Returns the number of offsets that the archive has still to read, by topic; they would restore the patient.

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
    """Returns whether the offset range holds a record (transaction markers use offsets but are not records).

    Raises:
        KafkaUnavailableError: No record arrived in time.
    """
    reader.assign({place: since})
    deadline = time.monotonic() + READ_S
    while not any(since <= record.offset < until for record in reader.read(0.2)):
        if reader.position(place) >= until:
            return False
        if time.monotonic() > deadline:
            raise KafkaUnavailableError(f"no record of {place[0]}[{place[1]}] arrived for {READ_S} s: is Kafka up?")
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
    """Removes the patient's rows, one table and transaction at a time, in turn with loaders.

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
    """Removes the patient's alarms from the lists of merged alarms in other patients' messages."""
    begins = msgspec.json.encode(f"{patient}.").decode()[:-1]
    # This only finds candidates. In a LIKE pattern, an id's % and _ would be wildcards, and a backslash an escape.
    cursor.execute(f"SELECT DISTINCT merged FROM {table.name} WHERE strpos(merged, {literal(begins)}) > 0")  # noqa: S608 - quoted
    for (text,) in cursor.fetchall():
        left = [alarm for alarm in msgspec.json.decode(text) if not str(alarm).startswith(f"{patient}.")]
        kept = literal(msgspec.json.encode(left).decode())
        cursor.execute(f"UPDATE {table.name} SET merged = {kept} WHERE merged = {literal(text)}")  # noqa: S608 - quoted


def from_snapshots(store: MutableStore, patient: str) -> tuple[int, int]:
    """Removes older versions of the snapshots of `cloud watch`.

    Returns:
        Number of snapshots, and number of those that still contain the patient: `watch` rewrites snapshots within a
            minute, without the patient 48 hours after the discharge.

    Raises:
        LakeError: They cannot be read.
    """
    names = [name for name in store.names("") if name.endswith(".snapshot")]
    for name in names:
        store.forget(name)
    needle = _packed(patient)
    return len(names), sum(needle in store.get(name) for name in names)


def _packed(text: str) -> bytes:
    """Encodes a text as in a snapshot, which is MessagePack within MessagePack."""
    return msgspec.msgpack.encode(text)
