"""The loader and the replay: `make bench ONLY=warehouse`. `SHORT=1` measures a fifth of the rows.

1,000 patients send all eight signs once a second. `load.stage_rate` is Parquet from a lake in a directory into an empty
temporary table of PostgreSQL; `load.rate` is whole transactions of the loader, manifests of 200,000 rows into a table
that grows; `load.repeat_rate` the same when every manifest holds one reading that is loaded already, so that the stage
is used. `replay.rate` is wall-clock time of one set of limits with Ray already up; rates per CPU-second stand beside.
"""

import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from cloud.alarm.ray import cluster
from cloud.lake import Manifest, Store, open_lake
from cloud.lake.manifests import Entry, Meta, Object
from cloud.lake.parquet import ordered, to_parquet
from cloud.lake.schema import VITALS
from cloud.replay.ray_tasks import replay, spread, tasks
from cloud.warehouse import open_warehouse, prepare
from cloud.warehouse.job import Loader
from cloud.warehouse.postgresql import pieces, stage
from infra.local.ports import Ports
from infra.local.stack import POSTGRES, LocalStack
from vitals.signs import FIELDS

SHORT = bool(os.environ.get("SHORT"))
T0 = 1_763_812_800_000
PATIENTS, PARTITIONS = 1000, 16
LOAD_ROWS, MANIFESTS = 200_000, 2 if SHORT else 10
REPLAY_S = 400 if SHORT else 2000
MEANS = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
NOISE = {"hr": 3, "pr": 3, "rr": 1, "spo2": 0.7, "temp": 0.1, "sbp": 4, "dbp": 3, "map": 3}
ILL = 0.03


def readings(patients: np.ndarray[Any, Any], first_s: int, seconds: int, rng: np.random.Generator) -> pa.Table:
    """A reading a second of each patient; three in a hundred have a low saturation that goes on."""
    n = len(patients) * seconds
    who, second = np.tile(patients, seconds), np.repeat(np.arange(first_s, first_s + seconds), len(patients))
    t = T0 + second * 1000
    columns: dict[str, Any] = {
        "patient": _named("p-", who), "device": _named("mon-", who), "bed": _named("b-", who),
        "gateway": _named("gw-", who // 20), "ward": _named("w", who // 20), "boot": 3_000_000_000 + who, "seq": second,
        "t": t, "t_gw": t + 5, "log_t": t + 40, "limits": pa.repeat(pa.scalar("adult"), n),
        "limit_set": pa.nulls(n, pa.string()), "source_partition": who % PARTITIONS, "source_offset": second,
    }  # fmt: skip
    columns |= dict.fromkeys(("roster", "suspect", "breach", "news2"), np.zeros(n, dtype=np.int64))
    for name in FIELDS:
        columns[name] = np.round(rng.normal(MEANS.get(name, 50), NOISE.get(name, 1), n), 1)
    ill = who < PATIENTS * ILL
    columns["spo2"][ill] -= 9
    arrays = []
    for column in VITALS.schema():
        values = columns[column.name]
        if pa.types.is_timestamp(column.type):
            values = pa.array(values * 1000).cast(column.type)
        arrays.append(values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, column.type))
    return ordered(pa.table(arrays, schema=VITALS.schema()), VITALS)


def _named(prefix: str, numbers: np.ndarray[Any, Any]) -> pa.Array:
    words = pa.array([f"{prefix}{k:05d}" for k in range(int(numbers.max()) + 1)])
    return words.take(pa.array(numbers))


