"""Ports of the parts, all on 127.0.0.1, and the process that holds a port in use."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

HOST = "127.0.0.1"
DEFAULT_BASE = 18800
DEFAULT_GATEWAYS = ("gw-icu", "gw-med")
_LAST_PORT = 65535
_SINGLE, _METRICS = 7, 22
_FIRST_CHOSEN = 10_000


class PortTakenError(RuntimeError):
    """A port that a part needs is held by another process."""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack.

    `devices` has one broker per gateway, in the stack's order of gateways; `metrics` has one port per tier.
    """

    site: int
    kafka: int
    kafka_controller: int
    postgres: int
    moto: int
    console: int
    ray: int
    sns: int
    devices: tuple[int, ...]
    metrics: tuple[int, ...]

    def __post_init__(self) -> None:
        everything = [port for _, port in self.named()]
        if len(set(everything)) != len(everything):
            raise ValueError(f"two parts share a port: {self}")
        if not all(0 < port <= _LAST_PORT for port in everything):
            raise ValueError(f"ports must lie in 1..{_LAST_PORT}: {self}")

    @classmethod
    def from_base(cls, base: int = DEFAULT_BASE, gateways: int = len(DEFAULT_GATEWAYS)) -> Self:
        """Consecutive ports from `base` on: seven single ones, the metrics, the bad SNS, then a broker per gateway."""
        return cls._of(range(base, base + _SINGLE + _METRICS + 1 + gateways))

    @classmethod
    def ephemeral(cls, gateways: int = len(DEFAULT_GATEWAYS)) -> Self:
        """Returns ports that are free now, for several stacks on one machine.

        They are below the range of outgoing connections, one of which could otherwise use a port between this choice
        and the start of its part.
        """
        chance = random.SystemRandom()
        found: list[int] = []
        while len(found) < _SINGLE + _METRICS + 1 + gateways:
            port = chance.randrange(_FIRST_CHOSEN, _first_outgoing())
            if port not in found and is_free(port):
                found.append(port)
        return cls._of(found)

    @classmethod
    def _of(cls, ports: Sequence[int]) -> Self:
        site, kafka, kafka_controller, postgres, moto, console, ray = ports[:_SINGLE]
        return cls(
            site=site,
            kafka=kafka,
            kafka_controller=kafka_controller,
            postgres=postgres,
            moto=moto,
            console=console,
            ray=ray,
            metrics=tuple(ports[_SINGLE : _SINGLE + _METRICS]),
            sns=ports[_SINGLE + _METRICS],
            devices=tuple(ports[_SINGLE + _METRICS + 1 :]),
        )

    def named(self) -> Iterator[tuple[str, int]]:
        """Returns every port with the name of its part."""
        yield from (("site-broker", self.site), ("kafka", self.kafka), ("kafka-controller", self.kafka_controller))
        yield from (("postgres", self.postgres), ("moto", self.moto), ("console", self.console))
        yield from (("ray", self.ray), ("sns", self.sns))
        yield from ((f"device-broker-{index}", port) for index, port in enumerate(self.devices, 1))
        yield from ((f"metrics-{index}", port) for index, port in enumerate(self.metrics, 1))


def _first_outgoing() -> int:
    """The lowest port of outgoing connections, see ip(7) ip_local_port_range."""
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def is_free(port: int) -> bool:
    """Returns whether a part could listen on this port of 127.0.0.1 now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def holder_of(port: int) -> str:
    """Returns the process that listens on a port, as far as this user may see it."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return "another process"
    for connection in connections:
        if (
            connection.laddr
            and connection.laddr[1] == port
            and connection.status == psutil.CONN_LISTEN
            and connection.pid
        ):
            try:
                words = " ".join(psutil.Process(connection.pid).cmdline())
            except psutil.Error:
                words = ""
            return f"process {connection.pid} ({words[:80]})"
    return "another process"


def require_free(named: Sequence[tuple[str, int]]) -> None:
    """Raises if a port is in use, before anything starts.

    Raises:
        PortTakenError: Names the port, its purpose, the process that holds it and the remedy.
    """
    for name, port in named:
        if not is_free(port):
            raise PortTakenError(
                f"Port {port} on {HOST}, needed for {name}, is held by {holder_of(port)}. "
                f"Stop it, or choose other ports with --port-base (or PORT_BASE), for instance {DEFAULT_BASE + 1000}."
            )
