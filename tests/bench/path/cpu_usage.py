"""Processor time and memory of each part: of its process and all child processes."""

from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from infra.local.memory_usage import pss_mb
from infra.local.process import Processes


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time and memory at one moment.

    Attributes:
        cpu_s: Processor seconds so far, by part; ended children that were waited for included.
        pss_mb: Memory now, MB, by part; shared pages count once.
    """

    cpu_s: Mapping[str, float]
    pss_mb: Mapping[str, float]

    def since(self, earlier: "Usage") -> dict[str, float]:
        """Returns processor seconds since an earlier moment, by part."""
        return {name: used - earlier.cpu_s.get(name, 0.0) for name, used in self.cpu_s.items()}


def usage(processes: Processes) -> Usage:
    """Measures every process of a stack."""
    alive = processes.alive()
    return Usage(
        cpu_s={name: _cpu_s(process) for name, process in alive.items()},
        pss_mb={name: pss_mb(process) for name, process in alive.items()},
    )


def _cpu_s(process: psutil.Process) -> float:
    spent = 0.0
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return spent
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system + times.children_user + times.children_system
    return spent
