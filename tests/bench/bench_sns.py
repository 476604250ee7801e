"""How long the stand-in for SNS takes to answer after ever more messages, and moto beside it: `make bench ONLY=sns`.

A stand-in whose answers grow with what it keeps measures itself: moto's do. SNS_MESSAGES makes it shorter.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import psutil

from infra.local.memory import pss_mb
from infra.local.moto import endpoint as moto_at
from infra.local.moto import moto
from infra.local.ports import Ports
from infra.local.process import Processes, Spec
from infra.local.sns.part import endpoint, sns
from infra.local.sns.server import Options
from infra.proof.spread import rank

MESSAGES = int(os.environ.get("SNS_MESSAGES", "3000"))
SOME = 100
KEYS = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "eu-west-1"}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    ports = Ports.ephemeral(0)
    found = []
    for name, spec, url in (
        ("sns", sns(ports.console, Options(confirmed=True, emails_per_s=0), None), endpoint(ports.console)),
        ("sns.moto", moto(ports.moto), moto_at(ports.moto)),
    ):
        found += _alone(spec, lambda process, name=name, url=url: _measured(name, url, process))
    return found


def _alone(spec: Spec, measured: Callable[[psutil.Process], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    with TemporaryDirectory(prefix="wardwatch-sns-") as folder:
        processes = Processes(Path(folder))
        process = processes.start(spec)
        try:
            processes.wait_ready(spec)
            return measured(process)
        finally:
            processes.end()


def _measured(name: str, url: str, process: psutil.Process) -> list[dict[str, Any]]:
    client = boto3.client("sns", endpoint_url=url, **KEYS)
    topic = client.create_topic(Name="wardwatch-nurse")["TopicArn"]
    client.subscribe(TopicArn=topic, Protocol="sms", Endpoint="+441632960001")
    client.subscribe(TopicArn=topic, Protocol="email", Endpoint="nurse@example.org")
    spans_ms = []
    for k in range(MESSAGES):
        message = json.dumps({"default": f"message {k}", "sms": f"message {k}", "email": "e" * 2000})
        began = time.perf_counter()
        client.publish(TopicArn=topic, Message=message, MessageStructure="json", Subject="subject")
        spans_ms.append((time.perf_counter() - began) * 1000)
    client.close()
    first, last = spans_ms[:SOME], spans_ms[-SOME:]
    note = f"{MESSAGES} messages one after another, each by SMS and e-mail; {pss_mb(process):.0f} MB at the end"
    return [
        row(f"{name}.answer_ms_first_{SOME}", rank(first, 0.5), f"p99 {rank(first, 0.99):.1f}"),
        row(f"{name}.answer_ms_last_{SOME}", rank(last, 0.5), f"p99 {rank(last, 0.99):.1f}; {note}"),
    ]


def row(name: str, value: float, note: str) -> dict[str, Any]:
    """Returns a row of `bench.json`."""
    return {"name": name, "value": round(value, 2), "unit": "ms", "goal": None, "better": "lower", "note": note}
