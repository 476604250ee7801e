"""How long the stand-in for SNS takes to answer after ever more messages, and moto beside it: `make bench ONLY=sns`.

A stand-in whose answers grow with what it keeps measures itself: moto's do. SNS_MESSAGES makes it shorter.
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import psutil

from infra.local.memory_usage import pss_mb
from infra.local.ports import Ports
from infra.local.process import Processes, Spec
from infra.local.servers.moto import OUTBOX, make_resources, moto
from infra.local.servers.moto import endpoint as moto_at
from infra.local.servers.sns.part import endpoint, sns
from infra.local.servers.sns.server import Options
from infra.local.servers.sns.values import ACCOUNT, REGION
from tests.bench.path.percentiles import rank

MESSAGES = int(os.environ.get("SNS_MESSAGES", "3000"))
SOME = 100
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    ports = Ports.ephemeral(0)
    aws = moto(ports.moto)
    options = Options(confirmed=True, emails_per_s=0)
    apart = sns(ports.console, options, moto_at(ports.moto))
    found = []
    # Each with a moto of its own: its queue is empty at the beginning.
    for name, specs, url in (("sns", (aws, apart), endpoint(ports.console)), ("sns.moto", (aws,), moto_at(ports.moto))):
        with _standing(specs) as process:
            make_resources(ports.moto)
            found += _measured(name, url, process)
    return found


@contextmanager
def _standing(specs: Sequence[Spec]) -> Iterator[psutil.Process]:
    """Starts processes; yields the last one."""
    with TemporaryDirectory(prefix="wardwatch-sns-") as folder:
        processes = Processes(Path(folder))
        try:
            for spec in specs:
                process = processes.start(spec)
                processes.wait_ready(spec)
            yield process
        finally:
            processes.end()


def _measured(name: str, url: str, process: psutil.Process) -> list[dict[str, Any]]:
    client = boto3.client("sns", endpoint_url=url, **KEYS)
    topic = client.create_topic(Name="wardwatch-nurse")["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+441632960001")
    client.subscribe(TopicArn=topic, Protocol="email", Endpoint="nurse@example.org")
    queue = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{OUTBOX}"
    raw = {"RawMessageDelivery": "true"}
    client.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=raw)
    spans_ms = []
    for k in range(MESSAGES):
        message = json.dumps({"default": f"message {k}", "sms": f"message {k}", "email": "e" * 2000})
        began = time.perf_counter()
        client.publish(TopicArn=topic, Message=message, MessageStructure="json", Subject="subject")
        spans_ms.append((time.perf_counter() - began) * 1000)
    client.close()
    first, last = spans_ms[:SOME], spans_ms[-SOME:]
    note = f"{MESSAGES} messages in turn, each by SMS, e-mail and to a queue; {pss_mb(process):.0f} MB at the end"
    return [
        row(f"{name}.answer_ms_first_{SOME}", rank(first, 0.5), f"p99 {rank(first, 0.99):.1f}"),
        row(f"{name}.answer_ms_last_{SOME}", rank(last, 0.5), f"p99 {rank(last, 0.99):.1f}; {note}"),
    ]


def row(name: str, value: float, note: str) -> dict[str, Any]:
    """Returns a row of `bench.json`."""
    return {"name": name, "value": round(value, 2), "unit": "ms", "goal": None, "better": "lower", "note": note}
