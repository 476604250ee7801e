"""Wardwatch's own processes as one list: command, settings and readiness of each.

Nothing of a tier is imported here: a tier is a command line and an environment, as on any other machine.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.jvm_class_archive import ARCHIVE
from infra.local.maven_jars import spark_jars
from infra.local.ports import HOST
from infra.local.probes import tcp_accepts
from infra.local.process import LATER, PartEndedError, PartError, Spec, base_env
from infra.local.servers.secrets import shared_secrets
from infra.local.stack import LocalStack

_COMMAND_WITHIN_S = 60.0
CANARY_S = 60.0
"""Period of the canaries where a stack is left running."""


@dataclass(frozen=True)
class Tier:
    """One process of Wardwatch.

    Attributes:
        name: Unique in a stack; names its log and its memory.
        words: Arguments of `python -m`.
        settings: Its environment beyond the stack's addresses.
        metrics_port: Port on which it listens once it serves.
        ready_timeout_s: Limit of the time to readiness.
        stop_timeout_s: Limit of the time to an orderly end.
        niceness: Niceness, 0 to 19.
        spark: Whether it runs Spark, which fills a folder for temporary files.
    """

    name: str
    words: tuple[str, ...]
    metrics_port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    ready_timeout_s: float = 60.0
    stop_timeout_s: float = 15.0
    niceness: int = 0
    spark: bool = False

    def spec(self, stack: LocalStack, **extra: str) -> Spec:
        """Returns its specification on a stack; `extra` settings override its own."""
        own = {"METRICS_PORT": str(self.metrics_port), "PYTHONUNBUFFERED": "1"}
        return Spec(
            name=self.name,
            argv=(sys.executable, "-m", *self.words),
            env={**base_env(), **stack.env(), **own, **self.settings, **extra},
            ready=lambda: tcp_accepts(self.metrics_port),
            ready_timeout_s=self.ready_timeout_s,
            stop_timeout_s=self.stop_timeout_s,
            niceness=self.niceness,
            scratch=scratch(stack, self.name) if self.spark else None,
        )


def scratch(stack: LocalStack, tier: str) -> Path:
    """Returns the folder of a tier's temporary files."""
    return stack.var / "tmp" / tier


def tiers(
    stack: LocalStack, uplinks: Mapping[str, str] | None = None, canary_s: float = 0.0, locations: Path | None = None
) -> list[Tier]:
    """All tiers, from the end of the path to its beginning: a reader is before its writer.

    Args:
        stack: The parts that they use.
        uplinks: Address of the site broker for a gateway if it is not the direct one; for a cable that can be cut.
        canary_s: Period of the gateways' canaries, s; 0 for none. `admit_canaries` admits them.
        locations: Location map of ADT, which runs only with one.

    Raises:
        JarsError: Spark's connector has not been downloaded.
    """
    metrics = iter(stack.ports.metrics)
    state = stack.var / "tiers"
    jars = spark_jars()
    classes = str(ARCHIVE)
    score = {"SCORE_JARS": jars, "SCORE_CLASSES": classes}
    secrets = shared_secrets(stack.var)
    link, ray = {"LINK_KEY": secrets["LINK_KEY"]}, {"RAY_AUTH_TOKEN": secrets["RAY_AUTH_TOKEN"]}
    watch = {"WATCH_SNAPSHOTS": (state / "snapshots").as_uri(), "RAY_PORT": str(stack.ports.ray), **ray}
    console = {"CONSOLE_DATA": str(stack.var / "console"), "RAY_PORT": str(stack.ports.ray), **link, **ray}
    bridge = {"BRIDGE": "bridge", **_certificate(stack, "bridge")}
    return [
        Tier("notify", ("cloud", "notify"), next(metrics), link),
        Tier("console", ("cloud", "console"), next(metrics), console),
        Tier("load", ("cloud", "load"), next(metrics), niceness=LATER),
        Tier(
            "archive",
            ("cloud", "archive"),
            next(metrics),
            {"ARCHIVE_JARS": jars, "ARCHIVE_CLASSES": classes},
            ready_timeout_s=180,
            niceness=LATER,
            spark=True,
        ),
        Tier("watch", ("cloud", "watch"), next(metrics), watch, ready_timeout_s=180),
        Tier("score", ("cloud", "score"), next(metrics), score, ready_timeout_s=180, spark=True),
        Tier("bridge", ("bridge",), next(metrics), bridge),
        *(_edge(stack, gateway, next(metrics), (uplinks or {}).get(gateway), canary_s) for gateway in stack.gateways),
        *([] if locations is None else [_adt(stack, locations, ray)]),
    ]


