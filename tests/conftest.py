"""Real parts for the tests: one stack per session, of which a part starts when the first test asks for it.

All tests of a session share these servers: take names of your own (topics, tables, prefixes, client ids), and leave
nothing that another test would stumble over.
"""

import logging
from collections.abc import Iterator, Mapping

import pytest

from infra.local.ports import Ports
from infra.local.servers.moto import CREDENTIALS
from infra.local.stack import DEVICE_BROKERS, KAFKA, MOTO, PARTS, POSTGRES, SITE_BROKER, LocalStack
from vitals.runtime.daemon import JsonLines


@pytest.fixture(autouse=True)
def no_log_handler_stays() -> Iterator[None]:
    """A part that ran inside a test logs to that test's standard error, which is closed for the next one."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each.formatter, JsonLines)]:
        root.removeHandler(handler)


BRIDGES = (
    *("bridge", "shared-a", "shared-b", "told-a", "told-b", "ahead", "still", "flooded"),
    *("bridge-away", "bridge-bad", "bridge-broker", "bridge-clocks", "bridge-down", "bridge-kill-a", "bridge-kill-b"),
    *("bridge-lost", "bridge-once", "bridge-restart", "bridge-secured", "bridge-silence"),
)
"""The bridges of all tests: the site broker lets in those that it knows, each by a certificate of its own."""


@pytest.fixture(scope="session")
def parts_on_demand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The session's stack, with nothing started yet; from here on the environment holds moto's credentials alone.

    Without them Arrow writes to S3 unsigned, and moto keeps such an upload's chunk headers as part of the object.
    """
    var = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as patch:
        for key, value in CREDENTIALS.items():
            patch.setenv(key, value)
        with LocalStack(var, ports=Ports.ephemeral(), parts=(), kafka_heap_mb=256, bridges=BRIDGES) as stack:
            yield stack


@pytest.fixture(scope="session")
def stack(parts_on_demand: LocalStack) -> LocalStack:
    """Every part, running: `stack.env()` has the addresses."""
    parts_on_demand.up(PARTS)
    return parts_on_demand


@pytest.fixture(scope="session")
def mosquitto(parts_on_demand: LocalStack) -> LocalStack:
    """The brokers alone: `device_broker_url(gateway)`, `env()["UPLINK"]`, `identity(name)` for a certificate."""
    parts_on_demand.up((DEVICE_BROKERS, SITE_BROKER))
    return parts_on_demand


@pytest.fixture(scope="session")
def kafka(parts_on_demand: LocalStack) -> str:
    """Kafka alone; its bootstrap address."""
    parts_on_demand.up((KAFKA,))
    return parts_on_demand.env()["KAFKA_BOOTSTRAP"]


@pytest.fixture(scope="session")
def postgres(parts_on_demand: LocalStack) -> str:
    """PostgreSQL alone; its URL."""
    parts_on_demand.up((POSTGRES,))
    return parts_on_demand.warehouse_url()


@pytest.fixture(scope="session")
def moto(parts_on_demand: LocalStack) -> Mapping[str, str]:
    """S3, SNS, SQS and IoT alone; AWS_ENDPOINT_URL, credentials, LAKE and ALERT_OUTBOX_URL among the addresses."""
    parts_on_demand.up((MOTO,))
    return parts_on_demand.env()