def archive(store: Store, number: int, parts: list[tuple[int, pa.Table]]) -> Manifest:
    """Writes one manifest with an object for each partition."""
    objects, entries = [], []
    for partition, table in parts:
        name, content = f"vitals.scored/date=2025-11-22/{partition}-{number}.parquet", to_parquet(table, VITALS)
        store.put(name, content)
        log_t = table.column("log_t").cast(pa.int64()).to_numpy()
        span = (int(log_t.min()) // 1000, int(log_t.max()) // 1000)
        objects.append(
            Object(name=name, rows=len(table), partition=partition, first=number, last=number, t=span, log_t=span)
        )
        entries.append(Entry(store.url(name), True, Meta(len(content))))
    made = Manifest(
        entries=tuple(entries), topic=VITALS.topic, number=number, rows=sum(o.rows for o in objects),
        columns=VITALS.names, objects=tuple(objects), offsets={o.partition: (number, number) for o in objects},
        next={o.partition: number + 1 for o in objects},
    )  # fmt: skip
    store.put(made.name, made.encode())
    return made


class Cpu:
    """Seconds of processor time of this process and of PostgreSQL's, and of the clock."""

    def __init__(self, *backends: int) -> None:
        self._others = [psutil.Process(pid) for pid in backends]
        self._begun = self._now()

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time() + sum(sum(p.cpu_times()[:2]) for p in self._others)

    def spent(self) -> tuple[float, float]:
        """Wall-clock and processor seconds since the begin."""
        return tuple(now - then for now, then in zip(self._now(), self._begun, strict=True))  # type: ignore[return-value] # two


def loading() -> Iterator[dict[str, Any]]:
    """Measures the loader."""
    rng = np.random.default_rng(1)
    seconds = LOAD_ROWS // PATIENTS
    with tempfile.TemporaryDirectory() as folder:
        fresh, repeating = (open_lake((Path(folder) / name).as_uri()) for name in ("fresh", "repeating"))
        everybody = np.arange(PATIENTS)
        made = []
        for k in range(MANIFESTS):
            table = readings(everybody, k * seconds, seconds, rng)
            made.append(archive(fresh, k + 1, [(0, table)]))
            again = pa.concat_tables([readings(everybody, (MANIFESTS + k) * seconds, seconds, rng), table.slice(0, 1)])
            archive(repeating, MANIFESTS + k + 1, [(0, again)])
        with LocalStack(Path(folder) / "stack", ports=Ports.ephemeral(), parts=(POSTGRES,)) as stack:
            warehouse = open_warehouse(stack.warehouse_url())
            yield _stage(warehouse.connect(), fresh, made)
            yield _whole("load.rate", warehouse, fresh, 8e4, "all rows new")
            yield _whole("load.repeat_rate", warehouse, repeating, None, "each manifest repeats a reading")


def _stage(connection: Any, store: Store, made: list[Manifest]) -> dict[str, Any]:  # noqa: ANN401 - DB-API
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        cpu = Cpu(cursor.fetchone()[0])
        for manifest in made:
            for piece in pieces(manifest, store, VITALS):
                stage(cursor, piece)
                cursor.execute("DROP TABLE stage")
            connection.commit()
        wall, spent = cpu.spent()
    connection.close()
    n = LOAD_ROWS * len(made)
    note = (
        f"{n / spent:,.0f} rows per CPU-second of loader and PostgreSQL together; 26 columns, reading Parquet included"
    )
    return _row("load.stage_rate", n / wall, "rows/s", 2.5e5, note)


def _whole(name: str, warehouse: Any, store: Store, goal: float | None, note: str) -> dict[str, Any]:  # noqa: ANN401 - either
    connection = warehouse.connect()
    prepare(warehouse, connection)
    connection.close()
    before, began = time.process_time(), time.perf_counter()
    failed = Loader(warehouse, store).turn(threading.Event())
    wall, own = time.perf_counter() - began, time.process_time() - before
    n = LOAD_ROWS * MANIFESTS
    return _row(
        name, 0 if failed else n / wall, "rows/s", goal, f"{note}; {n / own:,.0f} rows per CPU-second of loader"
    )


def replaying() -> Iterator[dict[str, Any]]:
    """Measures the replay."""
    rng = np.random.default_rng(2)
    with tempfile.TemporaryDirectory() as folder:
        url = Path(folder).as_uri()
        store = open_lake(url)
        everybody = np.arange(PATIENTS)
        for k, first in enumerate(range(0, REPLAY_S, 200)):
            mine = [(p, readings(everybody[everybody % PARTITIONS == p], first, 200, rng)) for p in range(PARTITIONS)]
            archive(store, k + 1, mine)
        found = tasks(url, T0, T0 + REPLAY_S * 1000, None, cpus=2)
        began = time.process_time()
        judged = replay(found[0]).readings
        per_core = judged / (time.process_time() - began)
        ray = cluster.alone(2)
        try:
            spread(ray, [replace(task, held=()) for task in found], lambda _: None)  # workers are up
            clock = time.perf_counter()
            judged = sum(result.readings for result in spread(ray, found, lambda _: None))
            rate = judged / (time.perf_counter() - clock)
        finally:
            ray.shutdown()
        note = f"{PATIENTS} patients at 1 Hz, Ray with 2 cores; {per_core:,.0f} readings per CPU-second of one task"
        yield _row("replay.rate", rate, "readings/s", 4e5, note)


def _row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": name, "value": round(value), "unit": unit, "goal": goal, "better": "higher", "note": note}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    return [*loading(), *replaying()]


if __name__ == "__main__":
    for line in rows():
        sys.stdout.write(f"{line}\n")
