"""Peak memory per part: proportional set size, so that pages shared between processes count once."""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from infra.local.process import Processes


def pss_mb(process: psutil.Process) -> float:
    """The PSS of a process and everything below it, MB (10^6 bytes); what ended meanwhile counts nothing."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(_pss_kib(member.pid) for member in family) * 1024 / 1e6


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it ended, or belongs to somebody else
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


class PeakMemory:
    """The highest PSS of each recorded process of a stack, sampled while the block runs.

    Args:
        processes: The stack's processes.
        every_s: Time between samples; one of a Spark process costs some milliseconds.
    """

    def __init__(self, processes: Processes, every_s: float = 2.0) -> None:
        self._processes = processes
        self._every_s = every_s
        self._peak: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak_mb(self) -> Mapping[str, float]:
        """The peak by name of process, MB; `total` is the highest sum at one time."""
        return dict(self._peak)

    def sample(self) -> None:
        """Looks once."""
        now = {name: pss_mb(process) for name, process in self._processes.alive().items()}
        now["total"] = sum(now.values())
        self._peak |= {name: max(mb, self._peak.get(name, 0.0)) for name, mb in now.items()}

    def _run(self) -> None:
        while True:
            self.sample()
            if self._stop.wait(self._every_s):
                return
