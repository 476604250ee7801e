"""Environment of a load: a site broker, a Kafka with its topics, and bridges as processes that can be killed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local import probes
from infra.local.ports import HOST, Ports
from infra.local.process import Spec
from infra.local.servers.mosquitto import LOADS
from infra.local.services import Tier, make_topics
from infra.local.stack import KAFKA, SITE_BROKER, LocalStack
from tests.load.connection import Broker
from tests.support.waiting import until


def site(stack: LocalStack) -> Broker:
    """Returns a stack's site broker, for a load."""
    return Broker(f"mqtts://{HOST}:{stack.ports.site}", tuple(map(stack.identity, LOADS)))


class Stage:
    """A stack with a site broker and Kafka.

    Args:
        stack: The stack, running.
    """

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.bootstrap = stack.env()["KAFKA_BOOTSTRAP"]

    @property
    def broker(self) -> Broker:
        """The site broker, for a load."""
        return site(self.stack)

    def bridge(self, name: str = "bridge", **settings: str) -> Spec:
        """Starts a bridge and waits until it serves; returns how it was started."""
        identity = self.stack.identity(name)
        uplink = {"UPLINK_CA": identity.ca, "UPLINK_CERT": identity.cert, "UPLINK_KEY": identity.key}
        own = {"BRIDGE": name, **{key: str(path) for key, path in uplink.items()}}
        port = self.stack.ports.metrics[sum(map(ord, name)) % len(self.stack.ports.metrics)]
        spec = Tier(name, ("bridge",), port, own).spec(self.stack, **settings)
        self.stack.processes.start(spec)
        self.stack.processes.wait_ready(spec)
        until(lambda: bool(self.health(spec).get("uplink")), f"{name} to be connected")
        return spec

    @staticmethod
    def health(spec: Spec) -> dict[str, object]:
        """Returns a bridge's health report; empty if it does not answer."""
        return probes.health(int(spec.env["METRICS_PORT"]))

    def cpu_s(self, name: str) -> float:
        """Returns the processor time of a process of the stack, including kernel time, s."""
        process = self.stack.processes.alive()[name]
        times = process.cpu_times()
        return float(times.user + times.system)

    def rss_mb(self, name: str) -> float:
        """Returns the resident memory of a process of the stack, MB."""
        return float(self.stack.processes.alive()[name].memory_info().rss) / 1e6


@contextmanager
def stage(folder: Path | None = None) -> Iterator[Stage]:
    """Runs a stage of its own on free ports; its data is deleted when the block ends."""
    with (
        tempfile.TemporaryDirectory(prefix="wardwatch-load-", dir=folder) as var,
        LocalStack(Path(var), ports=Ports.ephemeral(), parts=(KAFKA, SITE_BROKER)) as stack,
    ):
        make_topics(stack)
        yield Stage(stack)
