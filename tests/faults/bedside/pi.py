"""A gateway's machine: its broker, its card, its clock, and `python -m edge` as its unit runs it.

The card is a file system of its own, in memory; needs root. Of `/proc` the gateway sees processes alone, as in its
unit. When the gateway or its broker was struck is noted in spans: until their end a light may be as it was.
"""

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from edge.status import cli
from infra.demo.fault_proxy import Relay
from infra.local.process import base_env
from infra.local.servers.mosquitto import device_broker
from infra.local.stack import LocalStack
from tests.faults.bedside import machine
from tests.faults.bedside.damage import Identity
from tests.faults.bedside.plan import What
from tests.truth.beds import Span

ROOT: Final = Path(__file__).resolve().parents[3]
RESTART_S: Final = 2.0
"""`RestartSec` of the unit."""
MIND_S: Final = 0.5
WHOLE_MS: Final = {What.KILL: 15_000, What.BOOT: 60_000, What.HANG: 10_000, What.DIE: 10_000}
"""After a gateway's process was started, its machine was booted, its broker goes on, or was started: so long until its
lights owe what is so."""
CARD: Final = "96m"
RUN: Final = 'mount -t proc -o subset=pid proc /proc && exec "$@"'
Later = Callable[[float, Callable[[], None]], None]


def now_ms() -> int:
    """Returns the host's time, UTC epoch ms."""
    return time.time_ns() // 1_000_000


@dataclass
class Pi:
    """One gateway.

    Attributes:
        stack: With its broker.
        gateway: Its name.
        folder: Its folders and logs.
        uplink: The cable to the site's broker.
        later: Schedules a call after a delay, s.
        say: Tells how it goes.
        struck: Spans in which it could not show what is so, UTC epoch ms.
        cuts: Spans in which its uplink was cut.
        accepted: What its ledgers held that are gone.
        unreadable: Readings that damage left nothing readable of.
        died: How often its process ended by itself.
    """

    stack: LocalStack
    gateway: str
    folder: Path
    uplink: Relay
    later: Later
    say: Callable[[str], None]
    struck: list[Span] = field(default_factory=list)
    cuts: list[Span] = field(default_factory=list)
    accepted: set[Identity] = field(default_factory=set)
    unreadable: set[Identity] = field(default_factory=set)
    died: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _down: bool = False
    _turn: int = 0
    _refusing: bool = False

    def __post_init__(self) -> None:
        for path in (self.folder, self.card, self.machine, self.runtime):
            path.mkdir(parents=True)
        (self.machine / machine.SET).touch()
        (self.machine / machine.BOOTED).write_text("0")
        port = self.stack.ports.devices[self.stack.gateways.index(self.gateway)]
        name = f"device-broker-{self.gateway}"
        self.broker = device_broker(name, self.stack.var / name, port)

    @property
    def card(self) -> Path:
        """Its card."""
        return self.folder / "card"

    @property
    def data(self) -> Path:
        """Its data on the card."""
        return self.card / "edge"

    @property
    def machine(self) -> Path:
        """State of its clock (`machine.py`)."""
        return self.folder / "machine"

    @property
    def runtime(self) -> Path:
        """The runtime directory, which a boot empties."""
        return self.folder / "runtime"

    def start(self) -> None:
        """Starts the gateway's process."""
        identity = self.stack.identity(self.gateway)
        environ = base_env() | {
            "GATEWAY": self.gateway,
            "DEVICE_BROKER": self.stack.device_broker_url(self.gateway),
            "UPLINK": f"mqtts://127.0.0.1:{self.uplink.port}",
            "UPLINK_CA": str(identity.ca),
            "UPLINK_CERT": str(identity.cert),
            "UPLINK_KEY": str(identity.key),
            "UPLINK_FLUSH_S": "5",
            "EDGE_DATA": str(self.data),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "PYTHONPATH": str(ROOT),
        }
        words = [sys.executable, "-m", "tests.faults.bedside.machine", str(self.machine), "edge"]
        argv = ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", RUN, "sh", *words]
        self._process = subprocess.Popen(argv, env=environ, cwd=ROOT, stderr=subprocess.PIPE)  # noqa: S603 - own words
        assert self._process.stderr is not None
        # Not straight into a file: what the process may write is limited now and then.
        threading.Thread(target=_kept, args=(self._process.stderr, self.folder / "edge.log"), daemon=True).start()
        self._down = False
        self._limit()

    def mind(self) -> None:
        """Starts the process whenever it has ended, as its unit does; the first time too."""
        self.later(MIND_S, self.mind)
        if self._process is None:
            self.struck.append((now_ms(), now_ms() + WHOLE_MS[What.KILL]))
            self.start()
        elif not self._down and self._process.poll() is not None:
            self.died += 1
            self.say(f"{self.gateway} ended by itself with {self._process.returncode}")
            self._start_in(RESTART_S)

    def stop(self) -> None:
        """Ends the process in order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def restart(self, began: int, down_s: float, whole_ms: int, meanwhile: Callable[[], object] | None = None) -> None:
        """Kills the process, and has it started again.

        Args:
            began: When it was struck, UTC epoch ms.
            down_s: How long it is down.
            whole_ms: How long after its start its lights may be as they were.
            meanwhile: What befalls the machine while it is down.
        """
        assert self._process is not None
        self._process.kill()
        self._process.wait(30)
        if meanwhile is not None:
            meanwhile()
        self._start_in(down_s)
        self.later(down_s, lambda: self.struck.append((began, now_ms() + whole_ms)))

    def _start_in(self, down_s: float) -> None:
        """Has the process started once, whatever was to start it before."""
        self._down, self._turn = True, self._turn + 1
        turn = self._turn

        def again() -> None:
            if turn == self._turn:
                self.start()

        self.later(down_s, again)

    def remembered(self) -> set[Identity]:
        """Returns what the gateway's ledger says that it accepted."""
        return {
            (line["device"], line["boot"], seq)
            for line in cli.accepted(self.data)
            for first, last in line["ranges"]
            for seq in range(first, last + 1)
        }

    def refuse(self, *, refusing: bool) -> None:
        """The card takes nothing from the process that runs, nor from one that is started meanwhile."""
        self._refusing = refusing
        self._limit()

    def _limit(self) -> None:
        if self._process is not None and self._process.poll() is None:
            most = 0 if self._refusing else resource.RLIM_INFINITY
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


def _kept(said: IO[bytes], log: Path) -> None:
    with said, log.open("ab") as file:
        for line in said:
            file.write(line)


@contextmanager
def small_card(pi: Pi) -> Iterator[None]:
    """A file system of its own for a gateway's card, in memory."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={CARD}", "tmpfs", str(pi.card)]
    subprocess.run(words, check=True)  # noqa: S603 - own words
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(pi.card)], check=True)  # noqa: S603, S607 - as above
