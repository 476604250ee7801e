"""Settings of `python -m cloud console`."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cloud.ack_links import MIN_KEY_CHARACTERS
from cloud.settings import Kafka
from vitals.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class Console(Kafka):
    """Settings of `python -m cloud console`."""

    console_url: str = setting("base of the link in messages", "http://127.0.0.1:18805")
    console_bind: str = setting(
        "address on which the page listens; a proxy with TLS stands before any other", "127.0.0.1"
    )
    console_port: int = setting("port of the page; 0 takes that of CONSOLE_URL", 0)
    console_data: Path = setting("folder of users, sessions and audit log", Path("var/console"))
    console_session_h: float = setting("hours after sign-in when a session ends", 12.0)
    console_idle_min: float = setting("minutes without a page open after which a session ends", 60.0)
    console_poll_s: float = setting("seconds between two looks at the state tier", 0.5)
    console_proxies: int = setting("reverse proxies before the page, whose X-Forwarded-For is believed", 0)
    warehouse: str = setting("Warehouse: postgresql://… or redshift://user:password@host:port/database")
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    ray_port: int = setting("port of Ray's head on loopback, when RAY_ADDRESS is not set", 6379)
    watch_shards: int = setting("Ray actors; more than there are cores gains nothing", 2)
    ray_auth_token: str | None = setting("secret that Ray's processes share; without it Ray keeps one at home", None)
    link_key: str | None = setting("secret of 32 characters or more that signs acknowledge links; none: no links", None)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        parts = urlsplit(self.console_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(f"CONSOLE_URL={self.console_url!r} is no http or https address")
        if self.link_key is not None and len(self.link_key) < MIN_KEY_CHARACTERS:
            raise ValueError(f"LINK_KEY has {len(self.link_key)} characters, not {MIN_KEY_CHARACTERS} or more")
        if min(self.console_session_h, self.console_idle_min, self.console_poll_s) <= 0:
            raise ValueError("CONSOLE_SESSION_H, CONSOLE_IDLE_MIN and CONSOLE_POLL_S must be positive")

    @property
    def secure(self) -> bool:
        """Whether people reach the page by TLS, so that the cookie travels by TLS alone."""
        return self.console_url.startswith("https:")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.console_port or urlsplit(self.console_url).port or (443 if self.secure else 80)
