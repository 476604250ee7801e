"""Dependencies of the application, built by `cloud.console.job` or by a test."""

from collections.abc import Callable
from dataclasses import dataclass, field

from cloud.console.advice_process import Advisor, NoAdvisor
from cloud.console.auth.accounts import Accounts
from cloud.console.auth.audit_log import Audit
from cloud.console.command_writer import CommandWriter
from cloud.console.http.rate_limit import RateLimiter
from cloud.console.live.feed import LiveFeed
from cloud.console.live.topic_cache import TopicCache
from cloud.console.settings import Console
from cloud.console.warehouse_history import History


@dataclass(slots=True)
class AppState:
    """State that requests use.

    Attributes:
        settings: The job's settings.
        clock: Wall clock, UTC epoch ms.
        accounts: Users and sessions.
        audit: The audit log.
        topics: Admissions, rotas and recent events, followed from Kafka.
        commands: Writes actions and changes.
        feed: Present state from the alarm engine, and open pages.
        history: History in the warehouse.
        advisor: Advice on limits.
        rate_limiter: Rate limits of requests.
        proxy_seen: A proxy that the settings do not count has been warned of.
    """

    settings: Console
    clock: Callable[[], int]
    accounts: Accounts
    audit: Audit
    topics: TopicCache
    commands: CommandWriter
    feed: LiveFeed
    history: History
    advisor: Advisor = field(default_factory=NoAdvisor)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
    proxy_seen: bool = False
