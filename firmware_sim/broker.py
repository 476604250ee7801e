"""The broker of a device: address, password and certificates, from its URL."""

import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class Tls(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Certificates of devices on `mqtts://`; `{device}` in a path is replaced by the device id.

    Attributes:
        ca: Certificate authority of the broker, PEM; None for the system's.
        cert: The device's certificate, PEM; None for none.
        key: Its private key, PEM.
    """

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if (self.cert is None) != (self.key is None):
            raise ValueError("tls: a client certificate needs its key, and a key its certificate")

    def context(self, device: str) -> ssl.SSLContext:
        """Returns a device's TLS context, 1.2 or newer.

        Raises:
            ValueError: A file is missing or no PEM; the message names all three.
        """
        files = (None if path is None else path.replace("{device}", device) for path in (self.ca, self.cert, self.key))
        return _context(*files)


@lru_cache(maxsize=1024)
def _context(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext:
    missing = [path for path in (ca, cert, key) if path is not None and not Path(path).is_file()]
    if missing:
        raise ValueError(f"tls: {', '.join(missing)} cannot be found")
    try:
        context = ssl.create_default_context(cafile=ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if cert is not None:
            context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise ValueError(f"tls: ca {ca}, cert {cert}, key {key} cannot be used: {error}") from error
    return context


@dataclass(frozen=True, slots=True)
class Broker:
    """Broker of one device.

    Attributes:
        host: Name or address.
        port: Port.
        user: User name and password, None for an anonymous broker.
        tls: TLS context, None for plain TCP.
    """

    host: str
    port: int
    user: tuple[str, str] | None
    tls: ssl.SSLContext | None


def broker(url: str, device: str, tls: Tls) -> Broker:
    """Reads a broker's URL, as in `plan.DevicePlan.broker`, for one device.

    Raises:
        ValueError: A certificate cannot be used.
    """
    parts = urlsplit(url)
    user, password = (unquote(part or "").replace("{device}", device) for part in (parts.username, parts.password))
    return Broker(
        str(parts.hostname),
        parts.port or _PORTS[parts.scheme],
        (user, password) if user else None,
        tls.context(device) if parts.scheme == "mqtts" else None,
    )
