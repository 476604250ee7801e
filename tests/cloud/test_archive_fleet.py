"""Statuses and refusals in the lake: of machines alone, and few enough."""

from pathlib import Path

import msgspec
import pytest

from cloud.archive.commit_manifest import NOTHING
from cloud.archive.decode_rows import Record
from cloud.archive.job import Archive
from cloud.archive.parquet_writer import Writer
from cloud.lake import Store, open_lake
from cloud.lake.manifests import last_manifest
from cloud.lake.read import scan
from cloud.lake.schema import REFUSED, STATUS, TABLES, Table
from vitals.status import DeviceStatus, Health, Rejected, Status

DAY = 1_795_305_600_000  # 2026-11-22T00:00Z


@pytest.fixture
def lake(tmp_path: Path) -> str:
    return (tmp_path / "lake").as_uri()


def archived(lake: str, table: Table, records: list[Record]) -> list[dict[str, object]]:
    """One batch of a first archive, as a reader finds it."""
    store = open_lake(lake)
    job = Archive(store, dict.fromkeys(TABLES, NOTHING))
    job.commit(list(Writer(lake, job.progress).write(store, [(table.topic, 0, record) for record in records])))
    return [row for part in scan(store, table) for row in part.to_pylist()]


def size_of(store: Store, table: Table) -> int:
    """Bytes of the last batch, its manifest with it."""
    manifest = last_manifest(store, table.topic)
    assert manifest is not None
    return sum(entry.meta.content_length for entry in manifest.entries) + len(manifest.encode())


def gateway(k: int, t: int, health: Health = Health.UP, beds: int = 10) -> bytes:
    """The status of a gateway with its devices, each on a patient."""
    devices = [
        DeviceStatus(device=f"mon-{k}-{bed}", health=Health.UP, t=t - 500, offset_ms=37 * bed, patient=f"P-{k}-{bed}")
        for bed in range(beds)
    ]
    more = {"version": "1.0.0", "outbox": f"{k:016x}", "accepted": t % 10**9, "alarms": (f"P-{k}-0.hr.1",)}
    return msgspec.json.encode(Status(id=f"gw-{k}", kind="gateway", health=health, t=t, devices=tuple(devices), **more))


def statuses(gateways: int, seconds: int, every_s: int = 3) -> list[Record]:
    """What gateways say in some seconds."""
    told = [(DAY + 1000 * s, k) for s in range(0, seconds, every_s) for k in range(gateways)]
    return [Record(n, t + 40, gateway(k, t), b"gw") for n, (t, k) in enumerate(told)]


def test_a_status_is_one_row_that_counts_its_devices_and_names_no_patient(lake: str) -> None:
    silent = DeviceStatus(device="d2", health=Health.SILENT, t=0, offset_ms=-9000, patient="P-1")
    told = Status(
        id="gw", kind="gateway", health=Health.UP, t=DAY, backlog=2, backlog_since=DAY - 9000, rejected=3,
        devices=(DeviceStatus(device="d1", health=Health.UP, t=DAY, offset_ms=40, patient="P-2"), silent),
        alarms=("P-1.hr.1", "gw.x.2"),
    )  # fmt: skip
    (row,) = archived(lake, STATUS, [Record(0, DAY + 40, msgspec.json.encode(told), b"gw")])
    assert (row["devices"], row["unheard"], row["offset_device"], row["offset_ms"]) == (2, '["d2"]', "d2", -9000)
    assert (row["backlog"], row["rejected"], row["alarms"], row["clock_synchronised"]) == (2, 3, 2, True)
    assert "P-" not in str(row)


def test_of_a_minute_one_status_is_kept_of_each_gateway_and_every_change_of_health(lake: str) -> None:
    calm = statuses(gateways=2, seconds=120)
    fell = Record(len(calm), DAY + 119_500, gateway(0, DAY + 119_500, Health.SILENT), b"gw")
    back = Record(len(calm) + 1, DAY + 119_900, gateway(0, DAY + 119_900), b"gw")
    rows = archived(lake, STATUS, [*calm, fell, back])
    assert [(row["id"], row["health"]) for row in rows].count(("gw-0", "up")) == 3
    assert [(row["id"], row["health"]) for row in rows].count(("gw-0", "silent")) == 1
    assert [row["id"] for row in rows].count("gw-1") == 2
    # What was left out is passed all the same.
    last = last_manifest(open_lake(lake), STATUS.topic)
    assert last is not None
    assert last.next == {0: len(calm) + 2}


def test_a_day_of_forty_gateways_is_some_megabytes(lake: str) -> None:
    archived(lake, STATUS, statuses(gateways=40, seconds=60))
    assert 1440 * size_of(open_lake(lake), STATUS) < 25 << 20


def test_a_refusal_says_who_told_of_it_and_why_and_leaves_its_bytes_behind(lake: str) -> None:
    told = Rejected(topic="devices/d1/vitals", reason="no frame", t=DAY, payload=b"P-1 in pieces", readings=2)
    rows = archived(
        lake, REFUSED, [Record(k, DAY, msgspec.json.encode(told), key) for k, key in enumerate((b"gw", None))]
    )
    assert [row["reported_by"] for row in rows] == [None, "gw"]
    assert {(row["place"], row["reason"], row["readings"], row["payload_bytes"]) for row in rows} == {
        ("devices/d1/vitals", "no frame", 2, 13)
    }
    assert "P-1" not in str(rows)
