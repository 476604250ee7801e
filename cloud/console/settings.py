"""Settings of `python -m cloud console`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cloud.ack_links import MIN_KEY_CHARACTERS
from cloud.kafka.settings import Kafka
from cloud.push_services import SERVICES, public_key
from cloud.wording import Wording, wording
from vitals.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class Console(Kafka):
    """Settings of `python -m cloud console`."""

    console_url: str = setting("base of the link in messages", "http://127.0.0.1:18805")
    console_bind: str = setting(
        "address on which the page listens; any other than loopback needs a proxy with TLS in front", "127.0.0.1"
    )
    console_port: int = setting("port of the page; 0 takes that of CONSOLE_URL", 0)
    console_data: Path = setting("folder of users, sessions and audit log", Path("var/console"))
    console_session_h: float = setting("hours after sign-in when a session ends", 12.0)
    console_idle_min: float = setting("minutes without a page open after which a session ends", 60.0)
    console_poll_s: float = setting("seconds between two polls of the alarm engine", 0.5)
    console_printouts: Path | None = setting(
        "folder for a printout of each ward, for the time when the system is down; none: no files", None
    )
    console_printout_min: float = setting("minutes between two printouts of a ward", 10.0)
    console_proxies: int = setting("number of reverse proxies in front of the page, for X-Forwarded-For", 0)
    lake: str | None = setting("Lake: s3://bucket/prefix?endpoint_override=… or file:///folder", None)
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    ray_port: int = setting("port of Ray's head on loopback, when RAY_ADDRESS is not set", 6379)
    watch_shards: int = setting("Ray actors; more than processor cores gain nothing", 2)
    ray_auth_token: str | None = setting(
        "secret shared by Ray's processes; without it Ray uses the one in the user's home", None
    )
    link_key: str | None = setting("secret of 32 characters or more that signs acknowledge links; none: no links", None)
    message_language: str = setting("language of messages and of links' pages: en or de", "en")
    message_time_zone: str = setting("IANA time zone of messages and of links' pages, such as Europe/Berlin", "UTC")
    push_key: str | None = setting("private key for Web Push, of `python -m cloud push-key`; none: no push", None)
    push_services: tuple[str, ...] = setting("origins of push services; a host may begin with *.", SERVICES)
    notify_technical_ward: str = setting("ward that is notified of alarms without a ward", "technical")
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        parts = urlsplit(self.console_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"CONSOLE_URL={self.console_url!r} is no http or https address")
        wording(self.message_language, self.message_time_zone)
        if self.link_key is not None and len(self.link_key) < MIN_KEY_CHARACTERS:
            raise ValueError(f"LINK_KEY has {len(self.link_key)} characters, not {MIN_KEY_CHARACTERS} or more")
        if self.push_key is not None:
            public_key(self.push_key)
        times = (self.console_session_h, self.console_idle_min, self.console_poll_s, self.console_printout_min)
        if min(times) <= 0:
            raise ValueError(
                "CONSOLE_SESSION_H, CONSOLE_IDLE_MIN, CONSOLE_POLL_S and CONSOLE_PRINTOUT_MIN must be positive"
            )

    @property
    def secure(self) -> bool:
        """True if the page is served by TLS; the cookie is then sent only by TLS."""
        return self.console_url.startswith("https:")

    @property
    def wording(self) -> Wording:
        """Language and zone of links' pages."""
        return wording(self.message_language, self.message_time_zone)

    @property
    def port(self) -> int:
        """Port on which the page listens."""
        return self.console_port or urlsplit(self.console_url).port or (443 if self.secure else 80)
