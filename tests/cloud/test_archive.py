"""The archive without Spark: what its workers write and its driver commits, through every kind of interruption."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.archive import decode_scored as archived
from cloud.archive.commit_manifest import NOTHING, resume, resumes
from cloud.archive.decode_rows import Record
from cloud.archive.job import MAX_FAILURES, Archive, Settings, batch_of, begin, repeat
from cloud.archive.parquet_writer import Progress, Writer, Written
from cloud.archive.spark_query import starting_offsets
from cloud.kafka.offsets import RecreatedError
from cloud.lake import LakeError, Store, manifest_names, open_lake, read_manifest
from cloud.lake.parquet import from_parquet
from cloud.lake.schema import TABLES
from cloud.spark_session import connector_options
from vitals import alarm_events
from vitals.actions import Act, Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent
from vitals.contacts import Channel, Notification
from vitals.limits import ADULT, Limit, from_wire, profile, with_overrides
from vitals.readings import Readings, text
from vitals.signs import FIELDS, INDEX, SIGNS
from vitals.status import Rejected
from vitals.wire import topics
from vitals.wire.vitals_record import decode_scored, to_columns

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z
SCORED = topics.SCORED
Placed = tuple[str, int, Record]


def readings(first: int, n: int = 2, patient: str | None = "p1", t: int = DAY) -> Readings:
    """n readings of one device, seq from `first`; every other one under overridden limits."""
    values = np.full((n, len(SIGNS)), np.nan)
    values[:, INDEX["hr"]] = 72
    count = np.arange(n)
    return Readings(
        *(text([word] * n) for word in (patient, "d1", "g1", "w1", "b1")),
        boot=np.full(n, 7),
        seq=first + count,
        t=t + count,
        t_gw=t + count + 5,
        roster=np.ones(n, dtype=np.int64),
        suspect=np.zeros(n, dtype=np.int64),
        limits=np.where(count % 2 == 1, -1, 1),
        values=values,
        limit_sets=(with_overrides(ADULT, {"hr": Limit(30, 40, 150, 170)}),),
    )


def scored(partition: int, offset: int, rows: Readings) -> bytes:
    n = len(rows)
    more = {"breach": [0] * n, "news2": [1] * n, "partition": partition, "offset": offset}
    return msgspec.json.encode(to_columns(rows) | more)


def vital(offset: int, source: int, partition: int = 0, log_t: int = DAY) -> Placed:
    """A `vitals.scored` record of two readings, whose identities follow from the source offset."""
    return SCORED, partition, Record(offset, log_t, scored(partition, source, readings(source * 2)))


def alarm(n: int) -> AlarmEvent:
    return AlarmEvent(
        id="p1.spo2.1",
        n=n,
        subject="p1",
        condition="spo2",
        kind=alarm_events.Kind.PHYSIOLOGICAL,
        priority=alarm_events.Priority.HIGH,
        phase=alarm_events.Phase.START,
        state=alarm_events.AlarmState.ACTIVE,
        start=DAY,
        t=DAY + 1,
        log_t=DAY + 2,
        text="SpO2 84 % below 85 %",
        value=84.0,
        limit=85.0,
        patient="p1",
    )


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return (tmp_path / "lake").as_uri()


def archive(lake: str, records: Iterable[Placed], *, commits: bool = True, object_rows: int = 1000) -> None:
    """One batch of a freshly started archive; without its commit when it dies before that."""
    store = open_lake(lake)
    job = Archive(store, {topic: resume(store, topic) for topic in TABLES})
    written = list(Writer(lake, job.progress, object_rows).write(store, records))
    if commits:
        job.commit(written)


def held(lake: str, topic: str = SCORED) -> pa.Table:
    """All rows of a topic, as a reader gets them: by manifests alone."""
    store = open_lake(lake)
    names = [o.name for m in manifest_names(store, topic) for o in read_manifest(store, m).objects]
    return (
        pa.concat_tables([from_parquet(store.get(name)) for name in names])
        if names
        else TABLES[topic].schema().empty_table()
    )


def identities(lake: str) -> Counter[int]:
    return Counter(held(lake).column("seq").to_pylist())


def test_a_scored_record_becomes_one_row_per_reading_with_the_limits_in_force(lake: str) -> None:
    archive(lake, [(SCORED, 3, Record(9, DAY + 50, scored(3, 41, readings(10))))])
    first, second = held(lake).to_pylist()
    assert (first["patient"], first["device"], first["boot"], first["seq"]) == ("p1", "d1", 7, 10)
    assert (first["hr"], first["spo2"], first["breach"], first["news2"]) == (72.0, None, 0, 1)
    assert [int(first[c].timestamp() * 1000) - DAY for c in ("t", "t_gw", "log_t")] == [0, 5, 50]
    assert (first["source_partition"], first["source_offset"]) == (3, 41)
    assert (first["limits"], first["limit_set"]) == ("copd", None)
    assert second["limits"] == "adult"
    assert msgspec.json.decode(second["limit_set"])["hr"] == [30, 40, 150, 170, 0]


def test_alarms_notifications_and_admissions_become_rows(lake: str) -> None:
    sent = Notification(
        alarm="p1.spo2.1",
        n=0,
        patient="p1",
        contact="anna",
        handover=0,
        channels=(Channel.SMS,),
        sns="m-1",
        t=DAY,
        accepted=DAY + 900,
        sms="Ward w1: high",
    )
    admitted = Admission(
        patient="p1",
        version=3,
        name="Ada",
        born="1950-01-01",
        phone="+44",
        address="1 Road",
        ward="w1",
        bed="b1",
        gateway="g1",
        devices=("d1", "d2"),
        since=DAY,
        overrides={"hr": Limit(30, 40, 150, 170)},
    )
    archive(
        lake,
        [
            (topics.ALARMS, 1, Record(0, DAY, alarm_events.encode(alarm(0)))),
            (topics.NOTIFICATIONS, 1, Record(0, DAY, msgspec.json.encode(sent))),
            (topics.PATIENTS, 1, Record(0, DAY, msgspec.json.encode(admitted))),
        ],
    )
    (event,) = held(lake, topics.ALARMS).to_pylist()
    assert (event["id"], event["priority"], event["phase"], event["crossed"], event["acted_by"]) == (
        "p1.spo2.1",
        3,
        "start",
        85.0,
        None,
    )
    (told,) = held(lake, topics.NOTIFICATIONS).to_pylist()
    assert (told["channels"], int(told["accepted"].timestamp() * 1000) - DAY) == ('["sms"]', 900)
    (patient,) = held(lake, topics.PATIENTS).to_pylist()
    assert (patient["devices"], patient["discharged"], patient["scale2"]) == ('["d1","d2"]', None, False)
    assert msgspec.json.decode(patient["overrides"])["hr"]["low"] == 40


def test_a_trigger_that_real_time_mode_repeats_is_archived_once(lake: str) -> None:
    archive(lake, [vital(0, 0), vital(1, 1), vital(2, 0), vital(3, 1), vital(4, 2)])
    archive(lake, [vital(5, 1), vital(6, 2), vital(7, 3)])
    assert identities(lake) == Counter(range(8))


def test_a_batch_that_dies_before_its_manifest_is_read_again_and_nothing_doubles(lake: str) -> None:
    log = [vital(i, i) for i in range(6)]
    archive(lake, log[:2])
    archive(lake, log[2:4], commits=False)
    assert identities(lake) == Counter(range(4)), "objects without a manifest are not part of the lake"
    archive(lake, log[2:])
    assert identities(lake) == Counter(range(12))


def test_a_lost_checkpoint_that_rereads_the_whole_log_doubles_nothing(lake: str) -> None:
    log = [vital(i, i) for i in range(5)]
    archive(lake, log)
    archive(lake, log)
    assert identities(lake) == Counter(range(10))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_interruption_loses_or_doubles_a_reading(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Scoring repeats whole triggers, the archive dies between objects and manifest: anywhere, on two partitions."""
    lake = tmp_path_factory.mktemp("lake").as_uri()
    log: list[Placed] = []
    for partition in (0, 1):
        offset, newest = 0, 0
        for again in data.draw(st.lists(st.integers(0, 3), max_size=4)):
            begins = max(0, newest - again)
            newest = begins + again + data.draw(st.integers(0, 3))
            for source in range(begins, newest):
                rows = replace(
                    readings(source), device=text([f"d{partition}"] * 2), seq=np.array([source * 2, source * 2 + 1])
                )
                log.append(
                    (SCORED, partition, Record(offset, DAY + offset * 20_000_000, scored(partition, source, rows)))
                )
                offset += 1
    expected = {(p, r.offset) for _, p, r in log}
    while True:
        store = open_lake(lake)
        progress = resume(store, SCORED)
        left = [x for x in log if x[2].offset >= progress.next.get(x[1], 0)]
        if not left:
            break
        taken = left[: data.draw(st.integers(1, len(left)))]
        archive(
            lake,
            taken,
            commits=data.draw(st.booleans()) or len(taken) == len(left),
            object_rows=data.draw(st.integers(1, 6)),
        )
    rows = held(lake)
    got = Counter(zip(rows.column("device").to_pylist(), rows.column("seq").to_pylist(), strict=True))
    want = {(f"d{p}", int(s)) for p in (0, 1) for s in _seqs(log, p)}
    assert got == Counter(want)
    assert {(p, o) for p, (first, last) in _read(lake) for o in range(first, last + 1)} == expected


