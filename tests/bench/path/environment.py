"""The whole path, started and warm, for a measurement."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from infra.local.ports import Ports
from infra.local.process import Spec
from infra.local.servers.sns.server import Options
from infra.local.services import Tier, command, make_topics, start_tiers, tiers
from infra.local.stack import LocalStack
from infra.local.topic_observer import PARTITIONS, Beats, Observer
from tests.support.waiting import until

WARM_WITHIN_S: Final = 240.0
LOOK_EVERY_S: Final = 0.5
Settings = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A running path.

    Attributes:
        stack: The external servers and every process.
        specs: Every process by name.
        folder: Folder for files of the measurement.
    """

    stack: LocalStack
    specs: Mapping[str, Spec]
    folder: Path

    @property
    def bootstrap(self) -> str:
        """Kafka's address."""
        return self.stack.env()["KAFKA_BOOTSTRAP"]

    def command(self, *words: str) -> str:
        """Runs `python -m WORDS` against the stack."""
        return command(self.stack, *words, within_s=300.0)


@contextmanager
def whole_path(
    folder: Path,
    *,
    gateways: tuple[str, ...],
    settings: Settings,
    prepare: Callable[[LocalStack], None],
    chosen: Callable[[LocalStack], list[Tier]] = tiers,
    sns: Options | None = None,
) -> Iterator[Stage]:
    """Starts the whole path, waits until Spark scores, and ends all processes with the block.

    Args:
        folder: An empty folder for all data.
        gateways: Names of the gateways that run as real daemons.
        settings: Additional settings, by tier, without the gateway's name: `edge`, `score`, …
        prepare: Function that applies the rota, called when the topics exist and before any tier runs.
        chosen: Function that returns the tiers to run.
        sns: Behaviour of the stand-in for SNS; None: moto is used.

    Raises:
        PartError: A part did not start.
    """
    ports = Ports.ephemeral(len(gateways))
    with LocalStack(folder / "stack", ports=ports, gateways=gateways, kafka_heap_mb=1024, sns=sns) as stack:
        make_topics(stack)
        prepare(stack)
        own = [
            replace(tier, settings={**tier.settings, **settings.get(tier.name.split("-")[0], {})})
            for tier in chosen(stack)
        ]
        start_tiers(stack, own)
        with Observer(stack.env()["KAFKA_BOOTSTRAP"], PARTITIONS, Beats()) as beats:
            until(lambda: beats.asked(Beats.fresh), "Spark to score", WARM_WITHIN_S, LOOK_EVERY_S)
        specs = {spec.name: spec for spec in (*stack.specs(stack.parts), *(tier.spec(stack) for tier in own))}
        yield Stage(stack, specs, folder)
