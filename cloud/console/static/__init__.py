"""The page's static files, and the version of all of them together.

The page's modules are served under their version, so that a page never runs modules of two: neither a service worker,
nor a cache, nor an upgrade in between can mix them.
"""

import hashlib
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
TYPES: Final = frozenset({".js", ".css", ".html", ".svg"})


def version_of(folder: Path) -> str:
    """Returns 12 hexadecimal digits that change with names and contents of the page's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in TYPES:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


VERSION: Final = version_of(FOLDER)
SHELL: Final = (FOLDER / "app.html").read_text("utf-8").replace("/static/@/", f"/static/{VERSION}/")
"""The page, which names its modules with their version."""
