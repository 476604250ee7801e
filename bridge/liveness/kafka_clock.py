"""How far the bridge's clock is from Kafka's, whose time is log time. Pure.

A record is appended after it was sent and before its report has come. So what the bridge's clock says less what the
log has written is at most how far the bridge is ahead when taken at the sending, and at least that when taken at the
report: no delay, however long, makes a right clock look wrong.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.kafka.port import DeliveryReport

OFF_MS: Final = 2000
"""What is dated with a clock that is further off is doubted, and gateways are not measured by it."""
RIGHT_MS: Final = 1000
"""It is right again only this close, measured as closely: otherwise it would come and go."""


class KafkaClock:
    """What acknowledged records tell of the bridge's clock; all times are UTC epoch ms.

    Attributes:
        off_since: Since when, by the log's clock, this one is known to be off; 0 while it is not.
        offset_ms: By how much it lags behind the log's, negative when it is ahead; None before it was measured.
    """

    def __init__(self) -> None:
        self.off_since = 0
        self.offset_ms: int | None = None

    def true(self, t: int) -> int:
        """Returns what the log's clock says when this one says `t`, which is the same as long as this one is right."""
        return t + (self.offset_ms or 0) if self.off_since else t

    def stored(self, sent: Mapping[int, int], reports: Iterable[DeliveryReport], now: int) -> None:
        """Takes reports of records, of which `sent` has when they were sent, by number; `now` is when they came."""
        dated = [(sent[r.number], r.t) for r in reports if r.error is None and r.t and r.number in sent]
        if not dated:
            return
        ahead_at_least = max(begun - t for begun, t in dated)
        ahead_at_most = min(now - t for _, t in dated)
        self.offset_ms = -(ahead_at_least + ahead_at_most) // 2
        if ahead_at_least > OFF_MS or ahead_at_most < -OFF_MS:
            self.off_since = self.off_since or now + self.offset_ms
        elif ahead_at_most >= -RIGHT_MS and ahead_at_least <= RIGHT_MS and ahead_at_most - ahead_at_least <= RIGHT_MS:
            self.off_since = 0
