"""Erasure: removes a patient's rows from the lake, with every version of every object that contained them.

For `cloud erase`, table by table::

    while (found := erase(store, table, patient, now_ms=now_ms(), run=secrets.token_hex(4))).waiting:
        ...  # objects that the archive or a compaction is writing at this moment: try again

Each manifest is replaced by one with objects that lack the rows (`cloud.lake.compact.supersede`), then the former
objects are removed at once. An active reader gets `LakeError` and calls `cloud.lake.read.objects` again; a late loader
calls `cloud.lake.read.current`. After a crash in between, the next run finds and removes the rest.

Records that the archive has not read yet would restore the patient, so the archive must catch up first.
"""

import re
from dataclasses import dataclass

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cloud.lake.compact import MOST_GROUPS, Held, is_past, next_number, supersede, write
from cloud.lake.manifests import COMPACTION, Manifest, last_manifest, manifest_names, read_manifest
from cloud.lake.parquet import from_parquet
from cloud.lake.read import live, read
from cloud.lake.schema import Table
from cloud.lake.store import MutableStore
from vitals.status import Rejected


@dataclass(frozen=True, slots=True)
class Erased:
    """Result of an erasure.

    Attributes:
        rows: Rows removed.
        objects: Objects removed with all their versions.
        rejected: Rejected records removed, because they contained the patient's id.
        waiting: Objects with the patient that are being written at this moment: run it again.
    """

    rows: int
    objects: int
    rejected: int
    waiting: int


def erase(store: MutableStore, table: Table, patient: str, *, now_ms: int, run: str) -> Erased:
    """Removes a patient from one table of the lake.

    Args:
        store: The lake; in a bucket with versions it needs s3:ListBucketVersions and s3:DeleteObjectVersion.
        table: The table.
        patient: Patient id.
        now_ms: UTC epoch ms.
        run: Hexadecimal digits unique to this run, part of its objects' names.

    Raises:
        BadManifestError: A manifest is damaged.
        LakeError: The lake cannot be read or written; run it again.
    """
    if not _columns(table):
        return Erased(0, 0, _rejections(store, table, patient), 0)
    rows = objects = 0
    clean: set[str] = set()
    for _ in range(MOST_GROUPS):
        number = next_number(store, table.topic)
        found = _first_with(store, table, patient, clean)
        if found is None:
            break
        name, manifest = found
        made = [_without(store, table, manifest, pair, patient, f"c{number}-{run}") for pair in _pairs(manifest)]
        kept = [pair for pair in made if pair is not None]
        if supersede(store, number, [(name, manifest)], kept, now_ms=now_ms):
            rows += manifest.rows - sum(o.rows for o, _ in kept)
            for gone in {o.name for o in manifest.objects} - {o.name for o, _ in kept}:
                store.remove(gone)
                objects += 1
    past, waiting = _leftovers(store, table, patient)
    return Erased(rows, objects + past, _rejections(store, table, patient), waiting)


def _pairs(manifest: Manifest) -> list[Held]:
    return list(zip(manifest.objects, manifest.entries, strict=True))


def _first_with(store: MutableStore, table: Table, patient: str, clean: set[str]) -> tuple[str, Manifest] | None:
    """Returns the first manifest with rows of the patient; manifests without any are added to `clean`."""
    for name, manifest in live(store, table.topic):
        if name not in clean and any(
            _theirs(read(store, o, table, _columns(table)), table, patient).any() for o in manifest.objects
        ):
            return name, manifest
        clean.add(name)
    return None


def _columns(table: Table) -> list[str]:
    return [*table.patient_columns, *table.text_columns, *({"merged"} & set(table.names))]


