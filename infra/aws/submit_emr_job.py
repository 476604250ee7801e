"""`python -m infra.aws.submit_emr_job score|archive`: starts a Spark job on EMR Serverless, by what the stacks export.

The managed Spark is 4.0.2, which has no real-time trigger: score runs there with SCORE_TRIGGER=micro-batch (ADR 0009).
"""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any, Final

import boto3

SPARK: Final = "4.0.2"
CONNECTOR: Final = (
    f"spark-sql-kafka-0-10_2.13-{SPARK}.jar",
    f"spark-token-provider-kafka-0-10_2.13-{SPARK}.jar",
    "kafka-clients-3.9.1.jar",
    "commons-pool2-2.12.0.jar",
)
KAFKA: Final = ("KAFKA_BOOTSTRAP", "KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "PARTITIONS", "KAFKA_LOGIN")
JOBS: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, str]]]] = {
    "score": ((), {"SCORE_TRIGGER": "micro-batch", "SCORE_MASTER": "submitted"}),
    "archive": (("LAKE",), {"ARCHIVE_MASTER": "submitted"}),
}
"""By job: settings that the stacks export, and settings that are the same everywhere."""


def environment(job: str, exports: Mapping[str, str], deployment: str) -> dict[str, str]:
    """Returns the job's settings.

    Raises:
        KeyError: A stack has not been deployed: its export is missing.
    """
    own, fixed = JOBS[job]
    told = {name: exports[f"{deployment}-{name.lower().replace('_', '-')}"] for name in (*KAFKA, *own)}
    return {**told, **fixed}


def request(job: str, exports: Mapping[str, str], deployment: str) -> dict[str, Any]:
    """Returns what EMR Serverless is asked to run."""
    folder = f"{exports[f'{deployment}-lake'].rpartition('/')[0]}/jobs"
    python = "./environment/bin/python"
    conf = {
        "spark.archives": f"{folder}/cloud.tar.gz#environment",
        "spark.jars": ",".join(f"{folder}/jars/{jar}" for jar in CONNECTOR),
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": python,
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": python,
        "spark.executorEnv.PYSPARK_PYTHON": python,
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": "4",
        "spark.executor.cores": "4",
    }
    settings = environment(job, exports, deployment)
    conf |= {f"spark.emr-serverless.driverEnv.{name}": value for name, value in settings.items()}
    # Workers write the archive's objects, and read where from their own environment.
    conf |= {f"spark.executorEnv.{name}": value for name, value in settings.items() if name != "KAFKA_LOGIN"}
    return {
        "applicationId": exports[f"{deployment}-spark"],
        "executionRoleArn": exports[f"{deployment}-spark-role"],
        "name": job,
        # A streaming job that fails is started again, and goes on where it was.
        "mode": "STREAMING",
        "retryPolicy": {"maxFailedAttemptsPerHour": 5},
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": f"{folder}/run.py",
                "entryPointArguments": [job],
                "sparkSubmitParameters": " ".join(f"--conf {key}={value}" for key, value in conf.items()),
            }
        },
    }


def main(arguments: list[str]) -> int:
    """Starts a job, or prints what would be asked for."""
    parser = argparse.ArgumentParser(prog="python -m infra.aws.submit_emr_job", description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS))
    parser.add_argument("--deployment", default="wardwatch")
    parser.add_argument("--dry-run", action="store_true", help="print the request and start nothing")
    chosen = parser.parse_args(arguments)
    pages = boto3.client("cloudformation").get_paginator("list_exports").paginate()
    exports = {export["Name"]: export["Value"] for page in pages for export in page["Exports"]}
    try:
        asked = request(chosen.job, exports, chosen.deployment)
    except KeyError as error:
        sys.stderr.write(
            f"no stack exports {error}: deploy infra/aws/*.yaml in this region first, see docs/deploy.md\n"
        )
        return 1
    if not chosen.dry_run:
        asked |= boto3.client("emr-serverless").start_job_run(**asked)
    sys.stdout.write(json.dumps(asked, indent=1, default=str) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
