import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from cloud.lake import LakeError, MutableStore, open_lake, s3


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> MutableStore:
    """The contract holds for every adapter; S3 is moto's, by pyarrow's own client."""
    if request.param == "directory":
        return open_lake((tmp_path / "lake with space").as_uri())
    moto: Mapping[str, str] = request.getfixturevalue("moto")
    base, _, options = moto["LAKE"].partition("?")
    return open_lake(f"{base}/{uuid4().hex}?{options}")


def test_what_is_put_is_got_byte_for_byte(store: MutableStore) -> None:
    content = bytes(range(256)) * 5000
    store.put("a/b/c.parquet", content)
    assert store.get("a/b/c.parquet") == content


def test_an_object_written_again_replaces_itself(store: MutableStore) -> None:
    store.put("a/x.json", b"first")
    store.put("a/x.json", b"second")
    assert (store.get("a/x.json"), store.names("a")) == (b"second", ["a/x.json"])


def test_names_are_those_below_the_folder_in_order(store: MutableStore) -> None:
    for name in ("t/_manifests/2.json", "t/_manifests/1.json", "t/date=2026-11-22/t-0-0-5.parquet", "u/9.json"):
        store.put(name, b"x")
    assert store.names("t") == ["t/_manifests/1.json", "t/_manifests/2.json", "t/date=2026-11-22/t-0-0-5.parquet"]


def test_names_after_a_name_leave_out_it_and_what_sorts_before(store: MutableStore) -> None:
    for n in (1, 2, 10):
        store.put(f"t/_manifests/{n:03d}-batch.json", b"x")
    store.put("u/9.json", b"x")
    assert store.names("t/_manifests", after="t/_manifests/001-batch.json") == [
        "t/_manifests/002-batch.json",
        "t/_manifests/010-batch.json",
    ]
    assert store.names("t", after="t/_manifests/002") == ["t/_manifests/002-batch.json", "t/_manifests/010-batch.json"]
    assert store.names("t", after="t/_manifests/011") == []


def test_every_name_of_a_lake_is_listed_by_its_root_and_a_folder_is_no_prefix(store: MutableStore) -> None:
    store.put("vitals/1", b"x")
    store.put("vitals.scored/1", b"x")
    assert store.names("") == ["vitals.scored/1", "vitals/1"]
    assert store.names("vitals") == ["vitals/1"]


def test_a_folder_that_is_not_there_holds_nothing(store: MutableStore) -> None:
    assert store.names("nowhere/_manifests") == []


def test_an_object_that_is_not_there_is_an_error_that_names_it(store: MutableStore) -> None:
    with pytest.raises(LakeError, match=r"gone\.parquet"):
        store.get("a/gone.parquet")


def test_a_url_is_absolute(store: MutableStore) -> None:
    store.put("a/b.json", b"x")
    assert store.url("a/b.json").startswith(("file:///", "s3://"))
    assert store.url("a/b.json").endswith("/a/b.json")


def test_a_write_cut_short_by_a_crash_leaves_no_object(tmp_path: Path) -> None:
    store = open_lake(tmp_path.as_uri())
    store.put("a/x", b"x")
    (tmp_path / "a" / ".y.0123456789abcdef").write_bytes(
        b"hal"
    )  # what the crash leaves: bytes under the temporary name
    assert store.names("a") == ["a/x"]


def test_a_lake_that_cannot_be_written_says_where_and_what_to_check(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, not a folder")
    with pytest.raises(LakeError, match=r"cannot write .*file.*check the disk"):
        open_lake((tmp_path / "file").as_uri()).put("a", b"x")


@pytest.mark.parametrize(
    "url", ["http://x/y", "file:///", "s3:///prefix", "file://other-host/x", "lake", "s3://b/p?nonsense=1"]
)
def test_a_url_that_names_no_lake_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(ValueError, match="LAKE="):
        open_lake(url)


def test_of_two_that_create_one_name_the_first_succeeds_and_its_bytes_stay(store: MutableStore) -> None:
    assert store.create("a/m.json", b"first")
    assert not store.create("a/m.json", b"second")
    assert (store.get("a/m.json"), store.names("a")) == (b"first", ["a/m.json"])


def test_a_name_that_holds_these_very_bytes_counts_as_created(store: MutableStore) -> None:
    assert store.create("a/m.json", b"mine")
    assert store.create("a/m.json", b"mine")
    assert not store.create("a/m.json", b"another's")


def test_a_look_for_new_names_opens_no_folder_of_a_directory_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_lake(tmp_path.as_uri())
    for n in range(20):
        store.put(f"t/_manifests/{n:03d}.json", b"x")
        store.put(f"t/date=2026-11-{n:02d}/t-0.parquet", b"x")
    scan, opened = os.scandir, list[str]()
    monkeypatch.setattr(os, "scandir", lambda place: (opened.append(Path(place).name), scan(place))[1])
    assert store.names("t", after="t/date=2026-11-18") == [f"t/date=2026-11-{n}/t-0.parquet" for n in (18, 19)]
    assert sorted(opened) == ["date=2026-11-18", "date=2026-11-19", "t"]


class Conflicting:
    """An S3 client that answers 409 so many times before it writes."""

    def __init__(self, times: int) -> None:
        self.left = times

    def put_object(self, **_: object) -> None:
        if self.left:
            self.left -= 1
            answer = {"Error": {"Code": "ConditionalRequestConflict", "Message": "at this moment"}}
            raise ClientError(answer, "PutObject")


@pytest.mark.parametrize("times", [1, len(s3.WAITS_S), 1 + len(s3.WAITS_S)])
def test_a_conflict_is_tried_again_and_never_taken_for_a_race_that_was_lost(
    monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(s3, "time", SimpleNamespace(sleep=waits.append))
    store = open_lake("s3://bucket/lake?region=eu-west-1&endpoint_override=http://127.0.0.1:9")
    vars(store)["_s3"] = Conflicting(times)
    if times > len(s3.WAITS_S):
        with pytest.raises(LakeError, match=r"cannot write s3://bucket/lake/a/m\.json"):
            store.create("a/m.json", b"mine")
    else:
        assert store.create("a/m.json", b"mine")
    assert tuple(waits) == s3.WAITS_S[:times]


def test_a_removed_object_is_gone_and_removing_it_again_is_no_error(store: MutableStore) -> None:
    store.put("a/x", b"x")
    store.put("a/xy", b"y")
    store.remove("a/x")
    store.remove("a/x")
    assert store.names("a") == ["a/xy"]


def test_forgetting_older_versions_leaves_what_an_object_holds_now(store: MutableStore) -> None:
    store.put("a/x", b"first")
    store.put("a/x", b"second")
    store.forget("a/x")
    assert store.get("a/x") == b"second"
