"""The local stack of real parts."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import boto3
import paho.mqtt.client as mqtt
import psutil
import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from paho.mqtt.enums import CallbackAPIVersion
from pyarrow import fs

from infra.local.memory_usage import PeakMemory
from infra.local.ports import Ports, PortTakenError, is_free
from infra.local.process import MARK
from infra.local.stack import DEVICE_BROKERS, PARTS, POSTGRES, SITE_BROKER, LocalStack
from tests.support.waiting import within

CHEAP = (DEVICE_BROKERS, SITE_BROKER, POSTGRES)


def left_of(var: Path) -> list[int]:
    """Every living process that bears the mark of a stack."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").startswith(f"{var}:"):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def local(*words: str, var: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "infra.local", *words, "--var", str(var)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=env)  # noqa: S603 - own words


def test_every_part_answers_at_the_address_that_env_prints(stack: LocalStack) -> None:
    env = stack.env()
    assert AdminClient({"bootstrap.servers": env["KAFKA_BOOTSTRAP"]}).list_topics(timeout=10).brokers
    with psycopg.connect(env["WAREHOUSE"]) as connection:
        assert connection.execute("SELECT current_database()").fetchone() == ("wardwatch",)
    lake, prefix = fs.FileSystem.from_uri(env["LAKE"])
    with lake.open_output_stream(f"{prefix}/test_stack/one") as file:
        file.write(b"1")
    assert lake.get_file_info(f"{prefix}/test_stack/one").size == 1
    sqs = boto3.client("sqs", endpoint_url=env["AWS_ENDPOINT_URL"])
    assert sqs.get_queue_attributes(QueueUrl=env["ALERT_OUTBOX_URL"])["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_parts_listen_on_loopback_alone(stack: LocalStack) -> None:
    ours = {port for _, port in stack.ports.named()}
    listening = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN and c.laddr[1] in ours]
    assert len(listening) >= len(stack.processes.alive())
    assert {c.laddr[0].removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}


