"""HL7 messages to the gateway's readings: by time of their values, with the identity of each.

A monitor repeats a cuff's value in each message, minutes after it was measured. Values with a time of their own are a
reading of that time, whose identity is its content: it is accepted once, and never counts as fresh.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from edge.devices.child_protocol import ChildReading, FromDriver
from edge.devices.listener import Listener, Naming
from edge.hl7.observations import NO_VALUE, RefusedError, Value, chosen, read
from edge.hl7.sensors import SensorsOff
from vitals.bounds import MAX_CALENDAR, is_name
from vitals.hl7.header import Code, Header

TOGETHER_MS: Final = 5_000
"""Difference of times up to which values are one reading."""
LATE_MS: Final = 120_000
"""A value so much older than the newest reading is late: it may have been measured before the connection."""
OLDEST_MS: Final = 86_400_000
"""A value older than its message by more is left out: its identity may be forgotten."""


class Translator:
    """Turns messages into lines for the gateway, with the state that a device's next messages need."""

    def __init__(self) -> None:
        self._off = SensorsOff()
        self._newest: dict[str, int] = {}

    def line(self, n: int, message: bytes, header: Header, listener: Listener, *, peer: str, now: int) -> FromDriver:
        """Returns the line of a message.

        Args:
            n: Number of the message.
            message: The message without its frame.
            header: Its header.
            listener: Listening socket that received it.
            peer: Common name of the client certificate; empty without TLS.
            now: UTC epoch ms.

        Raises:
            RefusedError: The message is refused.
        """
        found = read(message, header, listener.zone, now)
        device = _device(header, found.bed, listener, peer)
        values = [one for one in found.values if 0 < one.t <= MAX_CALENDAR]
        measured = frozenset(one.code.field for one in values if one.value != NO_VALUE)
        if found.alarm:
            self._off.begin(device, frozenset(found.off), now)
        self._off.end(device, (measured | found.ended) - found.off)
        off = (self._off.of(device, now) | found.off) - (measured - found.off)
        readings = self._readings(device, message, header, values, off=off, sent=found.t)
        patients = found.patients if listener.compares else None
        return FromDriver(n=n, device=device, readings=tuple(readings), patients=patients)

    def _readings(
        self, device: str, message: bytes, header: Header, values: list[Value], *, off: frozenset[str], sent: int
    ) -> list[ChildReading]:
        newest = max([one.t for one in values], default=sent)
        current = bool(values) and sent - newest <= TOGETHER_MS
        own = _key(header.application, header.time, header.control, message)
        readings = []
        for t, group in _by_time(values, newest):
            signs = chosen(group)
            if current and t == newest:
                readings.append(_reading(self._in_order(device, t), signs, off, own))
            elif sent - t <= OLDEST_MS and any(value != NO_VALUE for value in signs.values()):
                key = _key(device, f"{t}", msgspec.json.encode(signs))
                readings.append(_reading(self._in_order(device, t), signs, frozenset(), key))
        if off and not current:
            readings.append(_reading(self._in_order(device, sent), {}, off, own))
        return readings

    def _in_order(self, device: str, t: int) -> int:
        """Returns the time of a reading: a little late is as late as the newest, since a clock does not go back."""
        newest = self._newest.get(device, 0)
        self._newest[device] = max(newest, t)
        return newest if newest - LATE_MS < t < newest else t


def _by_time(values: list[Value], newest: int) -> list[tuple[int, list[Value]]]:
    """Returns values that belong together, oldest first; the newest group has the time `newest`."""
    groups: dict[int, list[Value]] = {}
    for one in values:
        groups.setdefault(newest if newest - one.t <= TOGETHER_MS else one.t, []).append(one)
    return sorted(groups.items())


def _reading(t: int, signs: Mapping[str, float], off: frozenset[str], key: str) -> ChildReading:
    body = {"t": t, **signs, **({"off": sorted(off)} if off else {})}
    return ChildReading(msgspec.Raw(msgspec.json.encode(body)), key)


def _key(*parts: str | bytes) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def _device(header: Header, bed: str, listener: Listener, peer: str) -> str:
    if listener.device:
        return listener.device
    name = {
        Naming.CERTIFICATE: peer,
        Naming.MSH_3: _application(header),
        Naming.PV1_3: bed,
    }[listener.naming].strip()
    if not is_name(name):
        raise RefusedError(Code.ERROR, f"device {name[:64]!a} by {listener.naming.value} is no name")
    return name


def _application(header: Header) -> str:
    """Returns the EUI-64 of MSH-3, or its namespace."""
    namespace, identifier, kind, *_ = (*header.application.split(header.encoding[0]), "", "", "")
    return identifier if kind.strip().upper() == "EUI-64" and identifier.strip() else namespace
