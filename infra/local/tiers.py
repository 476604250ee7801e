"""Wardwatch's own processes, as one list: what runs, with which settings, and how one knows that it is ready.

Nothing of a tier is imported here: a tier is a command line and an environment, as it is on any other machine.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.local.jars import spark_jars
from infra.local.ports import HOST
from infra.local.probes import tcp_accepts
from infra.local.process import PartEndedError, PartError, Spec, base_env
from infra.local.stack import LocalStack

_TOPICS_WITHIN_S = 60


@dataclass(frozen=True)
class Tier:
    """One process of Wardwatch.

    Attributes:
        name: Unique in a stack; names its log and its memory.
        words: What follows `python -m`.
        settings: Its environment beyond the stack's addresses.
        metrics_port: It serves once it listens here.
        ready_timeout_s: How long it may take to serve.
        stop_timeout_s: How long it may take to end in order.
    """

    name: str
    words: tuple[str, ...]
    metrics_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0

    def spec(self, stack: LocalStack, **extra: str) -> Spec:
        """How to start it on a stack; `extra` settings stand above its own."""
        own = {"METRICS_PORT": str(self.metrics_port), "PYTHONUNBUFFERED": "1"}
        return Spec(
            name=self.name,
            argv=(sys.executable, "-m", *self.words),
            env={**base_env(), **stack.env(), **own, **self.settings, **extra},
            ready=lambda: tcp_accepts(self.metrics_port),
            ready_timeout_s=self.ready_timeout_s,
            stop_timeout_s=self.stop_timeout_s,
        )


def tiers(stack: LocalStack, uplinks: Mapping[str, str] | None = None) -> list[Tier]:
    """All tiers, from the end of the path to its beginning: who reads stands before who writes.

    Args:
        stack: The parts that they use.
        uplinks: Where a gateway finds the site broker if not directly, by gateway; for a cable that can be cut.

    Raises:
        JarsError: Spark's connector has not been fetched.
    """
    metrics = iter(stack.ports.metrics)
    state = stack.var / "tiers"
    jars = spark_jars()
    score = {"SCORE_CHECKPOINT": str(state / "score"), "SCORE_JARS": jars}
    snapshots = {"WATCH_SNAPSHOTS": (state / "snapshots").as_uri()}
    bridge = {"BRIDGE": "bridge", **_certificate(stack, "bridge")}
    return [
        Tier("notify", ("cloud", "notify"), next(metrics)),
        Tier("load", ("cloud", "load"), next(metrics)),
        Tier("archive", ("cloud", "archive"), next(metrics), {"ARCHIVE_JARS": jars}, ready_timeout_s=180),
        Tier("watch", ("cloud", "watch"), next(metrics), snapshots, ready_timeout_s=180),
        Tier("score", ("cloud", "score"), next(metrics), score, ready_timeout_s=180),
        Tier("bridge", ("bridge",), next(metrics), bridge),
        *(_edge(stack, gateway, next(metrics), (uplinks or {}).get(gateway)) for gateway in stack.gateways),
    ]


def make_topics(stack: LocalStack) -> None:
    """Makes the Kafka topics, which no broker makes by accident.

    Raises:
        PartError: It could not be done; carries what was said.
    """
    argv = [sys.executable, "-m", "cloud", "topics"]
    env = {**base_env(), **stack.env()}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=_TOPICS_WITHIN_S)  # noqa: S603 - this module's words
    if done.returncode != 0:
        raise PartError(f"The Kafka topics could not be made: {done.stderr[-1000:]}")


def start_tiers(stack: LocalStack, chosen: list[Tier]) -> None:
    """Makes the topics, starts tiers together and waits until all of them serve.

    Raises:
        PartError: One did not come up.
    """
    make_topics(stack)
    specs = [tier.spec(stack) for tier in chosen]
    for spec in specs:
        stack.processes.start(spec)
    for spec in specs:
        try:
            stack.processes.wait_ready(spec)
        except PartEndedError:
            # A tier that finds what it needs not there yet ends, and is started again, as systemd and ECS do.
            stack.processes.start(spec)
            stack.processes.wait_ready(spec)


def _edge(stack: LocalStack, gateway: str, metrics_port: int, uplink: str | None) -> Tier:
    settings = {
        "GATEWAY": gateway,
        "DEVICE_BROKER": stack.device_broker_url(gateway),
        "UPLINK": uplink or f"mqtts://{HOST}:{stack.ports.site}",
        "EDGE_DATA": str(stack.var / "edge" / gateway),
        **_certificate(stack, gateway),
    }
    return Tier(f"edge-{gateway}", ("edge",), metrics_port, settings)


def _certificate(stack: LocalStack, name: str) -> dict[str, str]:
    identity = stack.identity(name)
    return {"UPLINK_CA": str(identity.ca), "UPLINK_CERT": str(identity.cert), "UPLINK_KEY": str(identity.key)}
