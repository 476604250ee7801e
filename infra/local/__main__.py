"""`python -m infra.local up | env | down | doctor`: the outside parts of Wardwatch on this machine."""

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from infra.local.doctor import blocking, examine
from infra.local.maven_jars import JarsError
from infra.local.ports import Ports, PortTakenError
from infra.local.process import PartError
from infra.local.services import CANARY_S, admit_canaries, start_tiers, tiers
from infra.local.settings import LocalSettings
from infra.local.stack import LocalStack
from vitals.runtime.settings import SettingsError, load


def main(arguments: list[str]) -> int:
    """Runs one command; returns 1 with one clear line if it failed."""
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("command", choices=("up", "env", "down", "doctor"))
    parser.add_argument("--all", action="store_true", help="with up: start Wardwatch's own tiers too")
    parser.add_argument("--port-base", type=int, help="first of the consecutive ports (setting PORT_BASE)")
    parser.add_argument("--var", type=Path, help="folder of data, logs and records (setting VAR)")
    options = parser.parse_args(arguments)
    try:
        settings = load(LocalSettings, os.environ)
        stack = _stack(replace(settings, var=options.var or settings.var), options.port_base)
        return _run(options.command, stack, with_tiers=options.all, locations=settings.stack_locations)
    except (SettingsError, PortTakenError, PartError, JarsError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _stack(settings: LocalSettings, port_base: int | None) -> LocalStack:
    """Returns the running stack, else one on the requested ports."""
    stack = LocalStack(settings.var, gateways=settings.stack_gateways)
    if stack.running() and port_base is None:
        return stack
    ports = Ports.from_base(port_base or settings.port_base, len(settings.stack_gateways))
    return LocalStack(settings.var, ports=ports, gateways=settings.stack_gateways)


def _run(command: str, stack: LocalStack, *, with_tiers: bool, locations: Path | None) -> int:
    if command == "up":
        _up(stack, with_tiers=with_tiers, locations=locations)
    elif command == "env":
        if not stack.running():
            raise PartError(f"No stack runs in {stack.var}: python -m infra.local up")
        sys.stdout.writelines(f"{key}={value}\n" for key, value in stack.env().items())
    elif command == "down":
        names = ", ".join(stack.processes.alive()) or "nothing, for nothing ran"
        stack.down()
        sys.stdout.write(f"Ended {names}\n")
    else:
        findings = examine(stack)
        sys.stdout.writelines(f"{finding}\n" for finding in findings)
        sys.stdout.write("" if findings else "Nothing is missing: make demo will run.\n")
        return 1 if findings else 0
    return 0


def _up(stack: LocalStack, *, with_tiers: bool, locations: Path | None) -> None:
    if not stack.running() and (findings := examine(stack) if with_tiers else blocking(stack)):
        raise PartError("\n".join(str(finding) for finding in findings))
    stack.up()
    if with_tiers:
        start_tiers(stack, tiers(stack, canary_s=CANARY_S, locations=locations))
        admit_canaries(stack)
    sys.stdout.write(f"Up: {', '.join(stack.processes.alive())}. Addresses: python -m infra.local env\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
