"""The loader against a real PostgreSQL, from a lake in a directory."""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cloud
import vitals
from cloud.lake import LakeError, Store, open_lake
from cloud.lake.manifests import COMPACTION, manifest_names
from cloud.lake.schema import TABLES, VITALS
from cloud.warehouse import Warehouse, WarehouseError, open_warehouse
from cloud.warehouse.job import Loader, Settings, load_until
from tests.cloud.warehouse import Ask, reading, write
from vitals.signs import FIELDS

NEVER = threading.Event()
ETCO2 = """
    Sign("etco2", "end-tidal CO2", "mm[Hg]", ("19889-5",), 0, 150, True, True, 0, "capnograph", 20),
)
FIELDS"""
USE_ETCO2 = """
import json, sys, threading, time
from cloud.archive.commit_manifest import resume
from cloud.archive.archive import Archive
from cloud.archive.decode_rows import Record
from cloud.archive.parquet_writer import Writer
from cloud.lake import open_lake
from cloud.lake.schema import TABLES, VITALS
from cloud.warehouse.job import Loader
from cloud.warehouse import open_warehouse
now = time.time_ns() // 1_000_000
columns = {name: ["x"] for name in ("patient", "device", "gateway", "ward", "bed")}
columns |= {name: [1] for name in ("boot", "seq", "roster")} | {"t": [now], "t_gw": [now]}
columns |= {name: [0] for name in ("suspect", "limits", "breach", "news2")} | {"hr": [72], "etco2": [61]}
value = json.dumps(columns | {"partition": 0, "offset": 99}).encode()
lake, warehouse = sys.argv[1:]
store = open_lake(lake)
job = Archive(store, {topic: resume(store, topic) for topic in TABLES})
job.commit(list(Writer(lake, job.progress, 1000).write(store, [(VITALS.topic, 0, Record(99, now, value))])))
assert Loader(open_warehouse(warehouse), store).turn(threading.Event()) == 0
print("loaded")
"""


@pytest.fixture
def warehouse(url: str) -> Warehouse:
    return open_warehouse(url)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_lake((tmp_path / "lake").as_uri())


def load_all(warehouse: Warehouse, store: Store, stop: threading.Event) -> int:
    """One turn of a loader that has just started."""
    return Loader(warehouse, store).turn(stop)


def test_every_row_of_every_manifest_is_loaded_once_however_often_it_runs(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0), reading(1)])
    write(store, VITALS, 2, [reading(2)])
    for _ in range(3):
        assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,), (2,)]
    assert ask("SELECT archived_rows, loaded_rows FROM load_log ORDER BY manifest") == [(2, 2), (1, 1)]


def test_a_reading_repeated_within_and_across_manifests_is_one_row(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0), reading(0), reading(1)])
    write(store, VITALS, 2, [reading(1), reading(2)])
    load_all(warehouse, store, NEVER)
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,), (2,)]
    assert ask("SELECT loaded_rows FROM load_log ORDER BY manifest") == [(2,), (1,)]


def test_four_loaders_at_once_on_a_fresh_database_load_everything_once(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    for number in range(1, 9):
        write(store, VITALS, number, [reading(number * 10 + i) for i in range(10)])
    with ThreadPoolExecutor(4) as pool:
        failed = [pool.submit(load_all, warehouse, store, NEVER) for _ in range(4)]
        assert [f.result() for f in failed] == [0, 0, 0, 0]
    assert ask("SELECT count(*), count(DISTINCT seq) FROM vitals") == [(80, 80)]
    assert ask("SELECT count(*), sum(loaded_rows) FROM load_log") == [(8, 80)]


def test_two_processes_at_once_load_everything_once(url: str, store: Store, tmp_path: Path, ask: Ask) -> None:
    for number in range(1, 41):
        write(store, VITALS, number, [reading(number * 10 + i) for i in range(12)])
    settings = {"LAKE": (tmp_path / "lake").as_uri(), "WAREHOUSE": url, "LOAD_ONCE": "1"}
    argv = [sys.executable, "-m", "cloud", "load"]
    both = [subprocess.Popen(argv, env=os.environ | settings, stderr=subprocess.PIPE) for _ in range(2)]  # noqa: S603 - our own words
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert ask("SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM vitals") == [(402, 402, 10, 411)]
    assert ask("SELECT count(*), sum(loaded_rows) FROM load_log") == [(40, 402)]


def test_a_late_loader_takes_what_a_compaction_holds_for_all_that_it_replaced(
    warehouse: Warehouse, store: Store, ask: Ask, tmp_path: Path
) -> None:
    batches = [write(store, VITALS, number, [reading(number), reading(0)]) for number in (1, 2, 3)]
    write(
        store,
        VITALS,
        4,
        [reading(0), reading(1), reading(2)],
        kind=COMPACTION,
        supersedes=tuple(batch.name for batch in batches[:2]),
    )
    for batch in batches[:2]:
        (tmp_path / "lake" / batch.objects[0].name).unlink()
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,), (2,), (3,)]
    assert ask("SELECT archived_rows, loaded_rows FROM load_log ORDER BY manifest") == [(2, 3), (2, 0), (2, 1)]
    assert load_all(warehouse, store, NEVER) == 0


