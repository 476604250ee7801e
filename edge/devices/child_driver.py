"""A driver in a process of its own: started, supervised and restarted; its failure costs its own devices only.

The gateway opens the listening sockets and passes them on. So a device can connect while the driver restarts, and its
message waits in the socket. All decisions are the gateway's: the process holds nothing that a restart needs.
"""

import logging
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from edge.devices.child_program import Program
from edge.devices.child_protocol import MAX_LINE, WINDOW, ChildReading, Decision, FromDriver, line_decoder
from edge.devices.driver import Deliver, DeviceMessage, NamedPatients, Presence, RefusedMessage
from edge.devices.identities import Identities
from vitals.runtime.daemon import now_ms
from vitals.wire import device_reading
from vitals.wire.vitals_record import WireError

log = logging.getLogger(__name__)
SILENT_S: Final = 10.0
"""Time without a line after which the process counts as stuck."""
MAX_RSS: Final = 56 * 2**20
"""Resident memory at which the process is restarted, bytes."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0
GOOD_S: Final = 60.0
"""Run after which the next restart is quick again."""
GRACE_S: Final = 2.0
_PAGE: Final = resource.getpagesize()
_BUFFER: Final = 4 * 2**20


@dataclass(slots=True)
class _Run:
    """One run of the process."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    heard_s: float
    raw: bytearray = field(default_factory=bytearray)
    pending: int = 0
    failed: str = ""


