"""The ward page's third-party files, from their npm packages, without npm: `python -m infra.web`.

Standard library alone. `PACKAGES` locks every archive with its SHA-256. An archive is fetched once a machine into the
cache that clones share; what the page serves is laid into `cloud/console/static/vendor`, which git ignores, so that the
page needs no internet. A wheel built after this contains the files as well.
"""

import hashlib
import io
import os
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.prerequisites import cache_folder

ROOT: Final = Path(__file__).resolve().parents[1]
VENDOR: Final = ROOT / "cloud" / "console" / "static" / "vendor"
REGISTRY: Final = "https://registry.npmjs.org"
TIMEOUT_S: Final = 60


class WebError(RuntimeError):
    """A package could not be fetched, or is not what was locked."""


@dataclass(frozen=True)
class Package:
    """One npm package.

    Attributes:
        name: Its name.
        version: Its version.
        sha256: Of its archive.
        files: What is kept of it: path in the archive, below `package/`, to name.
        served: Whether the page needs it; otherwise tests alone do.
    """

    name: str
    version: str
    sha256: str
    files: dict[str, str]
    served: bool

    @property
    def folder(self) -> Path:
        """Where it is kept; another archive is another folder, so a package is complete or absent."""
        return cache_folder() / "web" / f"{self.name}-{self.version}-{self.sha256[:12]}"


UPLOT: Final = Package(
    "uplot",
    "1.6.32",
    "4b8a8191e425658e3ea8c8c1314b0fc679c861ee3a1af2b20c7b16ba50b5133d",
    {"dist/uPlot.esm.js": "uplot.js", "dist/uPlot.min.css": "uplot.css", "LICENSE": "uplot.LICENSE"},
    served=True,
)
AXE: Final = Package(
    "axe-core",
    "4.14.1",
    "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
    {"axe.min.js": "axe.js", "LICENSE": "axe.LICENSE"},
    served=False,
)
PACKAGES: Final = (UPLOT, AXE)


def fetch(package: Package) -> Path:
    """Returns a package's folder, after fetching it unless it is there.

    Raises:
        WebError: The download failed, or the archive is not the locked one.
    """
    if package.folder.is_dir():
        return package.folder
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "").rstrip("/") or REGISTRY
    url = f"{registry}/{package.name}/-/{package.name}-{package.version}.tgz"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 - https, or what the user has set
            archive = answer.read()
    except (urllib.error.URLError, OSError) as error:
        raise WebError(
            f"{url} could not be fetched: {error}. Is the network there? NPM_CONFIG_REGISTRY names another registry"
        ) from error
    if hashlib.sha256(archive).hexdigest() != package.sha256:
        raise WebError(f"{url} is not what infra/web.py locks: a proxy may have changed it; run make setup again")
    part = package.folder.with_suffix(f".{os.getpid()}")
    part.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for path, name in package.files.items():
            member = tar.extractfile(f"package/{path}")
            if member is None:
                raise WebError(f"{package.name} {package.version} has no file {path}")
            (part / name).write_bytes(member.read())
    try:
        part.rename(package.folder)
    except OSError:  # another clone was faster
        shutil.rmtree(part)
    return package.folder


def install(vendor: Path = VENDOR) -> None:
    """Lays what the page serves into its static files; a second run changes nothing.

    Raises:
        WebError: See `fetch`.
    """
    for package in PACKAGES:
        folder = fetch(package)
        if not package.served:
            continue
        vendor.mkdir(parents=True, exist_ok=True)
        for name in package.files.values():
            if not (vendor / name).exists() or (vendor / name).read_bytes() != (folder / name).read_bytes():
                shutil.copyfile(folder / name, vendor / name)


def main() -> int:
    """Returns the exit status."""
    try:
        install()
    except WebError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
