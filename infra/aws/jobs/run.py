"""Entry point on EMR Serverless: reads Kafka's password from its secret, then runs `python -m cloud JOB` in process.

A job's environment is shown in the console, so the password is not in it; `KAFKA_LOGIN` names its secret.
"""

import json
import os
import runpy
import sys
from collections.abc import Mapping
from typing import Any

import boto3


def settings(environ: Mapping[str, str], secrets: Any) -> dict[str, str]:  # noqa: ANN401 - boto3 makes its clients at run time
    """Returns the settings that the secret adds to an environment."""
    told = json.loads(secrets.get_secret_value(SecretId=environ["KAFKA_LOGIN"])["SecretString"])
    return {"KAFKA_SASL_USERNAME": told["username"], "KAFKA_SASL_PASSWORD": told["password"]}


def main(arguments: list[str]) -> int:
    """Runs a job; returns its exit status."""
    os.environ.update(settings(os.environ, boto3.client("secretsmanager")))
    # Imported by name, since the parts must not import each other.
    sys.argv = ["cloud", *arguments]
    runpy.run_module("cloud", run_name="__main__")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