def test_a_turn_without_a_new_manifest_does_not_touch_the_warehouse(warehouse: Warehouse, store: Store) -> None:
    write(store, VITALS, 1, [reading(0)])
    connected = []

    class Counted:
        """The warehouse, with its connections counted."""

        dialect, execute, lock, take = warehouse.dialect, warehouse.execute, warehouse.lock, warehouse.take

        def connect(self) -> Any:  # noqa: ANN401 - DB-API
            connected.append(1)
            return warehouse.connect()

    loader = Loader(Counted(), store)
    assert [loader.turn(NEVER) for _ in range(3)] == [0, 0, 0]
    assert len(connected) == 1


def test_a_look_for_what_is_new_lists_no_more_as_the_lake_grows_old(
    warehouse: Warehouse, store: Store, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[int] = []
    names = store.names

    def counted(folder: str, after: str = "") -> list[str]:
        found = names(folder, after)
        listed.append(len(found))
        return found

    monkeypatch.setattr(store, "names", counted)
    loader = Loader(warehouse, store)
    for number in range(1, 9):
        write(store, VITALS, number, [reading(number)])
        assert loader.turn(NEVER) == 0
    assert max(listed) == 2
    assert ask("SELECT count(*), count(DISTINCT seq) FROM vitals") == [(8, 8)]


def test_one_that_waits_is_found_again_behind_others_that_are_loaded(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    first = write(store, VITALS, 1, [reading(0)])
    content = store.get(first.objects[0].name)
    store.put(first.objects[0].name, b"cut short")
    loader = Loader(warehouse, store)
    for number in (2, 3):
        write(store, VITALS, number, [reading(number)])
        assert loader.turn(NEVER) == 1
    store.put(first.objects[0].name, content)
    assert loader.turn(NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (2,), (3,)]


def test_a_compaction_is_never_loaded(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0)])
    write(
        store,
        VITALS,
        2,
        [reading(0), reading(9)],
        kind=COMPACTION,
        supersedes=tuple(manifest_names(store, VITALS.topic)),
    )
    load_all(warehouse, store, NEVER)
    assert ask("SELECT seq FROM vitals") == [(0,)]


def test_a_manifest_that_cannot_be_loaded_leaves_nothing_and_stops_no_other(
    warehouse: Warehouse, store: Store, ask: Ask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = write(store, VITALS, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1)])
    content = store.get(first.objects[0].name)
    store.put(first.objects[0].name, b"cut short")
    assert load_all(warehouse, store, NEVER) == 1
    assert ask("SELECT seq FROM vitals") == [(1,)]
    assert "is not loaded and will be retried" in caplog.text
    store.put(first.objects[0].name, content)
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT seq FROM vitals ORDER BY seq") == [(0,), (1,)]


def test_an_empty_batch_is_logged_as_loaded(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0)], rows=0, objects=(), entries=())
    load_all(warehouse, store, NEVER)
    assert ask("SELECT archived_rows FROM load_log") == [(0,)]


