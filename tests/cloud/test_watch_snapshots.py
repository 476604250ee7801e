"""One contract for both places where snapshots are kept, whole or failing, and the thread that writes them."""

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from cloud.alarm.snapshot import writer as keeping
from cloud.alarm.snapshot.encoding import EngineSnapshot, decode, encode
from cloud.alarm.snapshot.store import SnapshotError, Snapshots, open_snapshots
from cloud.alarm.snapshot.writer import SnapshotWriter
from cloud.kafka.partitioning import Partitioning


@pytest.fixture(params=["file", "s3"])
def snapshots(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshots:
    if request.param == "file":
        return open_snapshots((tmp_path / "a folder").as_uri())
    endpoint = request.getfixturevalue("moto")["AWS_ENDPOINT_URL"]
    bucket = f"snapshots-{uuid.uuid4().hex[:8]}"
    region = {"LocationConstraint": "eu-west-1"}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=region)
    s3.close()
    return open_snapshots(f"s3://{bucket}/watch?endpoint_override={endpoint}")


def test_what_was_put_last_is_what_is_got(snapshots: Snapshots) -> None:
    assert snapshots.get("p1") is None
    snapshots.put("p1", b"one")
    snapshots.put("p2", b"other")
    snapshots.put("p1", b"two")
    assert snapshots.get("p1") == b"two"
    assert snapshots.get("p2") == b"other"


def test_a_put_leaves_nothing_half_written_beside_it(tmp_path: Path) -> None:
    open_snapshots(tmp_path.as_uri()).put("p1", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["p1.snapshot"]


@pytest.mark.parametrize("url", ["", "snapshots", "ftp://x/y", "s3:///prefix"])
def test_a_url_that_names_no_place_is_refused_with_the_setting(url: str) -> None:
    with pytest.raises(SnapshotError, match="WATCH_SNAPSHOTS"):
        open_snapshots(url)


@pytest.fixture(params=["a file, no folder", "no bucket", "nobody listens"])
def failing(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Snapshots:
    """Each adapter as it fails: what it raises is one error, whatever its client library has."""
    if request.param == "a file, no folder":
        (tmp_path / "taken").write_text("a file where the folder was")
        return open_snapshots((tmp_path / "taken").as_uri())
    if request.param == "no bucket":
        endpoint = request.getfixturevalue("moto")["AWS_ENDPOINT_URL"]
        return open_snapshots(f"s3://no-bucket-{uuid.uuid4().hex[:8]}/watch?endpoint_override={endpoint}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    return open_snapshots("s3://bucket/watch?endpoint_override=http://127.0.0.1:9")


def test_a_place_that_fails_says_which_snapshot_and_what_to_check(failing: Snapshots) -> None:
    with pytest.raises(SnapshotError, match=r"p1\.snapshot cannot be written: .*WATCH_SNAPSHOTS"):
        failing.put("p1", b"one")
    with pytest.raises(SnapshotError, match=r"p1\.snapshot cannot be read: .*WATCH_SNAPSHOTS"):
        failing.get("p1")


def test_a_full_disk_is_not_filled_further_by_every_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    for _ in range(3):
        with pytest.raises(SnapshotError, match="No space left"):
            open_snapshots(tmp_path.as_uri()).put("p1", b"one")
    assert list(tmp_path.iterdir()) == []


class Gate:
    """A store that lets writes through one by one, or refuses them."""

    def __init__(self) -> None:
        self.let, self.reached = threading.Semaphore(0), threading.Semaphore(0)
        self.error: Exception | None = None
        self.written: list[tuple[str, bytes]] = []

    def put(self, name: str, data: bytes) -> None:
        self.reached.release()
        assert self.let.acquire(timeout=10)
        if self.error is not None:
            raise self.error
        self.written.append((name, data))

    def get(self, name: str) -> bytes | None:
        if self.error is not None:
            raise self.error
        return dict(self.written).get(name)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def keeper(gate: Gate) -> Iterator[SnapshotWriter]:
    keeper = SnapshotWriter(gate)
    yield keeper
    for _ in range(10):
        gate.let.release()
    assert keeper.close(10)


def test_while_a_store_hangs_the_loop_goes_on_and_of_each_slice_the_newest_waits(
    gate: Gate, keeper: SnapshotWriter
) -> None:
    keeper.put("p1", b"1")
    assert gate.reached.acquire(timeout=10)
    for n in range(2, 1000):
        keeper.put(f"p{n % 2}", b"%d" % n)
    assert not keeper.settle(0)
    for _ in range(3):
        gate.let.release()
    assert keeper.settle(10)
    assert gate.written == [("p1", b"1"), ("p0", b"998"), ("p1", b"999")]
    assert (keeper.saved, keeper.failing) == (2, 0)


@pytest.mark.parametrize("error", [SnapshotError("the disk is full"), ValueError("a client library's own")])
def test_a_failure_is_counted_until_that_slice_is_written_again(
    gate: Gate, keeper: SnapshotWriter, error: Exception
) -> None:
    gate.error = error
    assert keeper.get("p1") is None
    keeper.put("p2", b"x")
    gate.let.release()
    assert keeper.settle(10)
    assert (keeper.failing, keeper.saved) == (2, 0)
    gate.error = None
    for name in ("p1", "p2"):
        keeper.put(name, b"x")
        gate.let.release()
    assert keeper.settle(10)
    assert (keeper.failing, keeper.saved) == (0, 2)


def test_a_store_that_hangs_keeps_a_start_no_longer_than_its_share() -> None:
    now = [0.0]

    class Hanging(Gate):
        def get(self, name: str) -> bytes | None:
            now[0] += 12.0
            raise SnapshotError(f"{name} cannot be read")

    keeper = SnapshotWriter(Hanging(), lambda: now[0])
    assert [keeper.get(f"p{n}") for n in range(100)] == [None] * 100
    assert now[0] <= keeping.READS_S + 12.0
    assert keeper.failing == 100
    assert keeper.close(10)


def test_every_damage_of_a_snapshot_is_told_from_a_snapshot() -> None:
    layout = Partitioning(2, 4)
    saved = EngineSnapshot(layout=(2, 4), positions=(), alarms=(), marks=(), clock=1, uneasy=("gw-1",), engine=b"e")
    data = encode(saved)
    assert decode(data, layout) == saved
    for damaged in (
        b"",
        data[:-1],
        data[1:],
        *(data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(len(data))),
    ):
        with pytest.raises(ValueError, match="damaged"):
            decode(damaged, layout)
    with pytest.raises(ValueError, match="layout"):
        decode(data, Partitioning(2, 8))
