"""The MQTT brokers: one per gateway, as its Raspberry Pi has, and the site's, with TLS and client certificates."""

import os
import pwd
from pathlib import Path

from infra.local.machine import find_program
from infra.local.pki import Identity
from infra.local.ports import HOST
from infra.local.probes import mqtt_accepts
from infra.local.process import PartError, Spec, base_env

QUEUE_BYTES = 64 * 2**20
"""Bound of what a broker keeps for one absent client. Their count has none, because Mosquitto acknowledges what it
drops at one (eclipse/mosquitto #3687)."""
IOT_PAYLOAD_BYTES = 128 * 1024
"""AWS IoT Core's limit for one message, kept here too so that what passes locally passes there."""

# A device writes under its own client id alone. Lights, buzzers and buttons at the bed use beds/#.
# `pattern`, though it holds no name: a session restored after a restart has no `topic` rules until its client is back,
# and Mosquitto 2.0 acknowledges and drops whatever it must not read; patterns hold for it from the start.
DEVICE_ACL = """\
pattern read devices/#
topic readwrite beds/#
pattern write devices/%c/#
"""

# A gateway's name is its certificate's common name; `bridge` is the only one that sees or steers all gateways, and
# `load` (`infra/load`) speaks for many, on a local stack alone.
SITE_ACL = """\
user bridge
topic read gateways/#
topic write gateways/+/+/roster
topic write gateways/+/+/actions
topic write gateways/+/+/confirmed
topic write gateways/+/+/heartbeat
topic write gateways/+/+/clock

user load
topic write gateways/+/+/vitals
topic read gateways/+/+/confirmed

pattern write gateways/+/%u/vitals
pattern write gateways/+/%u/status
pattern write gateways/+/%u/rejected
pattern write gateways/+/%u/pressed
pattern read gateways/+/%u/roster
pattern read gateways/+/%u/actions
pattern read gateways/+/%u/confirmed
pattern read gateways/+/%u/heartbeat
pattern read gateways/+/%u/clock
"""


def device_broker(name: str, folder: Path, port: int) -> Spec:
    """A gateway's own broker: no password, on loopback alone.

    Its PUBACK is durable to within two seconds: it saves when more than one full second has passed. Without autosave a
    kill loses everything acknowledged, and at each change it would write its whole queue for each message.
    """
    lines = ["allow_anonymous true", "autosave_interval 1", "autosave_on_changes false"]
    return _broker(name, folder, port, acl=DEVICE_ACL, lines=lines, probe=None)


def site_broker(folder: Path, port: int, server: Identity, probe: Identity, host: str = HOST) -> Spec:
    """The site's broker, which stands for AWS IoT Core: TLS 1.2 or newer, a certificate from everyone.

    It need not be durable at each change: a gateway keeps every batch until Kafka holds it.
    """
    lines = ["allow_anonymous false", f"cafile {server.ca}", f"certfile {server.cert}", f"keyfile {server.key}"]
    lines += [
        "tls_version tlsv1.2",
        "require_certificate true",
        "use_identity_as_username true",
        "autosave_interval 60",
    ]
    lines += [f"message_size_limit {IOT_PAYLOAD_BYTES}"]
    return _broker("site-broker", folder, port, acl=SITE_ACL, lines=lines, probe=probe, host=host)


def _broker(
    name: str, folder: Path, port: int, *, acl: str, lines: list[str], probe: Identity | None, host: str = HOST
) -> Spec:
    program = find_program("mosquitto")
    if program is None:
        raise PartError("Mosquitto is not installed: run make setup")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "acl").write_text(acl)
    (folder / "acl").chmod(0o600)
    user = pwd.getpwuid(os.geteuid()).pw_name
    common = ["per_listener_settings false", f"user {user}", f"listener {port} {host}", f"acl_file {folder / 'acl'}"]
    common += [
        "persistence true",
        f"persistence_location {folder}/",
        "persistent_client_expiration 7d",
        "set_tcp_nodelay true",
    ]
    common += [
        "max_queued_messages 0",
        f"max_queued_bytes {QUEUE_BYTES}",
        "max_inflight_messages 0",
        "log_type warning",
    ]
    common += ["log_type error", "log_type notice", "log_timestamp_format %Y-%m-%dT%H:%M:%S"]
    (folder / "mosquitto.conf").write_text("\n".join(common + lines) + "\n")
    argv = (program, "-c", str(folder / "mosquitto.conf"))
    return Spec(name, argv, base_env(), ready=lambda: mqtt_accepts(port, probe), ready_timeout_s=15)
