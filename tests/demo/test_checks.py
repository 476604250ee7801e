"""Documents are checked against the code."""

from pathlib import Path

from tests.docs import checks

TABLE = "| Hazard | Control | Test |\n|---|---|---|\n"


def hazards(tmp_path: Path, row: str) -> list[str]:
    (tmp_path / "docs").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("def test_there() -> None: ...\n")
    (tmp_path / "docs" / "hazards.md").write_text(TABLE + row)
    return checks.hazards(tmp_path)


def test_a_hazard_with_its_test_passes(tmp_path: Path) -> None:
    assert hazards(tmp_path, "| lost | kept | `tests/test_x.py::test_there` |\n") == []


def test_a_hazard_whose_test_does_not_exist_is_told(tmp_path: Path) -> None:
    assert hazards(tmp_path, "| lost | kept | `tests/test_x.py::test_gone` |\n") == [
        "docs/hazards.md:3: there is no test tests/test_x.py::test_gone"
    ]


def test_a_hazard_without_a_test_is_told(tmp_path: Path) -> None:
    assert len(hazards(tmp_path, "| lost | kept | none yet |\n")) == 1


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("[there](docs/a.md) [gone](docs/b.md)\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("text\n")
    assert checks.links(tmp_path) == ["README.md:1: docs/b.md does not exist"]