def test_kafka_makes_no_topic_by_accident(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.list_topics("never-made", timeout=10)
    assert "never-made" not in {n for n, t in admin.list_topics(timeout=10).topics.items() if t.error is None}


def test_memory_is_told_apart_by_part(stack: LocalStack) -> None:
    memory = PeakMemory(stack.processes)
    memory.sample()
    peak = dict(memory.peak_mb)
    total = peak.pop("total")
    assert peak["kafka"] > 50 > peak["site-broker"] > 0
    assert total == pytest.approx(sum(peak.values()))  # no bound: the suite shares the stack, and its heaps grow


class Published:
    """One MQTT 5 client that publishes once and remembers the broker's reason code."""

    def __init__(self, port: int, client_id: str, topic: str, tls: tuple[Path, Path, Path] | None = None) -> None:
        self.reason: int | None = None
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        client.on_publish = lambda _c, _u, _m, reason, _p: setattr(self, "reason", reason.value)
        if tls:
            client.tls_set(*(str(path) for path in tls))
        client.connect("127.0.0.1", port)
        client.loop_start()
        client.publish(topic, b"{}", qos=1)
        assert within(10, lambda: self.reason is not None)
        client.disconnect()
        client.loop_stop()


NOT_AUTHORIZED = 135


@pytest.mark.parametrize(("topic", "refused"), [("devices/bed-1/vitals", False), ("devices/bed-2/vitals", True)])
def test_a_device_writes_under_its_own_name_alone(mosquitto: LocalStack, topic: str, refused: bool) -> None:
    published = Published(mosquitto.ports.devices[0], "bed-1", topic)
    assert (published.reason == NOT_AUTHORIZED) is refused


@pytest.mark.parametrize(
    ("name", "topic", "refused"),
    [
        ("gw-icu", "gateways/3/gw-icu/vitals", False),
        ("gw-icu", "gateways/3/gw-med/vitals", True),
        ("gw-icu", "gateways/3/gw-icu/confirmed", True),
        ("bridge", "gateways/3/gw-icu/confirmed", False),
        ("bridge", "gateways/3/gw-icu/vitals", True),
    ],
)
def test_a_certificate_decides_what_a_site_client_may_publish(
    mosquitto: LocalStack, name: str, topic: str, refused: bool
) -> None:
    identity = mosquitto.identity(name)
    published = Published(mosquitto.ports.site, "any", topic, (identity.ca, identity.cert, identity.key))
    assert (published.reason == NOT_AUTHORIZED) is refused


class SiteClient:
    """A connection to the site broker that keeps what it hears.

    Args:
        site: The brokers.
        name: Common name of its certificate.
        claims: Client id that it gives.
        clean: Whether it drops what waits for that id.
    """

    def __init__(self, site: LocalStack, name: str, claims: str, *, clean: bool) -> None:
        identity = site.identity(name)
        self.heard: list[bytes] = []
        self.lost = self.subscribed = False
        client = mqtt.Client(CallbackAPIVersion.VERSION2, claims, protocol=mqtt.MQTTv5, reconnect_on_failure=False)
        client.tls_set(str(identity.ca), str(identity.cert), str(identity.key))
        client.on_message = lambda _c, _u, message: self.heard.append(message.payload)
        client.on_subscribe = lambda *_: setattr(self, "subscribed", True)
        client.on_disconnect = lambda *_: setattr(self, "lost", True)
        kept = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        kept.SessionExpiryInterval = 60
        client.connect("127.0.0.1", site.ports.site, clean_start=clean, properties=kept)
        client.loop_start()
        self.client = client
        assert within(10, client.is_connected)

    def close(self) -> None:
        self.client.disconnect()
        assert within(10, lambda: self.lost)
        self.client.loop_stop()


def test_a_client_is_who_its_certificate_says_whatever_id_it_claims(mosquitto: LocalStack) -> None:
    before = SiteClient(mosquitto, "bridge", "bridge", clean=True)
    before.client.subscribe("gateways/+/gw-icu/vitals", 1)
    assert within(10, lambda: before.subscribed)
    before.close()
    gateway = SiteClient(mosquitto, "gw-icu", "gw-icu", clean=True)
    gateway.client.publish("gateways/3/gw-icu/vitals", b"waits", qos=1).wait_for_publish(10)
    SiteClient(mosquitto, "gw-med", "bridge", clean=True).close()
    bridge = SiteClient(mosquitto, "bridge", "bridge", clean=False)
    assert within(10, lambda: bridge.heard == [b"waits"]), "the bridge's queue went with its id"
    thief = SiteClient(mosquitto, "gw-med", "bridge", clean=True)
    gateway.client.publish("gateways/3/gw-icu/vitals", b"live", qos=1).wait_for_publish(10)
    assert within(10, lambda: bridge.heard == [b"waits", b"live"])
    assert not bridge.lost
    for one in (bridge, thief, gateway):
        one.close()


def test_the_site_broker_refuses_a_client_without_certificate(mosquitto: LocalStack) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, "stranger", protocol=mqtt.MQTTv5)
    client.tls_set(str(mosquitto.identity("gw-icu").ca))
    connected: list[object] = []
    client.on_connect = lambda *_: connected.append(_)
    client.connect("127.0.0.1", mosquitto.ports.site)
    assert within(10, lambda: client.loop() != mqtt.MQTT_ERR_SUCCESS)
    assert connected == []


