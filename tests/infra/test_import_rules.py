import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("vitals", "edge", "bridge", "cloud", "firmware_sim", "infra")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The judge as it is, beside parts that are empty, with the project's own rule."""
    for part in PARTS:
        (tmp_path / part).mkdir()
        (tmp_path / part / "__init__.py").touch()
    (tmp_path / "vitals/alarm_events.py").touch()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "tests/truth", tmp_path / "tests/truth", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--contract", "judge"]
    return subprocess.run(argv, cwd=tree, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def test_the_judge_as_it_is_keeps_the_import_rules(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", ["judge", "judging/due", "drawn"])
def test_a_judge_that_imports_the_product_through_another_module_is_caught(tree: Path, module: str) -> None:
    file = tree / f"tests/truth/{module}.py"
    file.write_text(file.read_text(encoding="utf-8") + "\nimport tests.truth.helper\n", encoding="utf-8")
    (tree / "tests/truth/helper.py").write_text("import vitals.alarm_events\n", encoding="utf-8")
    done = lint(tree)
    assert done.returncode == 1
    assert "tests.truth.helper -> vitals.alarm_events" in done.stdout
