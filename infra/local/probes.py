"""Readiness: each part is asked in its own protocol, because an open port alone serves nobody."""

import json
import socket
import ssl
import urllib.error
import urllib.request

import psycopg
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local.ports import HOST
from infra.local.servers.pki import Identity

# MQTT 5 CONNECT, clean start, keep-alive 10 s, client id "probe" (MQTT 5.0, 3.1).
_CONNECT = bytes([0x10, 0x12, 0, 4]) + b"MQTT" + bytes([5, 2, 0, 10, 0, 0, 5]) + b"probe"
_CONNACK = 0x20
_DISCONNECT = bytes([0xE0, 0])
_TIMEOUT_S = 2.0


def mqtt_accepts(port: int, identity: Identity | None = None) -> bool:
    """Whether a broker answers CONNECT with success; over TLS with a client certificate when `identity` is given."""
    try:
        with socket.create_connection((HOST, port), timeout=_TIMEOUT_S) as plain:
            if identity is None:
                return _connack_ok(plain)
            context = ssl.create_default_context(cafile=str(identity.ca))
            context.load_cert_chain(identity.cert, identity.key)
            with context.wrap_socket(plain, server_hostname=HOST) as secure:
                return _connack_ok(secure)
    except OSError:
        return False


def _connack_ok(connection: socket.socket) -> bool:
    connection.sendall(_CONNECT)
    answer = connection.recv(4)
    connection.sendall(_DISCONNECT)
    return len(answer) == 4 and answer[0] == _CONNACK and answer[3] == 0  # noqa: PLR2004 - header, length, flags, reason


def tcp_accepts(port: int) -> bool:
    """Whether somebody listens; for a process that opens its port only when it serves."""
    try:
        socket.create_connection((HOST, port), timeout=_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def kafka_serves(port: int) -> bool:
    """Whether a broker answers a metadata request and is in the cluster that it describes."""
    if not tcp_accepts(port):
        return False  # librdkafka would log each refused connection
    bootstrap = f"{HOST}:{port}"
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=5).brokers)
    except KafkaException:
        return False


def postgres_answers(url: str) -> bool:
    """Whether a database answers SELECT 1."""
    try:
        with psycopg.connect(url, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def http_ok(url: str) -> bool:
    """Whether a page answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http on loopback
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's OK
    except (urllib.error.URLError, OSError):
        return False


def health(port: int) -> dict[str, object]:
    """What a part says of itself at /health on loopback; nothing when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            found: dict[str, object] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            found = json.loads(error.read())
    except OSError:
        return {}
    return found
