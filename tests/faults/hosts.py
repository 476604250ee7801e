"""Network hosts on one machine: namespaces, and between them wires that delay, lose and cut.

A wire is a pair of TUN devices, one in each namespace, and a thread that carries their IP packets from one to the
other: late, or not at all. The kernels' own TCP on both sides retransmits, backs off and times out as over a bad line;
nothing ends a connection in between, as a relay of bytes would. It stands for `tc netem`, which needs a kernel module
that not every kernel has, and needs no privilege beyond the namespaces themselves.

`alone()` is how a program gets namespaces of its own: they end with it, however it ends.
"""

import fcntl
import heapq
import os
import random
import selectors
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

# linux/if_tun.h
TUNSETIFF: Final = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MTU: Final = 1500
QUEUE_PACKETS: Final = 10_000
SERVICE: Final = "10.77.0.1"
"""Address of the host in the middle, the same from both sides."""


def alone(argv: Sequence[str]) -> list[str]:
    """Returns the command that runs a program in network and mount namespaces of its own, root or not."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--mount", "--propagation", "private", "--", *argv]


def inside(host: str | None, argv: Sequence[str]) -> tuple[str, ...]:
    """Returns the command that runs a program on a host; None is the host that we are on."""
    return tuple(argv) if host is None else ("nsenter", f"--net=/run/netns/{host}", "--", *argv)


@dataclass(slots=True)
class Line:
    """How a wire is just now.

    Attributes:
        delay_s: How long a packet takes, one way.
        loss: Share of packets that are lost.
        cut: Whether nothing passes.
    """

    delay_s: float = 0.0
    loss: float = 0.0
    cut: bool = False


class Wire:
    """A wire between two hosts.

    Args:
        left: Host and address of one end.
        right: Host and address of the other.
        seed: Of what is lost.

    Attributes:
        line: How it is; may be changed at any time.
        carried: Packets that arrived.
        lost: Packets that did not.
    """

    def __init__(self, left: tuple[str | None, str], right: tuple[str | None, str], seed: int) -> None:
        self._ends = left, right
        self._chance = random.Random(seed)  # noqa: S311 - weather, not a secret
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="wire", daemon=True)
        self._fds: list[int] = []
        self.line = Line()
        self.carried = self.lost = 0

    def __enter__(self) -> Self:
        for (host, address), (_, peer) in (self._ends, self._ends[::-1]):
            name = f"ww{address.replace('.', '')[-6:]}"
            self._fds.append(_tun(name))
            if host is not None:
                run("ip", "link", "set", name, "netns", host)
            for words in (
                ("address", "add", f"{address}/32", "peer", f"{peer}/32", "dev", name),
                ("link", "set", name, "mtu", str(MTU), "up"),
            ):
                run(*inside(host, ("ip", *words)))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        for fd in self._fds:
            os.close(fd)

    def _carry(self) -> None:
        way = dict(zip(self._fds, self._fds[::-1], strict=True))
        under_way: list[tuple[float, int, int, bytes]] = []
        with selectors.DefaultSelector() as selector:
            for fd in self._fds:
                selector.register(fd, selectors.EVENT_READ)
            while not self._stop.is_set():
                next_s = under_way[0][0] - time.monotonic() if under_way else 0.2
                for key, _ in selector.select(max(0.0, min(next_s, 0.2))):
                    self._take(os.read(key.fd, 65_536), way[key.fd], under_way)
                while under_way and under_way[0][0] <= time.monotonic():
                    _, _, to, packet = heapq.heappop(under_way)
                    os.write(to, packet)

    def _take(self, packet: bytes, to: int, under_way: list[tuple[float, int, int, bytes]]) -> None:
        line = self.line
        if line.cut or len(under_way) >= QUEUE_PACKETS or self._chance.random() < line.loss:
            self.lost += 1
            return
        self.carried += 1
        # The count keeps packets of one moment in their order.
        heapq.heappush(under_way, (time.monotonic() + line.delay_s, self.carried, to, packet))


@contextmanager
def network(names: dict[str, str], seed: int = 1) -> Iterator[tuple[Wire, Wire]]:
    """Makes the hosts `gateway` and `site` beside the one that we are on, which is the cloud.

    To be used by a program that was started by `alone`.

    Args:
        names: Host names to make known, and their addresses.
        seed: Of what is lost on the wires.

    Yields:
        The wires gateway-site and site-cloud.
    """
    # Ours alone: this is a mount namespace of our own. In /tmp Ray would find a cluster of the machine around us.
    for folder in ("/run", "/tmp"):  # noqa: S108 - mounted, not written to
        run("mount", "-t", "tmpfs", "tmpfs", folder)
    Path("/run/netns").mkdir()
    known = Path("/run/hosts")
    known.write_text(
        f"127.0.0.1 localhost {socket.gethostname()}\n"
        + "".join(f"{address} {name}\n" for name, address in names.items())
    )
    run("mount", "--bind", str(known), "/etc/hosts")
    run("ip", "link", "set", "lo", "up")
    for host in ("gateway", "site"):
        run("ip", "netns", "add", host)
        run(*inside(host, ("ip", "link", "set", "lo", "up")))
    run(*inside("site", ("ip", "address", "add", f"{SERVICE}/32", "dev", "lo")))
    with ExitStack() as wires:
        near = wires.enter_context(Wire(("gateway", "10.77.1.1"), ("site", "10.77.1.2"), seed))
        far = wires.enter_context(Wire(("site", "10.77.2.1"), (None, "10.77.2.2"), seed + 1))
        run(*inside("gateway", ("ip", "route", "add", SERVICE, "via", "10.77.1.2")))
        run("ip", "route", "add", SERVICE, "via", "10.77.2.1")
        yield near, far


def run(*argv: str) -> str:
    """Runs a command of the system.

    Raises:
        RuntimeError: It failed; carries what it said.
    """
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - this module's own words
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _tun(name: str) -> int:
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH14x", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd
