"""Settings of the gateway, from the environment."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edge.devices import listener
from vitals.bounds import MAX_ID, is_name
from vitals.runtime.settings import setting

MAX_LINGER_MS = 1_000
"""Most time for which a reading may wait for others: until its commit only the sender has it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreSettings:
    """Directory of the gateway's data; the only setting that `status` and `accepted` need."""

    edge_data: Path = setting("directory of the gateway's outbox and state; one per gateway", Path("var/edge"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(StoreSettings):
    """All settings of the gateway."""

    gateway: str = setting("id of this gateway; also its MQTT client id and the common name of its certificate")
    device_broker: str = setting("URL of the gateway's own broker, mqtt://host:port", "mqtt://127.0.0.1:1883")
    device_drivers: tuple[str, ...] = setting(
        "URLs of further drivers, comma-separated; for HL7 monitors hl7://host:port?… (docs/devices.md)",
        (),
    )
    device_user: str | None = setting("user name at the gateway's own broker", None)
    device_password: str | None = setting("password at the gateway's own broker", None)
    uplink: str = setting("URL of the site broker or AWS IoT Core, mqtts://host:port", "mqtts://localhost:8883")
    uplink_ca: Path | None = setting("file of the authority that signed the uplink broker's certificate", None)
    uplink_cert: Path | None = setting("file of this gateway's certificate; required by mqtts", None)
    uplink_key: Path | None = setting("file of this gateway's private key; required by mqtts", None)
    uplink_limits: str = setting(
        "iot-core applies AWS IoT Core's limits, none applies no limit, auto decides by the host of UPLINK", "auto"
    )
    uplink_flush_s: float = setting("longest time a calm reading waits for its batch, s", 30.0)
    backlog_per_s: float = setting("most batches of the backlog sent per second, in addition to live ones", 50.0)
    commit_linger_ms: int = setting(
        "longest time calm readings wait to share their commit, 0 to 1000 ms; longer spares the card", 1000
    )
    outbox_max_bytes: int = setting("size of the backlog beyond which the oldest batches are dropped, bytes", 2 * 2**30)
    outbox_max_age_s: float = setting("age beyond which a batch that was offered in vain is dropped, s", 7 * 86_400.0)
    status_s: float = setting(
        "time between two status messages, s; the bridge reports the gateway as silent after 10 s", 3.0
    )
    drain_s: float = setting("longest wait at shutdown for the confirmation of all batches, s", 5.0)
    canary_s: float = setting("period of the canary's alarm, s: 60 proves the path each minute, 0 disables it", 0.0)
    runtime_directory: Path | None = setting(
        "directory that lasts as long as the machine's boot, from systemd; holds a boot id if the kernel's is "
        "hidden, and the state for a restart while the card cannot be written",
        None,
    )
    metrics_port: int = setting("port of Prometheus metrics on loopback; 0 serves none", 0)

    def __post_init__(self) -> None:
        if not is_name(self.gateway):
            raise ValueError(f"GATEWAY={self.gateway!a} must be 1 to {MAX_ID} letters, digits and - _ . :")
        if not (self.canary_s == 0 or self.canary_s >= 1):
            raise ValueError(f"CANARY_S={self.canary_s} must be 0 or at least 1")
        _check_url("DEVICE_BROKER", self.device_broker, {"mqtt"})
        for url in self.device_drivers:
            listener.parse(url)
        _check_url("UPLINK", self.uplink, {"mqtt", "mqtts"})
        if self.uplink_limits not in {"auto", "iot-core", "none"}:
            raise ValueError(f"UPLINK_LIMITS={self.uplink_limits!r} must be auto, iot-core or none")
        if not 0 <= self.commit_linger_ms <= MAX_LINGER_MS:
            raise ValueError(f"COMMIT_LINGER_MS={self.commit_linger_ms} must be 0 to {MAX_LINGER_MS}")
        for name in ("uplink_flush_s", "backlog_per_s", "outbox_max_bytes", "outbox_max_age_s", "status_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name.upper()}={getattr(self, name)} must be above 0")
        if self.uplink.startswith("mqtts:"):
            for name in ("uplink_cert", "uplink_key"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name.upper()} is not set, and UPLINK={self.uplink} requires a certificate")
            for name in ("uplink_ca", "uplink_cert", "uplink_key"):
                path = getattr(self, name)
                if path is not None and not path.is_file():
                    raise ValueError(f"{name.upper()}={path} is no file: issue this gateway's certificate first")


def _check_url(name: str, url: str, schemes: set[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"{name}={url!r} must be {' or '.join(sorted(schemes))}://host:port")
