"""Settings of the local stack."""

from dataclasses import dataclass
from pathlib import Path

from infra.local.ports import DEFAULT_BASE, DEFAULT_GATEWAYS
from vitals.runtime.settings import setting


@dataclass(frozen=True)
class LocalSettings:
    """Data folder and ports of the local stack."""

    var: Path = setting("Folder of the local stack's data, logs and records", Path("var"))
    port_base: int = setting("First of the local stack's consecutive ports on 127.0.0.1", DEFAULT_BASE)
    stack_locations: Path | None = setting("Location map of ADT; with it `up --all` runs `cloud adt`, too", None)
    stack_gateways: tuple[str, ...] = setting(
        "Names of the gateways that get a broker and a certificate", DEFAULT_GATEWAYS
    )
