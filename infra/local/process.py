"""Starting, recording and ending processes: exactly those that this stack started, and no others.

Every process gets its own session and has the stack's mark in its environment. A record (pid and start time) is kept in
`var/run`, so that another command, or the reaper after a crash, can end it. A pid that was reused since has another
start time and is not touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "WARDWATCH_PROCESS"
LATER = 10
"""Niceness of archive, loader and PostgreSQL, which may wait for the path that calls a nurse."""
_PROBE_EVERY_S = 0.05
_LOOK_EVERY_S = 0.02
_KILLED_WITHIN_S = 10.0
_KILL_ROUNDS = 2


class PartError(RuntimeError):
    """A process did not start, or ended too early."""


class PartEndedError(PartError):
    """A process ended before it was ready."""


@dataclass(frozen=True)
class Spec:
    """Command, environment and readiness of one process.

    Attributes:
        name: Unique in the stack; names the log and the record.
        argv: Program and arguments.
        env: Its complete environment; nothing else is inherited.
        ready: True once it serves; must not raise before.
        ready_timeout_s: Limit of the time to readiness.
        stop_signal: Signal for an orderly stop.
        stop_timeout_s: Time from that signal until it is killed.
        niceness: Niceness, 0 to 19.
        scratch: Its folder for temporary files, emptied before each start, since a killed process leaves them behind.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    ready_timeout_s: float = 60.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    niceness: int = 0
    scratch: Path | None = None


@dataclass(frozen=True)
class Record:
    """A started process as recorded in `var/run`."""

    name: str
    pid: int
    started: int
    stop_signal: int
    stop_timeout_s: float

    def process(self) -> psutil.Process | None:
        """Returns the process while it lives; None once it ended, or if its pid was reused."""
        try:
            return psutil.Process(self.pid) if start_ticks(self.pid) == self.started else None
        except psutil.NoSuchProcess:
            return None


