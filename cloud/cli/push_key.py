"""`python -m cloud push-key`: prints a new private key for Web Push (`PUSH_KEY`)."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from cloud.push_services import new_private_key


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    del environ
    argparse.ArgumentParser(prog="python -m cloud push-key", description=__doc__).parse_args(argv)
    sys.stdout.write(f"{new_private_key()}\n")
    return 0
