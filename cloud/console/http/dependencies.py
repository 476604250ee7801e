"""What the page is made of, put together once in `cloud.console.job`, or by a test."""

from collections.abc import Callable
from dataclasses import dataclass, field

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
    """Everything that requests need.

    Attributes:
        settings: The job's settings.
        clock: Wall clock, UTC epoch ms.
        accounts: Users and sessions.
        audit: The audit log.
        people: Who is admitted and on duty.
        desk: Writes what people do.
        hub: What the state tier knows now.
        history: What the warehouse keeps.
        limiter: How often is too often.
    """

    settings: Console
    clock: Callable[[], int]
    accounts: Accounts
    audit: Audit
    topics: TopicCache
    commands: CommandWriter
    feed: LiveFeed
    history: History
    rate_limiter: RateLimiter = field(default_factory=RateLimiter)