def test_a_nul_in_a_text_keeps_nothing_out(warehouse: Warehouse, store: Store, ask: Ask) -> None:
    write(store, VITALS, 1, [reading(0, bed="b\0d")])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask("SELECT bed FROM vitals") == [("b\ufffdd",)]


def test_a_new_sign_flows_from_the_log_through_the_archive_into_table_and_views(
    warehouse: Warehouse, store: Store, ask: Ask, url: str, tmp_path: Path
) -> None:
    write(store, VITALS, 1, [reading(0)])
    load_all(warehouse, store, NEVER)
    newer = tmp_path / "newer"
    for part in (vitals, cloud):
        source = Path(str(part.__file__)).parent
        shutil.copytree(source, newer / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    signs = newer / "vitals" / "signs.py"
    signs.write_text(signs.read_text().replace(")\nFIELDS", ETCO2))
    argv = [sys.executable, "-c", USE_ETCO2, (tmp_path / "lake").as_uri(), url]
    done = subprocess.run(argv, cwd=newer, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - this test's own program
    assert (done.returncode, done.stdout.strip()) == (0, "loaded"), done.stderr
    assert ask("SELECT seq, hr, etco2 FROM vitals ORDER BY seq") == [(0, 72.0, None), (1, 72.0, 61.0)]
    assert ask("SELECT etco2_highest FROM vitals_extremes WHERE etco2_highest IS NOT NULL") == [(61.0,)]
    assert ask("SELECT etco2 FROM latest_vitals WHERE patient = 'x'") == [(61.0,)]
    assert ask("SELECT max(etco2_share)::float FROM data_completeness") == [(1.0,)]


def test_objects_from_before_a_sign_was_added_load_beside_newer_ones(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    older = replace(VITALS, columns=VITALS.columns[:-1])
    write(store, older, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1, **{FIELDS[-1]: 81.0})])
    assert load_all(warehouse, store, NEVER) == 0
    assert ask(f"SELECT seq, {FIELDS[-1]} FROM vitals ORDER BY seq") == [(0, None), (1, 81.0)]  # noqa: S608 - a sign


def test_once_loads_and_exits_and_says_when_the_warehouse_is_not_there(
    url: str, store: Store, tmp_path: Path, ask: Ask
) -> None:
    lake = (tmp_path / "lake").as_uri()
    write(store, VITALS, 1, [reading(0)])
    assert load_until(Settings(lake=lake, warehouse=url, load_once=True), NEVER) == 0
    assert ask("SELECT count(*) FROM vitals") == [(1,)]
    nowhere = "postgresql://u:p@127.0.0.1:1/none?connect_timeout=2"
    assert load_until(Settings(lake=lake, warehouse=nowhere, load_once=True), NEVER) == 1


def test_a_stop_finishes_the_manifest_under_way_and_begins_no_other(
    warehouse: Warehouse, store: Store, ask: Ask
) -> None:
    write(store, VITALS, 1, [reading(0)])
    write(store, VITALS, 2, [reading(1)])
    stop = threading.Event()

    class Stopping:
        """The lake, at whose first object a stop arrives."""

        put, names, url = store.put, store.names, store.url

        def get(self, name: str) -> bytes:
            stop.set()
            return store.get(name)

    load_all(warehouse, Stopping(), stop)
    assert ask("SELECT seq FROM vitals") == [(0,)]


def test_the_lake_is_not_read_when_its_manifest_is_loaded(warehouse: Warehouse, store: Store) -> None:
    write(store, VITALS, 1, [reading(0)])
    load_all(warehouse, store, NEVER)

    class Listed:
        """The lake, which may be listed and not read."""

        put, names, url = store.put, store.names, store.url

        def get(self, name: str) -> bytes:
            raise LakeError(f"{name} was read")

    assert load_all(warehouse, Listed(), NEVER) == 0


def test_a_refused_statement_is_an_error_that_quotes_the_warehouse(warehouse: Warehouse) -> None:
    connection = warehouse.connect()
    try:
        from cloud.warehouse.loader import loaded  # noqa: PLC0415 - used here alone

        with pytest.raises(WarehouseError, match="load_log"):
            loaded(warehouse, connection, next(iter(TABLES)))
    finally:
        connection.close()