def test_down_leaves_no_process_and_no_port_and_up_again_keeps_the_data(tmp_path: Path) -> None:
    ports = Ports.ephemeral()
    with LocalStack(tmp_path, ports=ports, parts=CHEAP) as stack, psycopg.connect(stack.warehouse_url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    assert left_of(tmp_path) == []
    assert [port for _, port in ports.named() if not is_free(port)] == []
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["lock"]
    with LocalStack(tmp_path, ports=ports, parts=CHEAP) as stack, psycopg.connect(stack.warehouse_url()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_a_second_up_changes_nothing(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ports=Ports.ephemeral(), parts=CHEAP) as stack:
        before = {name: process.pid for name, process in stack.processes.alive().items()}
        again = LocalStack(tmp_path, parts=CHEAP)
        again.up()
        assert again.ports == stack.ports
        assert {name: process.pid for name, process in again.processes.alive().items()} == before


def test_a_killed_part_starts_again_with_the_next_up(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ports=Ports.ephemeral(), parts=CHEAP) as stack:
        stack.processes.kill("postgres")
        assert "postgres" not in stack.processes.alive()
        stack.up()
        with psycopg.connect(stack.warehouse_url()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_taken_port_is_one_line_that_names_port_part_and_holder_and_nothing_starts(tmp_path: Path) -> None:
    ports = Ports.ephemeral()
    with socket.create_server(("127.0.0.1", ports.site)):
        stack = LocalStack(tmp_path, ports=ports, parts=CHEAP)
        with pytest.raises(PortTakenError) as refused:
            stack.up()
        assert f"Port {ports.site} on 127.0.0.1, needed for site-broker, is held by process {os.getpid()}" in str(
            refused.value
        )
        assert "--port-base" in str(refused.value)
        assert "\n" not in str(refused.value)
        assert stack.processes.records() == {}


def test_a_killed_owner_leaves_no_child(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from infra.local.stack import LocalStack; from infra.local.ports import Ports\n"
        f"with LocalStack(pathlib.Path({str(tmp_path)!r}), ports=Ports.ephemeral(), parts={CHEAP!r}) as stack:\n"
        "    print(len(stack.processes.alive()), flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:  # noqa: S603 - own words
        assert owner.stdout is not None
        assert owner.stdout.readline() == "4\n"
        owner.send_signal(signal.SIGKILL)
    assert within(20, lambda: left_of(tmp_path) == [] and not (tmp_path / "run" / "stack.json").exists())


def test_a_process_with_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    stack = LocalStack(tmp_path, ports=Ports.ephemeral(), parts=CHEAP)
    stack.processes.run.mkdir(parents=True)
    record = f'{{"name":"other","pid":{os.getpid()},"started":1,"stop_signal":9,"stop_timeout_s":0}}'
    (stack.processes.run / "other.process.json").write_text(record)
    stack.processes.end()
    assert stack.processes.records() == {}


def test_the_commands_start_print_and_end_the_whole_stack(tmp_path: Path) -> None:
    bases = range(20_000 + os.getpid() % 100 * 100, 32_000, 100)
    base = next(base for base in bases if all(is_free(port) for _, port in Ports.from_base(base).named()))
    up = local("up", "--port-base", str(base), var=tmp_path)
    assert (up.returncode, up.stderr) == (0, "")
    env = dict(line.split("=", 1) for line in local("env", var=tmp_path).stdout.splitlines())
    wanted = {"DEVICE_BROKER", "UPLINK", "KAFKA_BOOTSTRAP", "AWS_ENDPOINT_URL", "LAKE", "WAREHOUSE", "ALERT_OUTBOX_URL"}
    assert wanted | {"CONSOLE_URL"} <= set(env)
    down = local("down", var=tmp_path)
    assert down.returncode == 0
    assert all(part in down.stdout for part in PARTS if part != DEVICE_BROKERS)
    assert left_of(tmp_path) == []
    assert local("env", var=tmp_path).stderr.startswith(f"No stack runs in {tmp_path}")


def test_what_a_gateways_broker_acknowledged_survives_its_kill(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ports=Ports.ephemeral(), parts=(DEVICE_BROKERS,)) as stack:
        port = stack.ports.devices[0]
        gateway = Gateway(port)
        gateway.leave()
        for _ in range(20):
            Published(port, "bed-1", "devices/bed-1/vitals")
        saved = tmp_path / "device-broker-gw-icu" / "mosquitto.db"
        # The broker saves every second or two; the save after the next one began after the last acknowledgement.
        for _ in range(2):
            before = saved.stat().st_mtime_ns if saved.exists() else 0
            assert within(10, lambda before=before: saved.exists() and saved.stat().st_mtime_ns != before)  # type: ignore[misc]
        stack.processes.kill("device-broker-gw-icu")
        stack.up()
        again = Gateway(port)
        assert within(10, lambda: len(again.got) == 20)
        again.leave()


class Gateway:
    """A subscriber whose session outlives its connection."""

    def __init__(self, port: int) -> None:
        self.got: list[bytes] = []
        subscribed: list[object] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "gateway", protocol=mqtt.MQTTv5)
        self._client.on_message = lambda _c, _u, message: self.got.append(message.payload)
        self._client.on_subscribe = lambda *_: subscribed.append(_)
        properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        self._client.subscribe("devices/+/vitals", qos=1)
        assert within(10, lambda: bool(subscribed))

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
