"""URLs of `DEVICE_DRIVERS`: the scheme names the driver, host and port its listening socket, the rest is the driver's.

`hl7://0.0.0.0:6001?device=mon-1`: a port for one bed, on a closed network.
`hl7://0.0.0.0:2575?cert=…&key=…&ca=…`: TLS, and the client certificate's common name is the device.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from edge.devices.child_program import Program
from vitals.bounds import is_name

MODULES: Final = {"hl7": "edge.hl7"}
"""Module of each scheme's program."""
_FILES: Final = "cert", "key", "ca"
_KNOWN: Final = frozenset((*_FILES, "device", "devices", "zone", "patients"))


class Naming(StrEnum):
    """Source of the device's name on a listening socket with TLS."""

    CERTIFICATE = "certificate"
    """Common name of the client certificate."""
    MSH_3 = "msh-3"
    """MSH-3 of the message, its EUI-64 if it has one: a concentrator speaks for its monitors."""
    PV1_3 = "pv1-3"
    """PV1-3 of the message, the bed: a central station speaks for its beds."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Listening socket of a driver.

    Attributes:
        url: The URL.
        host: Address.
        port: Port.
        device: The only device on it; empty with TLS.
        naming: Source of the device's name.
        files: Certificate, key and authority of TLS; empty without TLS.
        zone: Zone of times without an offset; None for the gateway's own.
        compares: Whether the patient's identifiers are compared with the admission.
    """

    url: str
    host: str
    port: int
    device: str
    naming: Naming
    files: tuple[Path, ...]
    zone: ZoneInfo | None
    compares: bool


def parse(url: str) -> Listener:
    """Parses a URL.

    Raises:
        ValueError: It is none of a driver; the message names the fault.
    """
    where = f"DEVICE_DRIVERS={url!r}"
    try:
        parts = urlsplit(url)
        port = parts.port
        words = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        zone = ZoneInfo(words["zone"]) if "zone" in words else None
        naming = Naming(words.get("devices", Naming.CERTIFICATE))
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"{where}: {error}") from error
    if parts.scheme not in MODULES:
        raise ValueError(f"{where}: its scheme must be one of {', '.join(MODULES)}; DEVICE_BROKER is for MQTT")
    if not parts.hostname or not port:
        raise ValueError(f"{where} must be {parts.scheme}://host:port")
    if unknown := words.keys() - _KNOWN:
        raise ValueError(f"{where}: {', '.join(sorted(unknown))} unknown; known are {', '.join(sorted(_KNOWN))}")
    files = tuple(Path(words[name]) for name in _FILES if name in words)
    device = words.get("device", "")
    if bool(files) == bool(device) or len(files) not in {0, len(_FILES)}:
        raise ValueError(
            f"{where} must have either device=NAME, or cert, key and ca: a message alone does not identify the device"
        )
    if device and not is_name(device):
        raise ValueError(f"{where}: device {device!a} is no name")
    if device and naming is not Naming.CERTIFICATE:
        raise ValueError(f"{where}: with device={device} all messages are of that device; devices needs TLS")
    if words.get("patients", "compare") not in {"compare", "ignore"}:
        raise ValueError(f"{where}: patients must be compare or ignore")
    for file in files:
        if not file.is_file():
            raise ValueError(f"{where}: {file} is no file")
    compares = words.get("patients") != "ignore"
    return Listener(url, parts.hostname, port, device, naming, files, zone, compares)


def programs(urls: Iterable[str]) -> list[Program]:
    """Returns one program for each scheme, with all of its listening sockets."""
    found: dict[str, list[Listener]] = {}
    for url in urls:
        found.setdefault(urlsplit(url).scheme, []).append(parse(url))
    return [
        Program(scheme, MODULES[scheme], tuple(one.url for one in mine), tuple((one.host, one.port) for one in mine))
        for scheme, mine in found.items()
    ]
