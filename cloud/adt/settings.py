"""Settings of `python -m cloud adt`."""

from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.kafka.settings import Kafka
from vitals.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class Adt(Kafka):
    """Settings of `python -m cloud adt`."""

    adt_locations: Path = setting("location map, a CSV file that is read again when it changes")
    adt_listen: str = setting("address:port of the MLLP listener; empty: none", "127.0.0.1:2575")
    adt_tls_cert: Path | None = setting("certificate of the MLLP listener; without it MLLP is in clear", None)
    adt_tls_key: Path | None = setting("its private key", None)
    adt_tls_ca: Path | None = setting("authority of senders' certificates, which are then required", None)
    adt_folder: Path | None = setting("folder of *.hl7 files to read; each moves to its folder done", None)
    adt_time_zone: str = setting("IANA time zone of ADT times without an offset, such as Europe/Berlin", "UTC")
    adt_authority: str = setting("assigning authority of the patient ids in PID-3; empty: type MR, else the first", "")
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    ray_port: int = setting("port of Ray's head on loopback, when RAY_ADDRESS is not set", 6379)
    watch_shards: int = setting("Ray actors; more than processor cores gain nothing", 2)
    ray_auth_token: str | None = setting(
        "secret shared by Ray's processes; without it Ray uses the one in the user's home", None
    )
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        host, _, port = self.adt_listen.rpartition(":")
        if self.adt_listen and not (host and port.isdecimal() and 0 < int(port) < 1 << 16):
            raise ValueError(f"ADT_LISTEN={self.adt_listen!r} is no address:port")
        if not self.adt_listen and self.adt_folder is None:
            raise ValueError("ADT_LISTEN and ADT_FOLDER are both empty: nothing would be read")
        if (self.adt_tls_cert is None) != (self.adt_tls_key is None):
            raise ValueError("ADT_TLS_CERT and ADT_TLS_KEY belong together")
        if self.adt_tls_ca is not None and self.adt_tls_cert is None:
            raise ValueError("ADT_TLS_CA needs ADT_TLS_CERT")
        if self.adt_listen and self.adt_tls_ca is None and host not in {"127.0.0.1", "::1", "localhost"}:
            raise ValueError(
                f"ADT_LISTEN={self.adt_listen!r} is reachable from outside: it needs ADT_TLS_CERT, _KEY and _CA"
            )
        try:
            ZoneInfo(self.adt_time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"ADT_TIME_ZONE={self.adt_time_zone!r} is no IANA time zone") from error
