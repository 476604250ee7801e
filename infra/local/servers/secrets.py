"""Secrets that tiers of one stack share: drawn at first use, kept in the stack's folder for its owner alone."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

NAMES: Final = ("LINK_KEY", "RAY_AUTH_TOKEN")


def shared_secrets(var: Path) -> dict[str, str]:
    """Returns the secrets by the name of the setting that carries them; a stack that starts again keeps its own."""
    var.mkdir(parents=True, exist_ok=True)
    path = var / "secrets.json"
    if not path.exists():
        drawn = {name: secrets.token_urlsafe(32) for name in NAMES}
        # Made with its mode from the start, and whole or not there: two starts side by side end with one file.
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
