"""The report of a bounded demo, and whether the path delivered."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.demo.reconciliation import Verdict

HOPS: Final = ("sensor_to_kafka", "sensor_to_scored", "sensor_to_alarm", "sensor_to_sns")


def spread(latencies_ms: Sequence[float]) -> dict[str, float | None]:
    """Returns p50, p99 (nearest rank) and max, ms; None where nothing was measured."""
    if not latencies_ms:
        return {"p50": None, "p99": None, "max": None}
    ordered = sorted(latencies_ms)

    def rank(share: float) -> float:
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return {"p50": rank(0.50), "p99": rank(0.99), "max": ordered[-1]}


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted at the hops.

    Attributes:
        sent: Readings that devices sent.
        scored: Distinct readings in `vitals.scored`.
        archived: Distinct readings in the lake.
        loaded: Rows of readings in the warehouse.
        rejected: Records in `vitals.rejected`.
        alarms: Alarms that started, by priority, and technical ones.
        notifications: Messages that SNS accepted.
    """

    sent: int
    scored: int
    archived: int
    loaded: int
    rejected: int
    alarms: Mapping[str, int]
    notifications: int


def report(
    counts: Counts, verdict: Verdict, latencies_ms: Mapping[str, Sequence[float]], peak_pss_mb: Mapping[str, float]
) -> dict[str, Any]:
    """Returns the report as JSON-ready data.

    `sensor_to_alarm` is measured on alarms that a reading decided, `sensor_to_sns` on messages of medium and high
    priority, from the event time of the step that is told of. `alarms` counts every start, and each escalation under
    the priority that it reached.
    """
    return {
        "sent": counts.sent,
        "accepted": verdict.accepted,
        "scored": counts.scored,
        "archived": counts.archived,
        "loaded": counts.loaded,
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "lake_repeats": verdict.lake_repeats,
        "rejected": counts.rejected,
        "alarms": {name: counts.alarms.get(name, 0) for name in ("high", "medium", "low", "technical")},
        "notifications": counts.notifications,
        "latency_ms": {hop: spread(latencies_ms.get(hop, ())) for hop in HOPS},
        "peak_pss_mb": dict(sorted(peak_pss_mb.items())),
    }


def shortcomings(result: Mapping[str, Any]) -> list[str]:
    """Returns why the path did not deliver; empty when it did."""
    found = []
    if not result["accepted"]:
        found.append("the gateways accepted no reading")
    if result["lost"]:
        found.append(f"{result['lost']} accepted readings are missing from the lake or the warehouse")
    if result["duplicated"]:
        found.append(f"{result['duplicated']} readings stand more than once in the warehouse")
    found.extend(f"no {kind} alarm was raised" for kind in ("high", "technical") if not result["alarms"][kind])
    if not result["notifications"]:
        found.append("no notification was accepted by SNS")
    return found
