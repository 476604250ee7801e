"""Which faults strike, when: decided by a seed before anything starts, so that a storm can be told again. Pure."""

import json
import random
from dataclasses import asdict
from typing import Final

from infra.demo.faults import Fault, What
from infra.local.stack import KAFKA, MOTO, POSTGRES, SITE_BROKER, SNS

GATEWAYS: Final = ("gw-w0", "gw-w1")
"""Real gateways; the first lies on a small card of its own, the second gets a new one."""
WARDS: Final = ("w0", "w1")
ACTOR: Final = "actor"
"""One of the shard actors of `watch`."""
LOAD_LINK, BRIDGE_LINK, AWS_LINK, WAREHOUSE_LINK = "synthetic-gateways", "bridge-uplink", "aws", "warehouse"
SNS_LINK: Final = "way-to-sns"
OURS: Final = ("bridge", "score", "watch", "notify", "archive", "load", "console", *(f"edge-{g}" for g in GATEWAYS))
BROKERS: Final = (KAFKA, SITE_BROKER, *(f"device-broker-{gateway}" for gateway in GATEWAYS))
STALL_S: Final = 30.0
FIRST, LAST = 0.04, 0.9
"""Shares of the run between which faults strike: before, it must be seen to work; after, to be whole again."""
SLOW_BYTES_S: Final = 16_000.0
CLOCK_S: Final = (3600.0, -3600.0, 90.0, -90.0)
BAD_SNS: Final = (
    (What.THROTTLE, 30.0, 0.5),
    (What.SLOW_ANSWERS, 30.0, 8_000.0),
    (What.LOSE_ANSWERS, 0.0, 5.0),
)
"""Kind, seconds, amount; a slow answer comes later than the notifier waits for it."""

Kind = tuple[What, str, float, float]
"""What, target, seconds, amount."""


def kinds() -> tuple[Kind, ...]:
    """Returns every fault that there is, each once.

    moto keeps the lake in memory alone, and the bad SNS its topics, so they are stopped, cut and refused, never killed.
    What scoring and the archive keep of their own is where a restart finds nothing anyway (ADR 0010); the storm deletes
    it all the same.
    """
    links = (*GATEWAYS, LOAD_LINK, BRIDGE_LINK, AWS_LINK, WAREHOUSE_LINK, SNS_LINK)
    return (
        *((What.KILL, name, 0.0, 0.0) for name in (*OURS, ACTOR, *BROKERS, POSTGRES)),
        *((What.STALL, name, STALL_S, 0.0) for name in (*OURS, ACTOR, *BROKERS, POSTGRES, MOTO, SNS)),
        *((What.RESTART, name, 0.0, 0.0) for name in BROKERS),
        *((What.CUT, link, seconds, 0.0) for link, seconds in zip(links, (60, 20, 30, 40, 30, 40, 30), strict=True)),
        *((What.SLOW, link, 45.0, SLOW_BYTES_S) for link in (GATEWAYS[0], LOAD_LINK, BRIDGE_LINK, AWS_LINK)),
        *((what, SNS, seconds, amount) for what, seconds, amount in BAD_SNS),
        *((What.REFUSE, link, 30.0, 0.0) for link in (BRIDGE_LINK, AWS_LINK, WAREHOUSE_LINK, SNS_LINK)),
        (What.FULL_DISK, GATEWAYS[0], 30.0, 0.0),
        *((What.CLOCK, GATEWAYS[1], 45.0, seconds) for seconds in CLOCK_S),
        *((What.LOSE_STATE, name, 0.0, 0.0) for name in ("score", "archive", "watch")),
        (What.NEW_OUTBOX, GATEWAYS[1], 0.0, 0.0),
    )


def storm(seed: int, duration_s: float, count: int) -> tuple[Fault, ...]:
    """Returns a storm's faults in order of time.

    Every fault there is strikes before one strikes again; which ones, when fewer are asked for, the seed decides. The
    moments are independent of one another, so faults meet.

    Args:
        seed: Decides everything.
        duration_s: Length of the run, s.
        count: Number of faults.
    """
    chance = random.Random(seed)  # noqa: S311 - a schedule, no secret
    chosen: list[Kind] = []
    while len(chosen) < count:
        chosen += chance.sample(kinds(), k=min(count - len(chosen), len(kinds())))
    chance.shuffle(chosen)
    times = sorted(chance.uniform(FIRST * duration_s, LAST * duration_s) for _ in range(count))
    return tuple(
        Fault(round(at_s, 1), what, target, for_s, amount)
        for at_s, (what, target, for_s, amount) in zip(times, chosen, strict=True)
    )


def told(seed: int, faults: tuple[Fault, ...]) -> str:
    """Returns a plan as it is stored: JSON."""
    return json.dumps({"seed": seed, "faults": [asdict(fault) for fault in faults]}, indent=1)
