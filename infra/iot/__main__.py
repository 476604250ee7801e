"""`python -m infra.iot`: registers, lists, rotates and retires gateways and devices in AWS IoT Core.

Every step is one JSON line on standard output, and in the file of `--audit`. Run again, a command does what is left.
"""

import argparse
import datetime
import os
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import boto3

from infra.iot.account import Account, explained
from infra.iot.audit import Audit, Outcome
from infra.iot.fleet import DEVICE, GATEWAY, Member, read
from infra.iot.gateway_certificates import Credentials
from infra.iot.operations import REFUSALS, SIDE_BY_SIDE, Office
from infra.iot.registry import Registry

USAGE: Final = 2


def _arguments() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--dry-run", action="store_true", help="tell every step and take none")
    common.add_argument("--audit", type=Path, help="append the trail to this file as well")
    common.add_argument("--out", type=Path, default=Path("certificates"), help="folder for certificates (certificates)")
    parser = argparse.ArgumentParser(prog="python -m infra.iot", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", parents=[common], help="make thing types and policy, where CloudFormation has not")
    register = commands.add_parser("register", parents=[common], help="register one gateway or device")
    register.add_argument("kind", choices=[GATEWAY, DEVICE])
    register.add_argument("name")
    register.add_argument("--ward", required=True)
    for field in ("bed", "gateway", "serial", "firmware"):
        register.add_argument(f"--{field}", default="")
    register.add_argument("--csrs", type=Path, help="folder of certificate requests, GATEWAY.csr")
    fleet = commands.add_parser("import", parents=[common], help="register a whole fleet from a CSV file")
    fleet.add_argument("file", type=Path)
    fleet.add_argument("--csrs", type=Path, help="folder of certificate requests, GATEWAY.csr")
    listing = commands.add_parser("list", parents=[common], help="print the fleet, one JSON object a line")
    listing.add_argument("--kind", choices=[GATEWAY, DEVICE])
    listing.add_argument("--ward")
    rotate = commands.add_parser("rotate", parents=[common], help="a new certificate beside the old; then --finish")
    rotate.add_argument("name")
    step = rotate.add_mutually_exclusive_group(required=True)
    step.add_argument("--csr", type=Path, help="the new request, made on the gateway")
    step.add_argument("--finish", action="store_true", help="revoke all but the newest certificate")
    retire = commands.add_parser("retire", parents=[common], help="revoke the certificates, keep the record")
    retire.add_argument("name")
    return parser


def _members(chosen: argparse.Namespace) -> tuple[tuple[Member, ...], tuple[str, ...]]:
    if chosen.command == "import":
        with chosen.file.open(encoding="utf-8-sig", newline="") as lines:
            fleet = read(lines)
        return fleet.members, tuple(f"{chosen.file}: {error}" for error in fleet.errors)
    if chosen.command == "register":
        fields = ("kind", "name", "ward", "bed", "gateway", "serial", "firmware")
        return (Member(**{field: getattr(chosen, field) for field in fields}),), ()
    return (), ()


def _carry_out(office: Office, chosen: argparse.Namespace, members: tuple[Member, ...], prefix: str) -> None:
    match chosen.command:
        case "prepare":
            office.registry.prepare(prefix)
        case "list":
            now = datetime.datetime.now(datetime.UTC)
            office.list(sys.stdout, kind=chosen.kind, ward=chosen.ward, now=now)
        case "rotate":
            office.rotate(chosen.name, chosen.csr)
        case "retire":
            office.retire(chosen.name)
        case _:
            office.register_all(members)


def main(arguments: list[str], environ: Mapping[str, str]) -> int:
    """Runs one command; returns 0 when all is done, 1 when something failed, 2 when nothing was begun."""
    chosen = _arguments().parse_args(arguments)
    try:
        members, errors = _members(chosen)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        members, errors = (), (str(error),)
    if errors:
        sys.stderr.write("\n".join([*errors, "nothing was registered"]) + "\n")
        return USAGE
    with ExitStack() as files:
        places = [sys.stdout]
        try:
            if chosen.audit:
                places.append(files.enter_context(chosen.audit.open("a", encoding="utf-8")))
            account = Account(boto3.Session(), environ.get("AWS_ENDPOINT_URL"), connections=SIDE_BY_SIDE)
            audit = Audit(account.actor, places, lambda: datetime.datetime.now(datetime.UTC))
            with explained():
                registry = Registry(account.iot, audit, dry_run=chosen.dry_run)
                credentials = Credentials(registry, chosen.out, datetime.datetime.now(datetime.UTC))
                office = Office(registry, credentials, audit, getattr(chosen, "csrs", None))
                _carry_out(office, chosen, members, account.prefix)
        except (*REFUSALS, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(audit.counts.items()))
    if told:
        sys.stderr.write(f"{told}\n")
    return int(audit.counts[Outcome.FAILED] > 0)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], os.environ))
