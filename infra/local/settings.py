"""Settings of the local stack."""

from dataclasses import dataclass
from pathlib import Path

from infra.local.ports import DEFAULT_BASE, DEFAULT_GATEWAYS
from vitals.runtime.settings import setting


@dataclass(frozen=True)
class LocalSettings:
    """Where the local stack keeps its data and where it listens."""

    var: Path = setting("Folder of the local stack's data, logs and records", Path("var"))
    port_base: int = setting("First of the consecutive ports that the local stack takes on 127.0.0.1", DEFAULT_BASE)
    stack_gateways: tuple[str, ...] = setting(
        "Names of the gateways that get a broker and a certificate", DEFAULT_GATEWAYS
    )
