"""The archive of Spark's classes: made once of what is there, again when that changed, and missing without harm."""

from pathlib import Path

import pytest

from infra.local import jvm_class_archive
from infra.local.ports import Ports
from infra.local.services import tiers
from infra.local.stack import LocalStack


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `cloud classes` that writes down that it was asked, and does what `answer` beside it says."""
    package = tmp_path / "cloud"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(
        "import pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "print(sys.argv[1:], file=(here / 'asked').open('a'))\n"
        "pathlib.Path(sys.argv[2]).write_bytes(b'x')\n"
        "sys.exit((here / 'answer').exists())\n"
    )
    monkeypatch.chdir(tmp_path)
    return package


def test_it_is_made_once_and_again_when_its_parts_changed(asked: Path, tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    old, new = (jvm_class_archive.made_of(Path("/jars"), java, "4.2.0") for java in ("17.0.1", "17.0.2"))
    assert old != new
    assert [jvm_class_archive.make(archive, parts, "a.jar") for parts in (old, old, new)] == [True, True, True]
    assert (asked / "asked").read_text() == f"['classes', '{archive}']\n" * 2


def test_that_it_cannot_be_made_is_told_and_tried_again_by_the_next_setup(
    asked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "classes.jsa"
    (asked / "answer").touch()
    assert not jvm_class_archive.make(archive, "parts", "a.jar")
    assert "Spark will start later than it could" in capsys.readouterr().out
    (asked / "answer").unlink()
    assert jvm_class_archive.make(archive, "parts", "a.jar")


def test_scoring_and_archive_are_started_with_what_setup_makes(tmp_path: Path) -> None:
    found = {tier.name: tier.settings for tier in tiers(LocalStack(tmp_path, ports=Ports.ephemeral()))}
    assert found["score"]["SCORE_CLASSES"] == found["archive"]["ARCHIVE_CLASSES"] == str(jvm_class_archive.ARCHIVE)
