"""The stand-in as a part of the local stack."""

import sys
from pathlib import Path

from infra.local.ports import HOST
from infra.local.probes import http_ok
from infra.local.process import Spec, base_env
from infra.local.servers.sns import delivery_log
from infra.local.servers.sns.server import Options


def endpoint(port: int) -> str:
    """The address of the stand-in."""
    return f"http://{HOST}:{port}"


def environ(port: int) -> dict[str, str]:
    """The settings of the notifier that lead to the stand-in and its delivery status logs."""
    here = endpoint(port)
    groups = f"{delivery_log.DELIVERED},{delivery_log.FAILED}"
    return {"AWS_ENDPOINT_URL_SNS": here, "AWS_ENDPOINT_URL_LOGS": here, "NOTIFY_SMS_LOGS": groups}


def sns(port: int, options: Options, sqs_endpoint: str | None) -> Spec:
    """The server; messages to queues are put into moto's SQS."""
    words = ["--port", str(port), "--answer-ms", f"{options.answer_ms:g}", "--keep", str(options.keep)]
    words += ["--emails-per-s", str(options.emails_per_s)]
    words += ["--confirmed"] if options.confirmed else []
    words += ["--sqs-endpoint", sqs_endpoint] if sqs_endpoint else []
    env = {**base_env(), "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONUNBUFFERED": "1"}
    argv = (sys.executable, "-m", "infra.local.servers.sns", *words)
    return Spec("sns", argv, env, ready=lambda: http_ok(f"{endpoint(port)}/counts"))
