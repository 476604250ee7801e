"""`make verify SHARED=folder`: the checks against recordings and reference documents that are not in this project."""

import os
import subprocess
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Runs `tests/verify` with the folder of recordings; the exit status is pytest's."""
    folder = Path(arguments[0] if arguments else "../shared").resolve()
    if not (folder / "reference").is_dir():
        sys.stderr.write(f"{folder} has no folder `reference`; name the one that has: make verify SHARED=folder\n")
        return 1
    argv = [sys.executable, "-m", "pytest", "tests/verify"]
    return subprocess.run(argv, env={**os.environ, "SHARED": str(folder)}, check=False).returncode  # noqa: S603 - our own words


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
