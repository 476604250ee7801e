"""A Raspberry Pi's processor on this machine: Debian's arm64 packages and the lock's wheels, run by qemu.

Nothing of the machine is changed: apt works in folders of its own, and its packages are unpacked, not installed.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("python3.11", "libpython3.11-stdlib", "libstdc++6", "ca-certificates")
PYTHON: Final = "usr/bin/python3.11"
QEMU: Final = "qemu-aarch64-static"
TESTING: Final = ("pytest", "pytest-timeout", "hypothesis")
PLATFORM: Final = ("--python-platform", "aarch64-unknown-linux-gnu", "--python-version", "3.11")
WITHIN_S: Final = 180


class NotHadError(RuntimeError):
    """A package cannot be had here; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Board:
    """A Debian for aarch64 in a folder, with what a gateway needs.

    Attributes:
        root: Its root folder.
        site: Its Python packages.
        qemu: What runs its programs.
    """

    root: Path
    site: Path
    qemu: str

    def python(self, *words: str) -> list[str]:
        """The command that runs its Python."""
        return [self.qemu, "-L", str(self.root), str(self.root / PYTHON), *words]

    def env(self) -> dict[str, str]:
        """The environment in which its Python finds the project and the packages."""
        return {"PYTHONPATH": f"{self.site}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


def board(folder: Path) -> Board:
    """Makes one.

    Raises:
        NotHadError: A package cannot be had.
    """
    root, site = folder / "root", folder / "site"
    apt = _apt(folder / "apt", "arm64")
    _asked("apt-get", *apt, "update")
    _asked("apt-get", *apt, "install", "--yes", "--download-only", "--no-install-recommends", *PACKAGES)
    _unpacked(folder / "apt" / "cache" / "archives", root)
    exported = folder / "dev.txt"
    uv, quiet = str(Path(sys.executable).parent / "uv"), ("--quiet",)
    words = ("--frozen", "--only-group", "dev", "--no-emit-project", "--no-hashes", "--output-file", str(exported))
    _asked(uv, "export", *quiet, *words)
    to = ("--only-binary", ":all:", "--target", str(site))
    _asked(uv, "pip", "install", *quiet, *PLATFORM, *to, "--require-hashes", "-r", str(ROOT / "infra/pi/edge.lock"))
    _asked(uv, "pip", "install", *quiet, *PLATFORM, *to, "--constraint", str(exported), *TESTING)
    return Board(root, site, _qemu(folder / "qemu"))


def _qemu(folder: Path) -> str:
    """Returns what runs aarch64's programs: the machine's own, or one that is fetched for it."""
    if own := shutil.which(QEMU):
        return own
    archives = folder / "archives"
    archives.mkdir(parents=True)
    _asked("apt-get", "--quiet", "update")
    _asked("apt-get", "--quiet", "download", "qemu-user-static", cwd=archives)
    _unpacked(archives, folder / "root")
    return str(folder / "root" / "usr/bin" / QEMU)


def _apt(folder: Path, architecture: str) -> list[str]:
    """Returns the options by which apt works for another architecture, in folders of its own, from the same places."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    own = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": "1",
        "APT::Sandbox::User": "root",
    }
    return ["--quiet", *(word for key, value in own.items() for word in ("--option", f"{key}={value}"))]


def _unpacked(archives: Path, root: Path) -> None:
    for package in sorted(archives.glob("*.deb")):
        _asked("dpkg-deb", "--extract", str(package), str(root))


def _asked(*argv: str, cwd: Path = ROOT) -> None:
    env = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - this module's own words
            argv, capture_output=True, text=True, check=False, timeout=WITHIN_S, cwd=cwd, env=env
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHadError(f"{argv[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotHadError(f"{' '.join(argv[:2])}: {said[-1] if said else done.returncode}")