def _theirs(rows: pa.Table, table: Table, patient: str) -> NDArray[np.bool_]:
    """Returns (n,) whether a row is the patient's, names them in a text, or lists a merged alarm of theirs."""
    found = np.zeros(len(rows), dtype=bool)
    for name in table.patient_columns:
        if name in rows.column_names:
            found |= pc.fill_null(pc.equal(rows.column(name), patient), False).to_numpy()
    for name in table.text_columns:
        may = pc.fill_null(pc.match_substring(rows.column(name), patient), False).to_numpy()
        texts = rows.column(name).filter(pa.array(may)).to_pylist()
        found[may] |= np.array([names_patient(text, patient) for text in texts], dtype=bool)
    if "merged" in rows.column_names:
        found |= pc.fill_null(pc.match_substring(rows.column("merged"), _alarm_of(patient)), False).to_numpy()
    return found


def names_patient(text: str, patient: str) -> bool:
    """Returns whether a text contains a patient id as a whole word.

    Letters, digits, `_` and `-` continue a word: `p-10` does not contain `p-1`; `p-1.hr.7`, the patient's alarm, does.
    The letter of a JSON escape, as in a new line, is no part of a word.
    """
    return re.search(rf"(?:(?<![\w-])|(?<=\\[bfnrt])){re.escape(patient)}(?![\w-])", text) is not None


def _alarm_of(patient: str) -> str:
    """Returns the beginning of a patient's alarm id in a JSON list."""
    return msgspec.json.encode(f"{patient}.").decode()[:-1]


def _without(  # noqa: PLR0917 - one object's rewriting
    store: MutableStore, table: Table, manifest: Manifest, pair: Held, patient: str, ending: str
) -> Held | None:
    """Returns the object itself if the patient is not in it, else its replacement, None if no row is left."""
    rows = read(store, pair[0], table, manifest.columns)
    theirs = _theirs(rows, table, patient)
    if not theirs.any():
        return pair
    left = _unnamed(rows, patient)
    left = left.filter(~_theirs(left, table, patient))
    return write(store, table, left, (pair[0], pair[0]), ending) if len(left) else None


def _unnamed(rows: pa.Table, patient: str) -> pa.Table:
    """Removes the patient's alarms from the lists of merged alarms in other patients' messages."""
    if "merged" not in rows.column_names:
        return rows
    lists = (msgspec.json.decode(text) if text else None for text in rows.column("merged").to_pylist())
    kept = [None if ids is None else [i for i in ids if not str(i).startswith(f"{patient}.")] for ids in lists]
    texts = [None if ids is None else msgspec.json.encode(ids).decode() for ids in kept]
    at = rows.column_names.index("merged")
    return rows.set_column(at, rows.schema.field(at), pa.array(texts, pa.string()))


def _leftovers(store: MutableStore, table: Table, patient: str) -> tuple[int, int]:
    """Removes leftovers of compactions and crashes with the patient; returns counts of removed and waiting objects."""
    listed = [name for name in store.names(table.topic) if name.endswith(".parquet")]
    last = last_manifest(store, table.topic)
    archived, newest = last.next if last else {}, next_number(store, table.topic) - 1
    held = {o.name for _, manifest in live(store, table.topic) for o in manifest.objects}
    compactions = manifest_names(store, table.topic, COMPACTION)
    obsolete = {name for m in compactions for name in read_manifest(store, m).obsolete}
    removed = waiting = 0
    for name in listed:
        if name in held or not _theirs(from_parquet(store.get(name), _columns(table)), table, patient).any():
            continue
        if name in obsolete or is_past(name, archived, newest):
            store.remove(name)
            removed += 1
        else:
            waiting += 1
    return removed, waiting


def _rejections(store: MutableStore, table: Table, patient: str) -> int:
    """Removes rejected records that contain the patient's id."""
    dropped = 0
    for name in store.names(f"rejected/{table.topic}"):
        lines = store.get(name).splitlines(keepends=True)
        payloads = [msgspec.json.decode(line, type=Rejected).payload.decode(errors="replace") for line in lines]
        kept = [line for line, text in zip(lines, payloads, strict=True) if not names_patient(text, patient)]
        if len(kept) < len(lines):
            store.put(name, b"".join(kept))
            store.forget(name)
            dropped += len(lines) - len(kept)
    return dropped
