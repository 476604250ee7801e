"""Readings in bulk off a real socket, whatever way the bytes are cut."""

import contextlib
import random
import socket
from collections.abc import Iterator

import pytest

from edge.devices import mqtt_bulk_reader

Pair = tuple[socket.socket, mqtt_bulk_reader.BulkSocket, list[tuple[bytes, bytes, int]]]
"""The far end, the near end, and what was taken from it."""


def packet(first: int, body: bytes) -> bytes:
    """An MQTT packet, its length written by the standard's own words (1.5.5)."""
    length, x = b"", len(body)
    while True:
        x, digit = divmod(x, 128)
        length += bytes([digit | (0x80 if x else 0)])
        if not x:
            return bytes([first]) + length + body


def publish(topic: str, mid: int, payload: bytes, *, first: int = 0x32, properties: bytes = b"\x00") -> bytes:
    name = topic.encode()
    return packet(first, len(name).to_bytes(2, "big") + name + mid.to_bytes(2, "big") + properties + payload)


@pytest.fixture
def pair(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Pair]:
    monkeypatch.setattr(mqtt_bulk_reader, "READ_EVERY_S", 0.0)
    here, there = socket.socketpair()
    there.setblocking(False)
    taken: list[tuple[bytes, bytes, int]] = []

    def take(topic: bytes, payload: bytes, mid: int) -> bool:
        if topic.startswith(b"devices/"):
            taken.append((topic, payload, mid))
            return True
        return False

    with here, there:
        yield here, mqtt_bulk_reader.BulkSocket(there, take), taken


def read_all(bulk: mqtt_bulk_reader.BulkSocket) -> bytes:
    """What paho gets to see, read as it reads: byte by byte and in pieces."""
    got, sizes = b"", random.Random(3)  # noqa: S311 - a test's seed
    with contextlib.suppress(BlockingIOError):
        while chunk := bulk.recv(sizes.choice([1, 2, 7, 4_096])):
            got += chunk
    return got


@pytest.mark.parametrize("seed", range(20))
def test_every_reading_is_taken_once_and_paho_sees_every_other_byte_however_it_is_cut(seed: int, pair: Pair) -> None:
    here, bulk, taken = pair
    rng = random.Random(seed)  # noqa: S311 - a test's seed
    stream, readings, others = b"", [], b""
    for mid in range(1, 60):
        payload = rng.randbytes(rng.choice([0, 5, 200, 130, 20_000]))
        kind = rng.randrange(5)
        if kind <= 2:
            properties = rng.choice([b"\x00", b"\x02\x01\x00", b"\x80\x01" + b"\x26" * 128])
            one = publish(f"devices/d{mid}/vitals", mid, payload, first=rng.choice([0x32, 0x3A]), properties=properties)
            readings.append((f"devices/d{mid}/vitals".encode(), payload, mid))
        else:
            one = publish("beds/b/ack", mid, payload) if kind == 3 else packet(rng.choice([0xD0, 0x20, 0x90]), payload)
            others += one
        stream += one
    seen = b""
    while stream:
        cut = rng.choice([1, 3, 50, 5_000])
        here.sendall(stream[:cut])
        stream = stream[cut:]
        seen += read_all(bulk)
    assert taken == readings
    assert seen == others
    assert bulk.pending() == 0


@pytest.mark.parametrize("end", [b"\x32\xff\xff\xff\xff\xff", b"\x32\x01\x00", b"\x32\x03\xff\xff\x00", b"\x32\x00"])
def test_what_is_no_packet_is_pahos_to_refuse(end: bytes, pair: Pair) -> None:
    here, bulk, taken = pair
    here.sendall(publish("devices/d/vitals", 1, b"x") + end)
    assert read_all(bulk) == end
    assert len(taken) == 1


def test_a_closed_connection_is_told_as_one(
    pair: Pair,
) -> None:
    here, bulk, _ = pair
    here.shutdown(socket.SHUT_WR)
    assert bulk.recv(10) == b""


def test_acknowledgements_are_written_as_the_standard_has_them() -> None:
    assert mqtt_bulk_reader.pubacks([1, 0x1234]) == b"\x40\x02\x00\x01\x40\x02\x12\x34"
