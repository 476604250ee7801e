"""Gateway and bridge on a broker that is held to AWS IoT Core's limits, through a cut: `make pi`, some two minutes.

The broker is `tests/pi/iot`, in Go: a certificate from every client, at most 100 messages on their way to each,
128 KiB a message, a session of an hour, QoS 1. It has no policies, no account's rates and no other end of the world.
Where Go or its modules cannot be had the test is not run, and says why.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge.status import cli
from infra.demo.fault_proxy import Relay
from infra.local.pki import Authority, Identity
from infra.local.ports import Ports
from infra.local.probes import mqtt_accepts
from infra.local.process import Spec, base_env
from infra.local.stack import DEVICE_BROKERS, KAFKA, LocalStack
from tests.bridge.hospital import Site
from tests.support.waiting import until
from vitals.wire import topics
from vitals.wire.vitals_record import decode_vitals

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCE: Final = Path(__file__).with_name("iot")
GATEWAY: Final = "gw-iot"
MONITORS, CADENCE_S, SECONDS, CUT_S = 24, 0.5, 50.0, 20.0
BUILT_WITHIN_S: Final = 240


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go, program = shutil.which("go"), tmp_path_factory.mktemp("iot") / "iot"
    if go is None:
        pytest.skip("not run: Go is not installed")
    words = [go, "build", "-o", str(program), "."]
    env = os.environ | {"GOFLAGS": "-mod=readonly", "CGO_ENABLED": "0"}
    built = subprocess.run(  # noqa: S603 - own words
        words, cwd=SOURCE, env=env, capture_output=True, text=True, check=False, timeout=BUILT_WITHIN_S
    )
    if built.returncode:
        pytest.skip(f"not run: {built.stderr.strip().splitlines()[-1]}")
    return program


@contextmanager
def standing(folder: Path, program: Path) -> Iterator[tuple[Site, int]]:
    """Kafka, the gateway's own broker, and above it the one with the limits; yields its port."""
    ports = Ports.ephemeral(1)
    stack = LocalStack(folder, ports=ports, gateways=(GATEWAY,), parts=(DEVICE_BROKERS, KAFKA))
    with stack:
        authority = Authority(folder / "pki")
        server, probe = authority.server("iot"), authority.client("probe")
        argv = (str(program), str(ports.site), str(server.ca), str(server.cert), str(server.key))
        spec = Spec("iot", argv, base_env(), ready=lambda: mqtt_accepts(ports.site, probe))
        stack.processes.start(spec)
        stack.processes.wait_ready(spec)
        site = Site(stack)
        try:
            yield site, ports.site
        finally:
            site.close()
            stack.processes.end(["iot"])


def has_outbox(directory: Path) -> bool:
    """Whether the gateway has made its tables: the file is there before they are."""
    try:
        accepted(directory)
    except sqlite3.OperationalError:
        return False
    return True


def accepted(data: Path) -> set[tuple[str, int, int]]:
    return {
        (line["device"], line["boot"], seq)
        for line in cli.accepted(data)
        for first, last in line["ranges"]
        for seq in range(first, last + 1)
    }


def stored(site: Site) -> list[tuple[str, int, int]]:
    records = [decode_vitals(value) for _, value in site.read(topics.VITALS)]
    return [identity for record in records for identity in record.identities()]


@pytest.mark.timeout(540)
def test_all_that_was_accepted_is_in_kafka_after_a_cut(broker: Path, tmp_path: Path) -> None:
    data = tmp_path / "edge"
    with standing(tmp_path / "stack", broker) as (site, port), Relay(port) as cable:
        stack, identity = site.stack, site.stack.identity(GATEWAY)
        # As the deployment sets it, and as AWS grants no more.
        site.start_bridge("bridge", UPLINK=f"mqtts://127.0.0.1:{port}", RECEIVE_MAXIMUM="100")
        environ = base_env() | {
            "GATEWAY": GATEWAY,
            "DEVICE_BROKER": stack.device_broker_url(GATEWAY),
            "UPLINK": f"mqtts://127.0.0.1:{cable.port}",
            "UPLINK_LIMITS": "iot-core",
            "UPLINK_CA": str(identity.ca),
            "UPLINK_CERT": str(identity.cert),
            "UPLINK_KEY": str(identity.key),
            "UPLINK_FLUSH_S": "1",
            "EDGE_DATA": str(data),
        }
        words = ["--ward", f"iot={MONITORS}@{stack.device_broker_url(GATEWAY)}", "--cadence", f"{CADENCE_S:g}"]
        words += ["--duration", f"{SECONDS:g}", "--seed", "7"]
        with subprocess.Popen([sys.executable, "-m", "edge"], env=environ, cwd=ROOT) as edge:
            try:
                until(lambda: has_outbox(data), "an outbox", 120)
                with subprocess.Popen([sys.executable, "-m", "firmware_sim", *words], env=base_env(), cwd=ROOT) as sim:  # noqa: S603 - own words
                    until(lambda: len(accepted(data)) > 5 * MONITORS, "readings accepted", 120, 0.5)
                    cable.pull()
                    threading.Event().wait(CUT_S)
                    cable.plug()
                    assert sim.wait(120) == 0
                sent = round(MONITORS * SECONDS / CADENCE_S)
                until(lambda: len(accepted(data)) == sent, f"{sent} readings accepted", 120, 0.5)
                until(lambda: accepted(data) <= set(stored(site)), "all of them in Kafka", 120, 0.5)
            finally:
                edge.send_signal(signal.SIGTERM)
                assert edge.wait(60) == 0
        found = stored(site)
        doubled = len(found) - len(set(found))
        sys.stderr.write(f"\non IoT Core's limits: {sent} accepted, {len(set(found))} in Kafka, {doubled} doubled\n")
        assert set(found) == accepted(data)


@pytest.mark.timeout(540)
def test_the_broker_holds_its_clients_to_the_limits(broker: Path, tmp_path: Path) -> None:
    """What the test above rests on: more than AWS grants is not granted here either."""
    authority = Authority(tmp_path / "pki")
    server, probe = authority.server("iot"), authority.client("probe")
    port = Ports.ephemeral(1).site
    argv = [str(broker), str(port), str(server.ca), str(server.cert), str(server.key)]
    with subprocess.Popen(argv, env=base_env()) as running:  # noqa: S603 - own words
        try:
            until(lambda: mqtt_accepts(port, probe), "the broker", 30)
            told = granted(port, probe)
        finally:
            running.terminate()
            running.wait(20)
    assert told == {"ReceiveMaximum": 100, "MaximumQoS": 1, "SessionExpiryInterval": 3600}


def granted(port: int, identity: Identity) -> dict[str, int]:
    """Asks for a week's session, and sends too large a message; returns what the broker grants."""
    found: list[Any] = []
    ended = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, client_id="probe", protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set(str(identity.ca), str(identity.cert), str(identity.key))
    client.on_connect = lambda _c, _d, _f, _r, granted: found.append(granted)
    client.on_disconnect = lambda *_: ended.set()
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
    properties.SessionExpiryInterval = 7 * 86_400
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    client.loop_start()
    until(lambda: bool(found), "an answer", 20)
    client.publish("a", b"x" * 100_000, qos=1).wait_for_publish(20)
    assert not ended.is_set()
    client.publish("a", b"x" * 128 * 1024, qos=1)
    assert ended.wait(20), "a message beyond 128 KiB was taken"
    client.disconnect()
    client.loop_stop()
    names = ("ReceiveMaximum", "MaximumQoS", "SessionExpiryInterval")
    return {name: int(getattr(found[0], name)) for name in names if hasattr(found[0], name)}