def start_ticks(pid: int) -> int | None:
    """Returns a living process's start, clock ticks since boot (proc(5) stat, field 22); no clock change moves it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _stand_back(pid: int, niceness: int) -> None:
    """Lowers the priority of a process and its future children."""
    with contextlib.suppress(OSError):  # it has ended already: its waiter reports that
        os.setpriority(os.PRIO_PROCESS, pid, niceness)
        # If the kernel groups processes by session (autogroup), the group's niceness decides.
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


class Processes:
    """The processes of one stack, under its `var` folder."""

    def __init__(self, var: Path) -> None:
        self.var = var.resolve()
        self.logs = self.var / "log"
        self.run = self.var / "run"
        self._started: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()

    def records(self) -> dict[str, Record]:
        """Everything recorded as started, alive or not, by name."""
        found = {}
        for path in sorted(self.run.glob("*.process.json")):
            with contextlib.suppress(FileNotFoundError):  # another command ended it in between
                record = Record(**json.loads(path.read_text()))
                found[record.name] = record
        return found

    def alive(self) -> dict[str, psutil.Process]:
        """The recorded processes that live, by name."""
        return {name: process for name, record in self.records().items() if (process := record.process())}

    def start(self, spec: Spec) -> psutil.Process:
        """Starts a process without waiting for its readiness; leaves one that runs already.

        Raises:
            PartError: The program could not be executed.
        """
        if running := self.alive().get(spec.name):
            return running
        for folder in (self.logs, self.run):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        env = {**spec.env, MARK: self._mark(spec.name)}
        if spec.scratch is not None:
            shutil.rmtree(spec.scratch, ignore_errors=True)
            spec.scratch.mkdir(parents=True, mode=0o700)
            env["TMPDIR"] = str(spec.scratch)
        with self._log(spec.name).open("ab") as log:
            try:
                child = subprocess.Popen(  # noqa: S603 - argv is this package's own
                    spec.argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
                )
            except OSError as error:
                raise PartError(
                    f"{spec.name} could not be started ({error}): run python -m infra.local doctor"
                ) from error
        if spec.niceness:
            _stand_back(child.pid, spec.niceness)
        with self._lock:
            self._started.append(child)
        self._write(
            Record(spec.name, child.pid, start_ticks(child.pid) or 0, int(spec.stop_signal), spec.stop_timeout_s)
        )
        return psutil.Process(child.pid)

    def wait_ready(self, spec: Spec) -> None:
        """Waits until a started process serves.

        Raises:
            PartEndedError: It ended; carries the end of its log.
            PartError: It was not ready in time; carries the end of its log.
        """
        deadline = time.monotonic() + spec.ready_timeout_s
        while not spec.ready():
            self._reap()
            if spec.name not in self.alive():
                raise PartEndedError(f"{spec.name} ended while starting. {self._tail(spec.name)}")
            if time.monotonic() > deadline:
                raise PartError(
                    f"{spec.name} was not ready within {spec.ready_timeout_s:.0f} s. {self._tail(spec.name)}"
                )
            time.sleep(_PROBE_EVERY_S)

    def kill(self, name: str) -> None:
        """Kills a process and all it started at once, as a crash or a power cut does. It can be restarted."""
        if (record := self.records().get(name)) is None:
            return
        for _ in range(_KILL_ROUNDS):  # it may start another one while it is being killed
            _end(self._family(record), grace_s=0.0)
            self._reap()

    def send(self, name: str, number: signal.Signals) -> None:
        """Sends a signal to a process and to all it started: SIGSTOP, after which none of it answers, and SIGCONT."""
        if (record := self.records().get(name)) is not None:
            for process in self._family(record):
                _signal(process, number)

    def end(self, names: Iterable[str] | None = None) -> None:
        """Ends processes together: sends the stop signal, waits, then kills the rest; removes their records."""
        chosen = [record for name, record in self.records().items() if names is None or name in names]
        families = [(record, self._family(record)) for record in chosen]
        for record, _ in families:
            if process := record.process():
                _signal(process, signal.Signals(record.stop_signal))
        deadline = time.monotonic() + max((record.stop_timeout_s for record in chosen), default=0.0)
        for record, family in families:
            mains = [process for process in family if process.pid == record.pid]
            _wait(mains, min(deadline, time.monotonic() + record.stop_timeout_s))
            _end(self._merged(record, family), grace_s=1.0)
            (self.run / f"{record.name}.process.json").unlink(missing_ok=True)
        self._reap()

    def _family(self, record: Record) -> list[psutil.Process]:
        """Returns the process, its descendants, and others with its mark (a child that made itself independent)."""
        found: dict[int, psutil.Process] = {}
        if main := record.process():
            found = {process.pid: process for process in (main, *_children(main))}
        mark = self._mark(record.name)
        for process in psutil.process_iter():
            try:
                if process.pid not in found and process.environ().get(MARK) == mark:
                    found[process.pid] = process
            except (psutil.Error, OSError):
                continue  # another user's process, or one that has ended
        return list(found.values())

    def _merged(self, record: Record, before: list[psutil.Process]) -> list[psutil.Process]:
        return list({process.pid: process for process in (*before, *self._family(record))}.values())

    def _reap(self) -> None:
        """Collects ended children, so that none stays as a zombie."""
        with self._lock:
            for child in self._started:
                if start_ticks(child.pid) is None:
                    # A process with many threads can be reaped only after the last of them has ended.
                    child.wait(_KILLED_WITHIN_S)
            self._started = [child for child in self._started if child.poll() is None]

    def _mark(self, name: str) -> str:
        return f"{self.var}:{name}"

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _tail(self, name: str, lines: int = 15) -> str:
        text = self._log(name).read_text(errors="replace").splitlines()[-lines:]
        return f"The end of {self._log(name)}:\n" + "\n".join(text)

    def _write(self, record: Record) -> None:
        path = self.run / f"{record.name}.process.json"
        path.with_suffix(".new").write_text(json.dumps(vars(record)))
        path.with_suffix(".new").replace(path)


def base_env(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Returns the variables that any child needs of the caller's environment, and none that could redirect it.

    JAVA_HOME is left out: Spark would prefer it to the `java` on PATH, which is the one that was checked.
    """
    return {key: environ[key] for key in ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER") if key in environ}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _wait(processes: list[psutil.Process], deadline: float) -> list[psutil.Process]:
    """Waits until all ended; returns the others. A zombie counts as ended."""
    while left := [process for process in processes if _lives(process)]:
        if time.monotonic() >= deadline:
            return left
        time.sleep(_LOOK_EVERY_S)
    return []


def _lives(process: psutil.Process) -> bool:
    return start_ticks(process.pid) is not None and process.is_running()


def _end(processes: list[psutil.Process], grace_s: float) -> None:
    """Waits a moment for the processes to follow their parent, then kills the rest."""
    left = _wait(processes, time.monotonic() + grace_s)
    for process in left:
        _signal(process, signal.SIGKILL)
    _wait(left, time.monotonic() + _KILLED_WITHIN_S)
