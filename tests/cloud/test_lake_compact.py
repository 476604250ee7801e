"""Compaction and erasure beside readers, the archive and each other; the same for a directory and for S3."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.erase.retain_job import expire_lake
from cloud.lake import LakeError, MutableStore, open_lake
from cloud.lake.compact import compact, sweep
from cloud.lake.compact_job import Settings, compact_all
from cloud.lake.erase import Erased, erase
from cloud.lake.manifests import COMPACTION, Object, manifest_names, read_manifest
from cloud.lake.read import current, live, objects, read, scan
from cloud.lake.schema import NOTIFICATIONS, REFUSED, TABLES, VITALS, Table
from infra.demo.fault_proxy import Relay
from tests.cloud.lake_rows import DAY, KEEP, LARGE, TOMORROW, batch, reading
from vitals.status import Rejected


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MutableStore:
    if request.param == "directory":
        return open_lake((tmp_path / "lake").as_uri())
    moto: Mapping[str, str] = request.getfixturevalue("moto")
    base, _, options = moto["LAKE"].partition("?")
    return open_lake(f"{base}/{uuid4().hex}?{options}")


def seqs(store: MutableStore, of: Table = VITALS) -> list[int]:
    return sorted(seq for rows in scan(store, of) for seq in rows.column("source_offset").to_pylist())


def parquet(store: MutableStore, of: Table = VITALS) -> list[str]:
    return [name for name in store.names(of.topic) if name.endswith(".parquet")]


def run(store: MutableStore, now: int = TOMORROW, by: str = "aa", of: Table = VITALS) -> int:
    return compact(store, of, target_bytes=LARGE, now_ms=now, run=by)


def test_small_objects_become_one_and_every_row_stays_once(store: MutableStore) -> None:
    for n in range(5):
        batch(store, n + 1, [reading(n * 10 + i) for i in range(10)])
    assert run(store) == 5
    assert seqs(store) == list(range(50))
    (held,) = objects(store, VITALS)
    ((_, manifest),) = live(store, VITALS.topic)
    assert (held.first, held.last, held.rows, held.log_t) == (0, 49, 50, (DAY, DAY + 49))
    assert (manifest.kind, len(manifest.supersedes), manifest.rows) == (COMPACTION, 5, 50)
    assert manifest.entries[0].meta.content_length == len(store.get(held.name))


def test_a_second_run_finds_nothing_to_do(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n)])
    run(store)
    before = store.names("")
    assert run(store, by="bb") == 0
    assert store.names("") == before


def test_a_reading_that_a_gateway_sent_again_is_one_row_and_the_first_stays(store: MutableStore) -> None:
    batch(store, 1, [reading(0), reading(1)])
    batch(store, 2, [reading(2, seq=1, ward="again"), reading(3)])
    run(store)
    assert seqs(store) == [0, 1, 3]


def test_rows_without_an_identity_are_no_repeats_of_each_other(store: MutableStore) -> None:
    batch(store, 1, [reading(0) | {"device": None}, reading(1, seq=0) | {"device": None}])
    batch(store, 2, [reading(2)])
    run(store)
    assert seqs(store) == [0, 1, 2]


def test_days_and_partitions_keep_objects_of_their_own(store: MutableStore) -> None:
    number = 0
    for day in (DAY, TOMORROW):
        for partition in (0, 1):
            for n in range(2):
                number += 1
                batch(store, number, [reading(number * 10 + n)], partition=partition, day=day)
    run(store, now=TOMORROW + 86_400_000)
    assert [(o.name.split("/")[1], o.partition) for o in objects(store, VITALS)] == [
        ("date=2026-11-22", 0), ("date=2026-11-23", 0), ("date=2026-11-22", 1), ("date=2026-11-23", 1)
    ]  # fmt: skip


def test_while_a_day_lasts_a_large_object_is_not_written_again_for_one_small_more(store: MutableStore) -> None:
    batch(store, 1, [reading(i, patient=f"p{i * 7919 % 1000}") for i in range(2000)])
    batch(store, 2, [reading(2000)])
    assert run(store, now=DAY) == 0
    assert run(store, now=TOMORROW) == 2


def test_an_object_near_the_stated_size_is_left_alone(store: MutableStore) -> None:
    sizes = [batch(store, n + 1, [reading(n)]).entries[0].meta.content_length for n in range(3)]
    assert compact(store, VITALS, target_bytes=max(sizes), now_ms=TOMORROW, run="aa") == 3  # the manifests alone
    assert [o.rows for o in objects(store, VITALS)] == [1, 1, 1]


def test_objects_of_before_a_sign_was_added_are_compacted_apart_and_read_with_nulls(store: MutableStore) -> None:
    old = Table(VITALS.name, VITALS.topic, VITALS.identity, VITALS.order, VITALS.columns[:-1])
    for n in range(2):
        batch(store, n + 1, [reading(n)], old)
    for n in range(2, 4):
        batch(store, n + 1, [reading(n, map=90.0)])
    run(store)
    assert [m.columns for _, m in live(store, VITALS.topic)] == [old.names, VITALS.names]
    assert [r for o in objects(store, VITALS) for r in read(store, o, VITALS, ["map"]).column(0).to_pylist()] == [
        None, None, 90.0, 90.0
    ]  # fmt: skip


class InterruptedHereError(Exception):
    """The process died here."""


class Between:
    """A store in which something happens just before a manifest is created."""

    def __init__(self, store: MutableStore, happens: Callable[[], None]) -> None:
        self._store, self._happens = store, happens

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def create(self, name: str, content: bytes) -> bool:
        happens, self._happens = self._happens, lambda: None
        happens()
        return self._store.create(name, content)


def crash() -> None:
    raise InterruptedHereError


def test_a_crash_before_the_manifest_changes_nothing_for_readers_and_is_swept_up(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n)])
    with pytest.raises(InterruptedHereError):
        run(Between(store, crash))  # type: ignore[arg-type] # it has all that a store has
    assert (seqs(store), len(parquet(store))) == ([0, 1, 2], 4)
    assert run(store, by="bb") == 3
    assert sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW) == 1
    assert (seqs(store), len(parquet(store))) == ([0, 1, 2], 4)


def test_of_two_compactions_at_once_one_is_committed_and_the_other_leaves_nothing(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n)])
    run(Between(store, lambda: run(store, by="bb") and None))  # type: ignore[arg-type] # see above
    assert seqs(store) == [0, 1, 2]
    assert [name.rpartition("-")[2] for name in parquet(store) if "-c1-" in name] == ["bb.parquet"]


class Twice:
    """A store whose client writes a manifest a second time by itself, as after an answer that was lost."""

    def __init__(self, store: MutableStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)

    def create(self, name: str, content: bytes) -> bool:
        self._store.create(name, content)
        return self._store.create(name, content)


def test_a_manifest_that_a_client_wrote_twice_keeps_the_objects_that_it_names(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n), reading(100 + n, patient="p2")])
    twice: Any = Twice(store)
    assert run(twice) == 3
    assert erase(twice, VITALS, "p2", now_ms=TOMORROW, run="ee").rows == 3
    sweep(store, VITALS, keep_ms=0, now_ms=TOMORROW + 1)
    assert seqs(store) == [0, 1, 2]


@pytest.fixture
def cable(moto: Mapping[str, str]) -> Iterator[Relay]:
    with Relay(urlsplit(moto["AWS_ENDPOINT_URL"]).port or 0) as relay:
        yield relay


def behind(cable: Relay, moto: Mapping[str, str]) -> MutableStore:
    base = moto["LAKE"].partition("?")[0]
    return open_lake(f"{base}/{uuid4().hex}?endpoint_override=http://127.0.0.1:{cable.port}&region=eu-west-1")


@pytest.mark.parametrize("work", ["compact", "erase", "retain"])
def test_a_lost_answer_to_the_commit_deletes_nothing_of_the_lake(
    moto: Mapping[str, str], cable: Relay, work: str
) -> None:
    store = behind(cable, moto)
    for n in range(4):
        batch(store, n + 1, [reading(10 * n + i, patient=f"p{i % 2}") for i in range(10)])
    cable.lose_answer(b"f-None-Match", b" 200 ")
    if work == "compact":
        assert run(store) == 4
    elif work == "erase":
        assert again(store, VITALS, "p1").rows == 20
    else:
        assert expire_lake(store, VITALS, DAY + 20, TOMORROW) == 20
    assert cable.lost
    sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW + 10 * 86_400_000)
    expected = [n for n in range(40) if (work != "erase" or n % 2 == 0) and (work != "retain" or n >= 20)]
    assert seqs(store) == expected


def test_an_erasure_during_a_retention_leaves_no_manifest_of_a_missing_object(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(10 * n), reading(10 * n + 1, patient="p2")])
    during: Any = Between(store, lambda: again(store, VITALS, "p2") and None)
    assert expire_lake(during, VITALS, DAY + 20, TOMORROW) == 2
    assert seqs(store) == [20]
    assert again(store, VITALS, "p1").rows == 1


def test_a_batch_archived_during_a_compaction_is_neither_lost_nor_doubled(store: MutableStore) -> None:
    for n in range(2):
        batch(store, n + 1, [reading(n)])
    run(Between(store, lambda: batch(store, 3, [reading(2)]) and None))  # type: ignore[arg-type] # see above
    assert seqs(store) == [0, 1, 2]


def test_superseded_objects_stay_for_readers_under_way_and_then_go(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n)])
    under_way = objects(store, VITALS)
    run(store, now=TOMORROW)
    assert sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW + KEEP - 1) == 0
    assert [read(store, o, VITALS).num_rows for o in under_way] == [1, 1, 1]
    assert sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW + KEEP) == 3
    assert (seqs(store), len(parquet(store))) == ([0, 1, 2], 1)


def test_what_the_archive_is_writing_is_not_swept_and_what_its_crash_left_is(store: MutableStore) -> None:
    batch(store, 1, [reading(0), reading(1)])
    batch(store, 2, [reading(1)], commits=False)  # its batch died; the next one had another end
    under_way = batch(store, 2, [reading(2), reading(3)], commits=False)
    assert sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW) == 1
    store.put(under_way.name, under_way.encode())
    assert seqs(store) == [0, 1, 2, 3]


def test_a_late_loader_is_told_which_manifest_holds_a_batchs_rows_now(store: MutableStore) -> None:
    first = batch(store, 1, [reading(0)])
    batch(store, 2, [reading(1)])
    assert current(store, first) == first
    run(store)
    batch(store, 3, [reading(2)])
    run(store, by="bb")
    assert [o.rows for o in current(store, first).objects] == [3]


def test_objects_are_chosen_by_log_time(store: MutableStore) -> None:
    for n in range(3):
        batch(store, n + 1, [reading(n * 10 + i) for i in range(10)])
    assert [o.first for o in objects(store, VITALS, DAY + 9, DAY + 11)] == [0, 10]
    rows = list(scan(store, VITALS, DAY + 9, DAY + 11, ["seq"]))
    assert [r.to_pydict() for r in rows] == [{"seq": [9]}, {"seq": [10]}]


def test_the_job_compacts_every_table_and_a_damaged_manifest_stops_no_other(
    store: MutableStore, caplog: pytest.LogCaptureFixture
) -> None:
    import threading  # noqa: PLC0415 - of this test alone

    store.put("alarms/_manifests/000000000001-batch-0123456789ab.json", b"{")
    for n in range(2):
        batch(store, n + 1, [reading(n)])
    assert compact_all(Settings(lake="file:///x"), store, TOMORROW, threading.Event()) == 1
    assert "alarms is not compacted" in caplog.text
    assert len(objects(store, VITALS)) == 1


def sent(offset: int, patient: str, merged: list[str]) -> dict[str, Any]:
    at = (DAY + offset) * 1000
    row = {"alarm": f"{patient}.hr.{offset}", "n": 0, "contact": "anna", "handover": 0, "patient": patient, "t": at}
    return row | {"merged": msgspec.json.encode(merged).decode(), "source_partition": 0, "source_offset": offset}


def again(store: MutableStore, of: Table, patient: str) -> Erased:
    return erase(store, of, patient, now_ms=TOMORROW, run="ee")


def test_an_erased_patient_is_in_no_object_and_everybody_else_in_every(store: MutableStore) -> None:
    batch(store, 1, [reading(0), reading(1, patient="p2")])
    batch(store, 2, [reading(2)])
    run(store)  # what it superseded holds the patient as well
    batch(store, 3, [reading(3), reading(4, patient="p2")])
    batch(store, 4, [reading(5)])
    batch(store, 5, [reading(4)], commits=False)  # left by a crash
    assert again(store, VITALS, "p1") == Erased(rows=4, objects=6, rejected=0, waiting=0)
    assert seqs(store) == [1, 4]
    left = [read(store, Object(name=n, rows=0, partition=0, first=0, last=0, t=(0, 0)), VITALS) for n in parquet(store)]
    assert {patient for rows in left for patient in rows.column("patient").to_pylist()} == {"p2"}
    assert again(store, VITALS, "p1") == Erased(0, 0, 0, 0)


def test_an_erasure_leaves_the_refusals_of_ids_that_only_begin_alike(store: MutableStore) -> None:
    said = ["of p1: no bed", "of p10: no bed", "p1.hr.7 is unknown", "of 1p1", "at 1795p1305", "of p1-2", "(p1)"]
    told = [{"reported_by": "x", "t": DAY * 1000, "log_t": DAY * 1000, "reason": text} for text in said]
    batch(store, 1, [row | {"source_partition": 0, "source_offset": n} for n, row in enumerate(told)], REFUSED)
    again(store, REFUSED, "p1")
    assert [part.column("reason").to_pylist() for part in scan(store, REFUSED)] == [
        ["of p10: no bed", "of 1p1", "at 1795p1305", "of p1-2"]
    ]


def test_an_erasure_tells_what_is_being_written_at_this_moment(store: MutableStore) -> None:
    batch(store, 1, [reading(0, patient="p2")])
    under_way = batch(store, 2, [reading(1), reading(2, patient="p2")], commits=False)
    assert again(store, VITALS, "p1").waiting == 1
    store.put(under_way.name, under_way.encode())
    assert again(store, VITALS, "p1") == Erased(rows=1, objects=1, rejected=0, waiting=0)
    assert seqs(store) == [0, 2]


def test_an_erased_patients_alarms_leave_the_messages_that_told_others_of_them(store: MutableStore) -> None:
    batch(store, 1, [sent(0, "p1", ["p2.hr.9"]), sent(1, "p2", ["p1.hr.0", "p10.hr.7"])], NOTIFICATIONS)
    again(store, NOTIFICATIONS, "p1")
    (rows,) = list(scan(store, NOTIFICATIONS))
    assert rows.select(["patient", "merged"]).to_pylist() == [{"patient": "p2", "merged": '["p10.hr.7"]'}]


def test_rejected_records_that_name_an_erased_patient_go_too(store: MutableStore) -> None:
    payloads = (b'{"patient":["p10"],"t":11}', b'{"patient":["p1"]}')
    kept, gone = (Rejected(topic="t", reason="r", t=DAY, payload=p) for p in payloads)
    name = f"rejected/{VITALS.topic}/date=2026-11-22/x.jsonl"
    store.put(name, b"".join(msgspec.json.encode(r) + b"\n" for r in (kept, gone)))
    assert again(store, VITALS, "p1").rejected == 1
    assert store.get(name) == msgspec.json.encode(kept) + b"\n"


def test_a_compaction_under_way_during_an_erasure_does_not_bring_the_patient_back(store: MutableStore) -> None:
    for n in range(2):
        batch(store, n + 1, [reading(2 * n), reading(2 * n + 1, patient="p2")])
    told: list[Erased] = []
    run(Between(store, lambda: told.append(again(store, VITALS, "p1"))))  # type: ignore[arg-type] # see above
    assert (told[0].rows, told[0].waiting) == (2, 0)
    assert seqs(store) == [1, 3]
    assert again(store, VITALS, "p1") == Erased(0, 0, 0, 0)


def test_versions_of_a_bucket_are_erased_too(moto: Mapping[str, str]) -> None:
    bucket = uuid4().hex
    s3 = boto3.client("s3", endpoint_url=moto["AWS_ENDPOINT_URL"], region_name="eu-west-1")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    store = open_lake(f"s3://{bucket}/lake?endpoint_override={moto['AWS_ENDPOINT_URL']}&region=eu-west-1")
    batch(store, 1, [reading(0), reading(1, patient="p2")])
    batch(store, 1, [reading(0), reading(1, patient="p2")])  # a retry that overwrote itself
    store.put(
        f"rejected/{VITALS.topic}/x.jsonl", msgspec.json.encode(Rejected(topic="t", reason="r", t=1, payload=b"p1"))
    )
    again(store, VITALS, "p1")
    versions = s3.list_object_versions(Bucket=bucket)
    assert "DeleteMarkers" not in versions
    bodies = [
        s3.get_object(Bucket=bucket, Key=v["Key"], VersionId=v["VersionId"])["Body"].read()
        for v in versions["Versions"]
        if v["Key"].endswith((".parquet", ".jsonl"))
    ]
    assert len(bodies) == 2
    assert not any(b"p1" in body for body in bodies)


STEP = st.sampled_from(["batch", "repeat", "compact", "crash", "sweep", "erase"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=3, max_size=14))
def test_no_order_of_house_work_loses_or_doubles_a_row(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    store = open_lake((tmp_path_factory.mktemp("lake")).as_uri())
    expected: Counter[int] = Counter()
    number = offset = now = 0
    for k, step in enumerate(steps):
        now += KEEP // 2
        if step in {"batch", "repeat"}:
            number += 1
            rows = [reading(offset + i, seq=None if step == "batch" else 0, patient=f"p{i % 3}") for i in range(3)]
            batch(store, number, rows)
            expected.update({(r["source_offset"], r["seq"], r["patient"]) for r in rows})
            offset += 3
        elif step == "erase":
            again(store, VITALS, "p1")
            expected = Counter({row: n for row, n in expected.items() if row[2] != "p1"})
        elif step == "sweep":
            sweep(store, VITALS, keep_ms=KEEP, now_ms=TOMORROW + now)
        else:
            try:
                run(Between(store, crash) if step == "crash" else store, now=TOMORROW + now, by=f"{k:02x}")  # type: ignore[arg-type] # see above
            except InterruptedHereError:
                continue
    got: Counter[int] = Counter()
    for rows in scan(store, VITALS, columns=["source_offset", "seq", "patient"]):
        got.update(tuple(row.values()) for row in rows.to_pylist())
    # A compaction may drop a repeat of an identity, and nothing else.
    assert not got - expected
    assert {row[1] for row in got if row[1]} == {row[1] for row in expected if row[1]}
    assert bool([r for r in got if r[1] == 0]) == bool([r for r in expected if r[1] == 0])


def test_an_object_that_was_erased_under_a_reader_says_so(store: MutableStore) -> None:
    batch(store, 1, [reading(0)])
    (held,) = objects(store, VITALS)
    again(store, VITALS, "p1")
    with pytest.raises(LakeError, match=r"vitals\.scored-0-0-0"):
        read(store, held, VITALS)
    assert objects(store, VITALS) == []


def test_manifests_of_compactions_are_no_batches(store: MutableStore) -> None:
    for n in range(2):
        batch(store, n + 1, [reading(n)])
    run(store)
    assert len(manifest_names(store, VITALS.topic)) == 2
    (name,) = manifest_names(store, VITALS.topic, COMPACTION)
    assert read_manifest(store, name).obsolete == tuple(sorted(n for n in parquet(store) if "-c1-" not in n))
    assert set(TABLES) >= {VITALS.topic}