class ChildDriver:
    """Driver that supervises its program.

    Args:
        program: The program.
        identities: Numbers of its messages.
        restarted: Called at each restart.
        max_rss: Most resident memory, bytes.
        silent_s: Longest time without a line, s.
    """

    def __init__(
        self,
        program: Program,
        identities: Identities,
        *,
        restarted: Callable[[], None] = lambda: None,
        max_rss: int = MAX_RSS,
        silent_s: float = SILENT_S,
    ) -> None:
        self._program, self._identities, self._restarted = program, identities, restarted
        self._max_rss, self._silent_s = max_rss, silent_s
        self._deliver: Deliver = lambda _item: None
        self._patients: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._run: _Run | None = None
        self._thread = threading.Thread(target=self._supervise, name=program.name, daemon=True)

    @property
    def pid(self) -> int | None:
        """Process id of the program, None while none runs."""
        run = self._run
        return None if run is None else run.process.pid

    def start(self, deliver: Deliver) -> None:
        """Starts the program, and again whenever it ends."""
        self._deliver = deliver
        self._thread.start()

    def stop(self) -> None:
        """Ends the program; senders keep messages without an acknowledgement."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _supervise(self) -> None:
        pause_s = FIRST_PAUSE_S
        listening: list[socket.socket] = []
        try:
            while not self._stop.is_set():
                began_s = time.monotonic()
                try:
                    listening = listening or _listen(self._program.addresses)
                    why = self._live(listening)
                except OSError as error:
                    why = f"cannot be started: {error}"
                if self._stop.is_set():
                    return
                pause_s = FIRST_PAUSE_S if time.monotonic() - began_s >= GOOD_S else pause_s
                log.error(
                    "driver ended: its devices are not monitored until it runs again",
                    extra={"data": {"driver": self._program.name, "cause": why, "pause_s": pause_s}},
                )
                self._restarted()
                self._stop.wait(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        finally:
            for one in listening:
                one.close()

    def _live(self, listening: Sequence[socket.socket]) -> str:
        """Runs the program once; returns the cause of its end."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
            descriptors = [one.fileno() for one in listening]
            pairs = [word for fd, url in zip(descriptors, self._program.urls, strict=True) for word in (str(fd), url)]
            process = subprocess.Popen(  # noqa: S603 - our own module, and URLs of the settings
                [sys.executable, "-m", self._program.module, str(theirs.fileno()), *pairs],
                pass_fds=(theirs.fileno(), *descriptors),
                stdin=subprocess.DEVNULL,
            )
            theirs.close()
            run = _Run(process, ours, time.monotonic())
            with self._lock:
                self._run = run
            try:
                return self._serve(run)
            finally:
                with self._lock:
                    self._run = None
                # A program that reads the end of its socket ends by itself.
                with suppress(OSError):
                    ours.shutdown(socket.SHUT_RDWR)
                _end(process, GRACE_S if self._stop.is_set() else 0.0)

    def _serve(self, run: _Run) -> str:
        with suppress(ProcessLookupError):
            # The kernel refuses memory beyond this, also between two checks.
            resource.prlimit(run.process.pid, resource.RLIMIT_DATA, (4 * self._max_rss, 4 * self._max_rss))
        checked_s = time.monotonic()
        while not self._stop.is_set():
            ready, _, _ = select.select([run.channel], [], [], 0.2)
            clock_s = time.monotonic()
            if ready:
                received = run.channel.recv(65_536)
                if not received:
                    return f"exit status {run.process.wait()}" if _ended(run.process) else "it closed its socket"
                run.heard_s = clock_s
                self._lines(run, received)
            if run.failed:
                return run.failed
            if clock_s - run.heard_s > self._silent_s:
                return f"no line for {self._silent_s:.0f} s"
            if clock_s - checked_s >= 1.0:
                checked_s = clock_s
                rss = _rss(run.process.pid)
                if rss > self._max_rss:
                    return f"{rss >> 20} MB of memory, and {self._max_rss >> 20} MB are allowed"
        return "stopped"

    def _lines(self, run: _Run, received: bytes) -> None:
        run.raw += received
        *lines, rest = run.raw.split(b"\n")
        run.raw = rest
        for line in lines:
            try:
                self._take(run, line_decoder.decode(line))
            except (msgspec.DecodeError, ValueError) as error:
                run.failed = f"line cannot be read: {error}"
                return
        if len(rest) > MAX_LINE:
            run.failed = f"line is longer than {MAX_LINE} bytes"
        if run.pending > 2 * WINDOW:
            run.failed = f"{run.pending} messages without a decision, and {WINDOW} are allowed"

    def _take(self, run: _Run, line: FromDriver) -> None:
        now = now_ms()
        if line.online is not None:
            self._deliver(Presence(line.device, line.online))
        if line.patients is not None and self._patients.get(line.device) != line.patients:
            self._patients[line.device] = line.patients
            self._deliver(NamedPatients(line.device, line.patients))
        if not line.n:
            return
        with self._lock:
            run.pending += 1
        if line.refused:
            message = DeviceMessage(line.device, line.payload, now, self._decided, (run, (line.n, line.refused)))
            self._deliver(RefusedMessage(message, line.refused))
            return
        messages = [self._message(line.device, reading, now) for reading in line.readings]
        reasons = [reason for _, reason in messages if reason]
        # Commits keep the order, so the last reading is stored last.
        receipt = (run, (line.n, reasons[0] if reasons else ""))
        for k, (message, _) in enumerate(messages):
            self._deliver(message._replace(receipt=receipt) if k == len(messages) - 1 else message)
        if not messages:
            self._decided([receipt])

    def _message(self, device: str, found: ChildReading, now: int) -> tuple[DeviceMessage, str]:
        """Returns the message of a reading, and the reason if the gateway will reject it."""
        payload, entry = bytes(found.reading), b""
        if found.key:
            numbered = self._identities.number(device, int(found.key, 16), now)
            payload = b'{"boot":%d,"seq":%d,%b' % (numbered.boot, numbered.seq, payload[1:])
            entry = numbered.entry
        try:
            device_reading.decode(payload)
            reason = ""
        except WireError as error:
            reason, entry = str(error), b""
        return DeviceMessage(device, payload, now, self._decided, None, entry), reason

    def _decided(self, receipts: list[tuple[_Run, Decision] | None]) -> None:
        """Writes decisions; never waits, as the gateway's thread calls it."""
        mine = [receipt for receipt in receipts if receipt is not None]
        with self._lock:
            run = self._run
            if run is None or run.failed:
                return
            # Decisions on messages of an earlier run are lost: the senders repeat those messages.
            decisions = [decision for of, decision in mine if of is run]
            run.pending -= len(decisions)
            line = msgspec.json.encode(decisions) + b"\n"
            try:
                sent = run.channel.send(line, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except OSError as error:
                run.failed = f"its socket takes no decisions: {error}"
                return
            if sent < len(line):
                run.failed = "its socket takes no decisions: it is full"


def _listen(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for host, port in addresses:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            opened.append(socket.create_server((host, port), family=family, backlog=128))
    except OSError:
        for one in opened:
            one.close()
        raise
    return opened


def _ended(process: subprocess.Popen[bytes]) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    return process.returncode is not None


def _end(process: subprocess.Popen[bytes], grace_s: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    process.kill()
    process.wait()


def _rss(pid: int) -> int:
    with suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    return 0