def _seqs(log: list[Placed], partition: int) -> set[int]:
    values = [msgspec.json.decode(r.value or b"") for _, p, r in log if p == partition]
    return {seq for value in values for seq in value["seq"]}


def _read(lake: str) -> list[tuple[int, tuple[int, int]]]:
    store = open_lake(lake)
    return [item for name in manifest_names(store, SCORED) for item in read_manifest(store, name).offsets.items()]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", "not a record"),
        (b"[" * 100_000, ""),
        (scored(-1, 5, readings(0)), "$.partition"),
        (scored(0, 5, readings(0, t=9_000_000_000_000_000)), "$.t["),
        (scored(0, 5, readings(0)).replace(b'"boot":[7,7]', b'"boot":[7]'), "columns"),
        (scored(0, 5, readings(0)).replace(b'"limits":[1,-1]', b'"limits":[1,-2]'), "limit sets"),
        (scored(0, 5, readings(0)).replace(b'"limits":[1,-1]', b'"limits":[99,-1]'), "limit sets"),
        (scored(0, 5, readings(0)).replace(b"[30,40", b"[50,40"), "contradict"),
        (scored(0, 5, readings(0)).replace(b'"boot":[7,7]', b'"boot":[7,99999999999999999999]'), "not a record"),
    ],
    ids=["garbage", "deep", "sourceless", "year 287000", "short column", "no set", "no profile", "limits", "big"],
)
def test_a_record_that_cannot_be_read_is_kept_with_its_reason_and_stops_nobody(
    lake: str, value: bytes, reason: str
) -> None:
    archive(lake, [vital(0, 0), (SCORED, 0, Record(1, DAY, value)), vital(2, 6)])
    assert identities(lake) == Counter([0, 1, 12, 13])
    store = open_lake(lake)
    manifest = read_manifest(store, manifest_names(store, SCORED)[0])
    (kept,) = [msgspec.json.decode(line, type=Rejected) for line in store.get(manifest.rejections[0]).splitlines()]
    assert (manifest.rejected, kept.topic, kept.payload) == (1, "vitals.scored[0]@1", value[: 128 * 1024])
    assert reason in kept.reason