def _adt(stack: LocalStack, locations: Path, ray: Mapping[str, str]) -> Tier:
    # The last two ports of metrics: those of the other tiers stay as they are without it.
    listen, metrics = stack.ports.metrics[-2:]
    settings = {"ADT_LOCATIONS": str(locations.resolve()), "ADT_LISTEN": f"{HOST}:{listen}"}
    return Tier("adt", ("cloud", "adt"), metrics, {**settings, "RAY_PORT": str(stack.ports.ray), **ray})


def command(stack: LocalStack, *words: str, within_s: float = _COMMAND_WITHIN_S) -> str:
    """Runs `python -m WORDS` against a stack; returns its output.

    Raises:
        PartError: It failed; has its output.
    """
    done = subprocess.run(  # noqa: S603 - the caller's words, none of them from outside
        [sys.executable, "-m", *words],
        env={**base_env(), **stack.env()},
        capture_output=True,
        text=True,
        check=False,
        timeout=within_s,
    )
    if done.returncode != 0:
        raise PartError(f"python -m {' '.join(words)} failed: {done.stderr[-1000:] or done.stdout[-1000:]}")
    return done.stdout


def make_topics(stack: LocalStack) -> None:
    """Creates the Kafka topics, since brokers here create none automatically.

    Raises:
        PartError: It failed; has the command's output.
    """
    command(stack, "cloud", "topics")


def start_tiers(stack: LocalStack, chosen: list[Tier]) -> None:
    """Creates the topics, starts tiers together and waits until all of them serve.

    Raises:
        PartError: A tier did not start.
    """
    make_topics(stack)
    specs = [tier.spec(stack) for tier in chosen]
    for spec in specs:
        stack.processes.start(spec)
    for spec in specs:
        try:
            stack.processes.wait_ready(spec)
        except PartEndedError:
            # A tier that starts before its dependencies ends, and is restarted, as by systemd and ECS.
            stack.processes.start(spec)
            stack.processes.wait_ready(spec)


def admit_canaries(stack: LocalStack, canary_s: float = CANARY_S) -> None:
    """Admits each gateway's canary, whose alarm then proves in each period that the path works.

    Raises:
        PartError: It failed; has the command's output.
    """
    command(stack, "cloud", "canary", *stack.gateways, "--every", f"{canary_s:g}")


def _edge(stack: LocalStack, gateway: str, metrics_port: int, uplink: str | None, canary_s: float) -> Tier:
    settings = {
        "GATEWAY": gateway,
        "DEVICE_BROKER": stack.device_broker_url(gateway),
        "UPLINK": uplink or f"mqtts://{HOST}:{stack.ports.site}",
        "EDGE_DATA": str(stack.var / "edge" / gateway),
        "CANARY_S": f"{canary_s:g}",
        **_certificate(stack, gateway),
    }
    return Tier(f"edge-{gateway}", ("edge",), metrics_port, settings)


def _certificate(stack: LocalStack, name: str) -> dict[str, str]:
    identity = stack.identity(name)
    return {"UPLINK_CA": str(identity.ca), "UPLINK_CERT": str(identity.cert), "UPLINK_KEY": str(identity.key)}
