"""`python -m bridge`: runs a bridge. Settings: `bridge.settings`, documented in `docs/bridge.md`."""

import os
import sys

from bridge.service import start
from bridge.settings import Settings
from vitals.runtime import daemon

if __name__ == "__main__":
    sys.exit(daemon.run("bridge", Settings, start, os.environ))
