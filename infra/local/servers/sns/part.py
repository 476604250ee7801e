"""The stand-in as a part of the local stack."""

import sys
from pathlib import Path

from infra.local.ports import HOST
from infra.local.probes import http_ok
from infra.local.process import Spec, base_env
from infra.local.servers.sns.server import Options


def endpoint(port: int) -> str:
    """The address of the stand-in."""
    return f"http://{HOST}:{port}"


def sns(port: int, options: Options, sqs_endpoint: str | None) -> Spec:
    """The server; what goes to queues is put into those of an SQS, which is moto's."""
    words = ["--port", str(port), "--answer-ms", f"{options.answer_ms:g}", "--keep", str(options.keep)]
    words += ["--emails-per-s", str(options.emails_per_s)]
    words += ["--confirmed"] if options.confirmed else []
    words += ["--sqs-endpoint", sqs_endpoint] if sqs_endpoint else []
    env = {**base_env(), "PYTHONPATH": str(Path(__file__).parents[4]), "PYTHONUNBUFFERED": "1"}
    argv = (sys.executable, "-m", "infra.local.servers.sns", *words)
    return Spec("sns", argv, env, ready=lambda: http_ok(f"{endpoint(port)}/counts"))
