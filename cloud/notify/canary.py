"""The canary at the end of its path, and who outside is told that the path works.

A canary's alarm is published to an SNS topic of its own, which has no subscriber, and recorded like any other. From
that record come delivery latency and availability; and only while canaries arrive is the world outside told that all is
well. Who watches there alarms when it no longer hears so: Wardwatch cannot page about its own death.
"""

import logging
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import boto3
import prometheus_client
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vitals.bounds import FOREVER
from vitals.contacts import CANARY, Contact, Notification

logger = logging.getLogger("notify")
NOBODY: Final = Contact(contact=CANARY, name="canary", start=0, end=FOREVER, email="canary@wardwatch.invalid")
EVERY_MS: Final = 30_000
"""Time between two words to the outside; a canary comes each minute."""
TIMEOUT_S: Final = 5.0
LATENCY: Final = prometheus_client.Histogram(
    "wardwatch_notify_latency_seconds",
    "event time of an alarm until SNS accepted its message",
    ["of"],
    buckets=(0.1, 0.3, 0.5, 1, 1.5, 3, 5, 10, 30, 60, 120, 300),
)
CANARY_T: Final = prometheus_client.Gauge(
    "wardwatch_canary_accepted_timestamp_seconds", "when SNS last accepted a message of this canary", ["canary"]
)
FAILED: Final = prometheus_client.Counter(
    "wardwatch_outside_failed_total", "words to the outside watchdog that did not arrive", ["way"]
)
Tell = Callable[[str, float], None]
"""Tells the outside of one canary's arrival: its patient id and its latency, s."""


def ping(url: str) -> Tell:
    """Tells by an HTTP GET, as services that wait for a sign of life take it."""

    def tell(_: str, __: float) -> None:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S):  # noqa: S310 - the setting's own scheme, checked there
            return

    return tell


def metric(namespace: str, endpoint: str | None) -> Tell:
    """Tells by CloudWatch metrics *CanaryAccepted* and *CanaryLatency*, by canary; an alarm on missing data pages."""
    retries = Config(connect_timeout=2, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 2})
    client: Any = boto3.client("cloudwatch", endpoint_url=endpoint, config=retries)

    def tell(canary: str, latency_s: float) -> None:
        at = {"Dimensions": [{"Name": "Canary", "Value": canary}], "Timestamp": datetime.now(UTC)}
        client.put_metric_data(
            Namespace=namespace,
            MetricData=[
                {"MetricName": "CanaryAccepted", "Value": 1.0, "Unit": "Count", **at},
                {"MetricName": "CanaryLatency", "Value": latency_s, "Unit": "Seconds", **at},
            ],
        )

    return tell


@dataclass(slots=True)
class DeadMansSwitch:
    """Tells the outside of canaries that arrive; a way that fails holds up nothing and is tried again with the next.

    Attributes:
        ways: Name and function of each way.
        pool: Threads for its calls.
    """

    ways: tuple[tuple[str, Tell], ...]
    pool: ThreadPoolExecutor
    _last: dict[tuple[str, str], int] = field(default_factory=dict)

    def arrived(self, notification: Notification) -> None:
        """Notes a message that SNS accepted, a canary's or a person's."""
        latency_s = (notification.accepted - notification.t) / 1000
        canary = notification.contact == CANARY
        LATENCY.labels("canary" if canary else "person").observe(max(latency_s, 0.0))
        if not canary:
            return
        CANARY_T.labels(notification.patient).set(notification.accepted / 1000)
        for name, tell in self.ways:
            key = name, notification.patient
            if notification.accepted - self._last.get(key, 0) >= EVERY_MS:
                self._last[key] = notification.accepted
                self.pool.submit(tell, notification.patient, latency_s).add_done_callback(_outcome(name))


def _outcome(name: str) -> Callable[[Future[None]], None]:
    def note(future: Future[None]) -> None:
        error = future.exception()
        if isinstance(error, OSError | BotoCoreError | ClientError):
            FAILED.labels(name).inc()
            logger.warning("the outside watchdog was not reached by %s: %s", name, error)
        elif error is not None:
            raise error

    return note
