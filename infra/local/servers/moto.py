"""moto server: S3, SNS, SQS and IoT in one process, for AWS where it behaves like it. It keeps nothing when it ends."""

import sys

import boto3
from botocore.exceptions import ClientError

from infra.local.ports import HOST
from infra.local.probes import http_ok
from infra.local.process import Spec, base_env

REGION = "eu-west-1"
BUCKET = "wardwatch-lake"
OUTBOX = "alert-outbox"
# moto takes any credentials; these make sure that none of the user's own are ever sent.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}


def moto(port: int) -> Spec:
    """The server."""
    argv = (sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port))
    env = {**base_env(), **CREDENTIALS, "PYTHONUNBUFFERED": "1"}
    ready_at = f"{endpoint(port)}/moto-api/"
    return Spec("moto", argv, env, ready=lambda: http_ok(ready_at), ready_timeout_s=60)


def endpoint(port: int) -> str:
    """The address of every AWS service of this stack."""
    return f"http://{HOST}:{port}"


def outbox_url(port: int) -> str:
    """The SQS queue in which a person reads what the SMS and the e-mail said."""
    return f"{endpoint(port)}/123456789012/{OUTBOX}"


def make_resources(port: int) -> None:
    """Makes the lake's bucket and the alert outbox; what is there already stays."""
    keys = {
        "aws_access_key_id": "local",
        "aws_secret_access_key": "local",
        "region_name": REGION,
        "endpoint_url": endpoint(port),
    }
    try:
        boto3.client("s3", **keys).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise
    boto3.client("sqs", **keys).create_queue(QueueName=OUTBOX)
