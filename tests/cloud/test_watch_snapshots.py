"""One contract for both places where snapshots are kept."""

import uuid
from pathlib import Path

import boto3
import pytest

from cloud.watch.snapshots import SnapshotError, Snapshots, open_snapshots


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