def test_a_record_of_which_no_table_can_be_made_costs_itself_alone(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = archived.table

    def raises(found: list[tuple[int, Any]]) -> pa.Table:
        if any(one.offset == 5 for _, one in found):
            raise ZeroDivisionError("nobody thought of it")
        return real(found)

    monkeypatch.setattr(archived, "table", raises)
    archive(lake, [vital(0, 0), vital(1, 5), vital(2, 6)])
    assert identities(lake) == Counter([0, 1, 12, 13])
    store = open_lake(lake)
    manifest = read_manifest(store, manifest_names(store, SCORED)[0])
    (kept,) = [msgspec.json.decode(line, type=Rejected) for line in store.get(manifest.rejections[0]).splitlines()]
    assert (kept.topic, kept.reason) == ("vitals.scored[0]@1", "ZeroDivisionError: nobody thought of it")


def test_an_event_of_an_impossible_time_is_rejected_with_its_reason(lake: str) -> None:
    late = alarm_events.encode(alarm(1)).replace(str(DAY + 1).encode(), b"9000000000000000000")
    archive(
        lake,
        [(topics.ALARMS, 0, Record(0, DAY, alarm_events.encode(alarm(0)))), (topics.ALARMS, 0, Record(1, DAY, late))],
    )
    store = open_lake(lake)
    manifest = read_manifest(store, manifest_names(store, topics.ALARMS)[0])
    assert (manifest.rows, manifest.rejected) == (1, 1)
    assert b"Expected `int` <= 3723753600000 - at `$.t`" in store.get(manifest.rejections[0])


def test_rows_are_what_every_other_reader_of_the_record_sees(lake: str) -> None:
    """The reference is `vitals.wire.vitals_record.decode_scored`; records with and without limit sets mix."""
    other = replace(readings(4, 3), limits=np.array([0, 2, 1]), limit_sets=(), patient=text([None, "p9", None]))
    values = [scored(0, 0, readings(0)), scored(0, 1, other), scored(0, 2, readings(8, 1, t=DAY + 9))]
    archive(lake, [(SCORED, 0, Record(i, DAY + i, value)) for i, value in enumerate(values)])
    rows = held(lake).sort_by("seq").to_pylist()
    wanted = [decode_scored(value).readings for value in values]
    bounds = np.concatenate([w.bounds() for w in wanted])
    assert [r["seq"] for r in rows] == [s for w in wanted for s in w.seq.tolist()]
    for column in ("patient", "device", "gateway", "ward", "bed", "boot", "roster", "suspect"):
        assert [r[column] for r in rows] == [v for w in wanted for v in getattr(w, column).tolist()]
    assert [[r[f] for f in FIELDS] for r in rows] == [
        [None if np.isnan(v) else v for v in row] for w in wanted for row in w.values.tolist()
    ]
    for row, bound in zip(rows, bounds, strict=True):
        force = from_wire(msgspec.json.decode(row["limit_set"])) if row["limit_set"] else profile(row["limits"])
        assert np.array_equal(force.array(), bound, equal_nan=True)


def test_a_heartbeat_advances_the_offsets_without_a_row_or_an_object(lake: str) -> None:
    archive(lake, [(SCORED, 2, Record(0, DAY, scored(2, 0, readings(0, 0))))])
    store = open_lake(lake)
    manifest = read_manifest(store, manifest_names(store, SCORED)[0])
    assert (manifest.entries, manifest.rows, manifest.next, manifest.sources) == ((), 0, {2: 1}, {2: 0})


def test_a_tombstone_is_passed_over(lake: str) -> None:
    archive(lake, [(topics.PATIENTS, 0, Record(0, DAY, None))])
    assert resume(open_lake(lake), topics.PATIENTS).next == {0: 1}


def test_objects_end_at_midnight_of_the_log_and_at_the_stated_rows(lake: str) -> None:
    archive(lake, [vital(0, 0, log_t=DAY - 1), vital(1, 1), vital(2, 2), vital(3, 3)], object_rows=4)
    store = open_lake(lake)
    objects = read_manifest(store, manifest_names(store, SCORED)[0]).objects
    assert [o.name for o in objects] == [
        "vitals.scored/date=2026-11-21/vitals.scored-0-0-0.parquet",
        "vitals.scored/date=2026-11-22/vitals.scored-0-1-2.parquet",
        "vitals.scored/date=2026-11-22/vitals.scored-0-3-3.parquet",
    ]


def test_a_manifest_states_the_bytes_of_each_object(lake: str) -> None:
    archive(lake, [vital(0, 0), vital(0, 0, partition=1)])
    store = open_lake(lake)
    manifest = read_manifest(store, manifest_names(store, SCORED)[0])
    assert [e.meta.content_length for e in manifest.entries] == [len(store.get(o.name)) for o in manifest.objects]
    assert [e.url for e in manifest.entries] == [store.url(o.name) for o in manifest.objects]


def test_what_kafka_deleted_unread_is_told_and_archiving_goes_on(lake: str, caplog: pytest.LogCaptureFixture) -> None:
    archive(lake, [vital(0, 0)])
    store = open_lake(lake)
    marks = {topic: {0: (5, 9)} if topic == SCORED else {0: (0, 0)} for topic in TABLES}
    progress = begin(store, marks)
    assert "LOST: vitals.scored[0] offsets 1 to 4" in caplog.text
    job = Archive(store, progress)
    job.commit(list(Writer(lake, job.progress).write(store, [vital(5, 5)])))
    assert read_manifest(store, manifest_names(store, SCORED)[-1]).lost == {0: (1, 4)}
    assert identities(lake) == Counter([0, 1, 10, 11])


def test_a_topic_made_anew_is_refused_with_what_to_do() -> None:
    progress = replace(NOTHING, number=1, next={0: 500})
    with pytest.raises(RecreatedError, match=r"alarms\[0\] ends at offset 3.*Point LAKE to a new prefix"):
        resumes("alarms", progress, {0: (0, 3)})


def test_spark_starts_at_the_offsets_after_the_last_manifest(lake: str) -> None:
    archive(lake, [vital(0, 0), vital(7, 1, partition=5)])
    progress = resumes(SCORED, resume(open_lake(lake), SCORED), {0: (0, 4), 5: (0, 9), 6: (2, 3)})
    assert msgspec.json.decode(starting_offsets({SCORED: progress})) == {SCORED: {"0": 1, "5": 8, "6": 2}}


def test_a_manifest_that_cannot_be_written_leaves_the_progress_as_it_was(lake: str) -> None:
    class Full:
        """A lake whose disk is full."""

        def put(self, name: str, content: bytes) -> None:
            raise LakeError(f"no space for {len(content)} bytes of {name}")

    store = open_lake(lake)
    written = list(Writer(lake, {SCORED: NOTHING}).write(store, [vital(0, 0)]))
    full: Store = Full()  # type: ignore[assignment] # commit only puts
    job = Archive(full, {SCORED: NOTHING})
    with pytest.raises(LakeError, match="no space"):
        job.commit(written)
    assert job.progress[SCORED] == Progress(0, {}, {}, {})


def test_a_batch_that_comes_after_another_run_took_over_commits_nothing(lake: str) -> None:
    store = open_lake(lake)
    job = Archive(store, {SCORED: NOTHING})
    asked: list[Writer] = []

    def spark_batch(writer: Writer) -> list[Written]:
        asked.append(writer)
        return list(writer.write(store, [vital(0, 0)]))

    batch = batch_of(Settings(kafka_bootstrap="k:1", lake=lake), job)
    job.close()
    batch(spark_batch)
    assert (asked, manifest_names(store, SCORED)) == ([], [])


def test_a_lake_that_cannot_be_listed_is_never_taken_for_an_empty_one() -> None:
    class Away:
        """A lake that cannot be listed."""

        def names(self, folder: str, after: str = "") -> list[str]:
            raise LakeError(f"cannot list {folder}")

    away: Store = Away()  # type: ignore[assignment] # only listing comes first
    with pytest.raises(LakeError, match="cannot list"):
        begin(away, {topic: {0: (0, 0)} for topic in TABLES})


def test_credentials_of_kafka_reach_the_connector_quoted() -> None:
    given_ = Settings(
        kafka_bootstrap="k:9093",
        lake="file:///x",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_mechanism="SCRAM-SHA-512",
        kafka_sasl_username="u",
        kafka_sasl_password='p"w',  # noqa: S106 - nobody's
    )
    assert connector_options(given_)["kafka.sasl.jaas.config"].endswith(r'username="u" password="p\"w";')


def test_queries_that_fail_without_a_commit_end_the_job_and_one_commit_among_them_does_not(lake: str) -> None:
    stop, queries = threading.Event(), list[int]()

    def query(job: Archive) -> None:
        queries.append(len(queries))
        job.commits = 1 if len(queries) == 3 else 0

    assert repeat(lambda: Archive(open_lake(lake), {}), query, stop, pause_s=0) == 1
    assert len(queries) == 3 + MAX_FAILURES


def test_a_lake_or_kafka_that_is_away_is_waited_for_without_end() -> None:
    stop, asked = threading.Event(), list[int]()

    def away() -> None:
        asked.append(1)
        if len(asked) == 10 * MAX_FAILURES:
            stop.set()

    assert repeat(away, lambda _: None, stop, pause_s=0) == 0


def test_the_log_time_of_a_reading_is_its_source_records_time_stamp(lake: str) -> None:
    value = msgspec.json.decode(scored(0, 5, readings(0)))
    stamped = msgspec.json.encode(value | {"timestamp": DAY + 7})
    archive(lake, [(SCORED, 0, Record(0, DAY + 900, stamped))])
    assert {int(t.timestamp() * 1000) for t in held(lake).column("log_t").to_pylist()} == {DAY + 7}
    store = open_lake(lake)
    (written,) = read_manifest(store, manifest_names(store, SCORED)[0]).objects
    assert written.log_t == (DAY + 7, DAY + 7)


def test_actions_are_archived_with_their_log_time(lake: str) -> None:
    acts = [
        Action(id="1", act=Act.ACKNOWLEDGE, patient="p1", t=DAY, by="anna", alarm="p1.hr.1"),
        Action(id="2", act=Act.CHART, patient="p1", t=DAY + 1, by="anna", oxygen=True, consciousness="V"),
    ]
    archive(lake, [(topics.ACTIONS, 0, Record(i, DAY + 9, msgspec.json.encode(a))) for i, a in enumerate(acts)])
    first, second = held(lake, topics.ACTIONS).to_pylist()
    assert (first["act"], first["alarm"], first["acted_by"], first["oxygen"]) == (
        "acknowledge",
        "p1.hr.1",
        "anna",
        None,
    )
    assert (second["oxygen"], second["consciousness"], second["source_offset"]) == (True, "V", 1)
    assert int(second["log_t"].timestamp() * 1000) == DAY + 9
