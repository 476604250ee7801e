"""`python -m infra.demo`: see `make demo`."""

import json
import logging
import os
import signal
import sys

from infra.demo.report import shortcomings
from infra.demo.run import bounded, endless
from infra.demo.scenario import WARDS
from infra.demo.screen import open_screen
from infra.demo.settings import DemoSettings
from infra.local.doctor import examine
from infra.local.maven_jars import JarsError
from infra.local.ports import Ports, PortTakenError
from infra.local.process import PartError
from infra.local.stack import LocalStack
from vitals.runtime.settings import SettingsError, load


def _missing(settings: DemoSettings) -> list[str]:
    """What keeps the demo from starting; asked before anything starts."""
    var = settings.var / "demo"
    LocalStack(var).down()
    stack = LocalStack(var, ports=Ports.from_base(settings.port_base, len(WARDS)), gateways=tuple(WARDS))
    return [str(finding) for finding in examine(stack)]


def main() -> int:
    """Returns the exit status: 1 when the path did not deliver or could not start, with the reason."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = load(DemoSettings, os.environ)
        if missing := _missing(settings):
            sys.stderr.writelines(f"{line}\n" for line in missing)
            return 1
        with open_screen() as screen:
            if settings.duration is None:
                endless(settings, screen)
                return 0
            result, _ = bounded(settings, screen)
    except KeyboardInterrupt:
        sys.stdout.write("\nEnded; nothing runs any more. Logs and data are in var/demo.\n")
        return 0
    except (SettingsError, PartError, PortTakenError, JarsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if settings.report is not None:
        settings.report.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    short = shortcomings(result)
    sys.stderr.writelines(f"not delivered: {line}\n" for line in short)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
