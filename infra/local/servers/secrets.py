"""Secrets that tiers of one stack share: drawn at first use, and readable only by the stack folder's owner."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

NAMES: Final = ("LINK_KEY", "RAY_AUTH_TOKEN")


def shared_secrets(var: Path) -> dict[str, str]:
    """Returns the secrets by the name of their setting; a restarted stack keeps its own."""
    var.mkdir(parents=True, exist_ok=True)
    path = var / "secrets.json"
    if not path.exists():
        drawn = {name: secrets.token_urlsafe(32) for name in NAMES}
        # Created with its mode and complete in one step: two concurrent starts end with one file.
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        temporary.touch(mode=0o600)
        temporary.write_text(json.dumps(drawn))
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    found: dict[str, str] = json.loads(path.read_text())
    return found
