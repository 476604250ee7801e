"""Settings of the demo."""

from dataclasses import dataclass
from pathlib import Path

from infra.local.ports import DEFAULT_BASE
from vitals.runtime.settings import setting


@dataclass(frozen=True)
class DemoSettings:
    """How `make demo` runs."""

    duration: float | None = setting("Length of the demo after its first reading, s; without it until Ctrl-C", None)
    report: Path | None = setting("File for the report of a bounded demo", None)
    life: Path | None = setting("Folder that keeps what a bounded demo was, for `python -m tests.truth.real`", None)
    faults: bool = setting("1: kill each process once, cut a gateway for 60 s, give one a new outbox", False)
    seed: int = setting("Seed of the demo's patients and faults", 1)
    var: Path = setting("Folder of the local stack's data, logs and records", Path("var"))
    port_base: int = setting("First of the consecutive ports that the local stack takes on 127.0.0.1", DEFAULT_BASE)

    def __post_init__(self) -> None:
        if self.duration is not None and not 30 <= self.duration <= 86_400:  # noqa: PLR2004 - the story needs its time
            raise ValueError(f"DURATION={self.duration:g} must be 30 to 86400 s")
        if self.report is not None and self.duration is None:
            raise ValueError("REPORT needs DURATION: an endless demo has no report")
        if self.life is not None and self.duration is None:
            raise ValueError("LIFE needs DURATION: an endless demo is kept by nobody")
        if self.faults and self.duration is None:
            raise ValueError("FAULTS needs DURATION: the faults are spread over the run")
