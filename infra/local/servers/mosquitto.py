"""The MQTT brokers: one per gateway, as its Raspberry Pi has, and the site's, with TLS and client certificates."""

import os
import pwd
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from infra.local.ports import HOST
from infra.local.prerequisites import find_program
from infra.local.probes import mqtt_accepts
from infra.local.process import PartError, Spec, base_env
from infra.local.servers.pki import Identity

QUEUE_BYTES: Final = 64 * 2**20
"""Bound of what a broker keeps for one absent client. Their count has none, because Mosquitto acknowledges what it
drops at one (eclipse/mosquitto #3687)."""
SITE: Final = Path(__file__).resolve().parents[2] / "site"
"""The site broker's configuration as a hospital gets it."""
BRIDGE: Final = "bridge"
"""The bridge to which the shipped access rules give a block."""
LOADS: Final = tuple(f"load-{number}" for number in range(16))
"""Clients that speak for many gateways each (`infra/load`), on a local stack alone."""

# A device writes under its own client id alone. Lights, buzzers and buttons at the bed use beds/#.
# `pattern`, though it holds no name: a session restored after a restart has no `topic` rules until its client is back,
# and Mosquitto 2.0 acknowledges and drops whatever it must not read; patterns hold for it from the start.
DEVICE_ACL: Final = """\
pattern read devices/#
topic readwrite beds/#
pattern write devices/%c/#
"""

LOAD_ACL: Final = """\
user {name}
topic write gateways/+/+/vitals
topic read gateways/+/+/confirmed

"""


def device_broker(name: str, folder: Path, port: int) -> Spec:
    """A gateway's own broker: no password, on loopback alone.

    Its PUBACK is durable to within two seconds: it saves when more than one full second has passed. Without autosave a
    kill loses everything acknowledged, and at each change it would write its whole queue for each message.
    """
    lines = ["per_listener_settings false", f"listener {port} {HOST}", "allow_anonymous true"]
    lines += [f"acl_file {folder / 'acl'}", "persistence true", f"persistence_location {folder}/"]
    lines += ["autosave_interval 1", "autosave_on_changes false", "persistent_client_expiration 7d"]
    lines += ["set_tcp_nodelay true", "max_inflight_messages 0", "max_queued_messages 0"]
    lines += [f"max_queued_bytes {QUEUE_BYTES}", "log_type warning", "log_type error", "log_type notice"]
    return _broker(name, folder, port, acl=DEVICE_ACL, lines=lines, probe=None)


def site_broker(
    folder: Path,
    port: int,
    server: Identity,
    probe: Identity,
    *,
    bridges: Collection[str] = (BRIDGE,),
    host: str = HOST,
) -> Spec:
    """The site's broker, configured by `infra/site`, which stands for AWS IoT Core.

    Args:
        folder: Holds its files.
        port: Port that it listens on.
        server: Its certificate.
        probe: Certificate of a client that sees whether it serves.
        bridges: Names of the bridges that may connect.
        host: Address that it listens on.
    """
    own = {
        "listener": f"{port} {host}",
        "cafile": f"{server.ca}",
        "certfile": f"{server.cert}",
        "keyfile": f"{server.key}",
        "persistence_location": f"{folder}/",
        "acl_file": f"{folder / 'acl'}",
    }
    acl = site_acl(bridges) + "".join(LOAD_ACL.format(name=name) for name in LOADS)
    return _broker("site-broker", folder, port, acl=acl, lines=site_settings(own), probe=probe)


def site_settings(own: Mapping[str, str]) -> list[str]:
    """Returns the shipped settings of a site broker, line by line, with the values of `own` in place of theirs.

    Raises:
        KeyError: A setting of `own` is not among the shipped ones.
    """
    lines = [line for line in (SITE / "mosquitto.conf").read_text().splitlines() if line and not line.startswith("#")]
    names = [line.partition(" ")[0] for line in lines]
    if unknown := own.keys() - set(names):
        raise KeyError(f"not in {SITE / 'mosquitto.conf'}: {', '.join(sorted(unknown))}")
    return [f"{name} {own[name]}" if name in own else line for name, line in zip(names, lines, strict=True)]


def site_acl(bridges: Collection[str]) -> str:
    """Returns the shipped access rules, with the bridge's block once for each of `bridges`."""
    blocks = (SITE / "site.acl").read_text().split("\n\n")
    (block,) = [each for each in blocks if f"user {BRIDGE}" in each.splitlines()]
    others = [block.replace(f"user {BRIDGE}\n", f"user {name}\n") for name in bridges if name != BRIDGE]
    # Rules for one user hold from its line to the next one: patterns, which hold for everyone, may stand anywhere.
    return "\n\n".join([*blocks, *others]) + "\n\n"


def _broker(name: str, folder: Path, port: int, *, acl: str, lines: list[str], probe: Identity | None) -> Spec:
    program = find_program("mosquitto")
    if program is None:
        raise PartError("Mosquitto is not installed: run make setup")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "acl").write_text(acl)
    (folder / "acl").chmod(0o600)
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    (folder / "mosquitto.conf").write_text("\n".join([*lines, user, "log_timestamp_format %Y-%m-%dT%H:%M:%S"]) + "\n")
    argv = (program, "-c", str(folder / "mosquitto.conf"))
    return Spec(name, argv, base_env(), ready=lambda: mqtt_accepts(port, probe), ready_timeout_s=15)
