"""Offset of the bridge's clock to Kafka's, which defines log time. Pure.

A record is appended after it is sent and before its report arrives. So the bridge is ahead by at least its send time
less the append time, and by at most its report time less the append time. A delay of any length cannot make a right
clock appear wrong.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from bridge.kafka.port import DeliveryReport

OFF_MS: Final = 2000
"""Offset beyond which this clock's times are doubted, and gateways are not measured by it."""
RIGHT_MS: Final = 1000
"""The clock is right again only within this offset, measured as precisely; otherwise the state would flap."""


class KafkaClock:
    """Offset of the bridge's clock by acknowledged records; all times are UTC epoch ms.

    Attributes:
        off_since: Time by Kafka's clock since which this clock is known to be off; 0 while it is not.
        offset_ms: Lag behind Kafka's clock, negative if it is ahead; None before the first measurement.
    """

    def __init__(self) -> None:
        self.off_since = 0
        self.offset_ms: int | None = None

    def true(self, t: int) -> int:
        """Returns Kafka's time for this clock's time `t`; they are equal while this clock is right."""
        return t + (self.offset_ms or 0) if self.off_since else t

    def stored(self, sent: Mapping[int, int], reports: Iterable[DeliveryReport], now: int) -> None:
        """Measures by delivery reports that arrived at `now`; `sent` maps a record's number to its send time."""
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
