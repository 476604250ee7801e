"""One AWS account and region, with errors that name the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)

# IoT's control plane accepts some ten calls a second of a kind; in adaptive mode the SDK slows down by itself.
CONFIG: Final = Config(retries={"mode": "adaptive", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30)
REFUSED: Final = {
    "UnrecognizedClientException": "the credentials are unknown to AWS: check AWS_PROFILE or AWS_ACCESS_KEY_ID",
    "InvalidClientTokenId": "the credentials are unknown to AWS: check AWS_PROFILE or AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY",
    "ExpiredToken": "the credentials have expired: sign in again",
    "ExpiredTokenException": "the credentials have expired: sign in again",
    "AccessDenied": "these credentials may not do this: use the role that infra/aws/iot.yaml makes for it",
    "AccessDeniedException": "these credentials may not do this: use the role that infra/aws/iot.yaml makes for it",
    "LimitExceededException": "a limit of the account is reached: ask AWS to raise it, then run the same command again",
    "ThrottlingException": "AWS is throttling this account: run the same command again later, it goes on where it was",
}


class AccountError(RuntimeError):
    """AWS was not reached, or refused; the message names the remedy."""


class Account:
    """The account and region of the caller's credentials.

    Args:
        session: Holds credentials and region.
        endpoint: Address of AWS if it is not its own.
        connections: Maximum of concurrent requests.

    Attributes:
        actor: ARN of the caller.
        prefix: First part of the ARNs of this account's IoT resources.
        iot: boto3's client of the registry.
    """

    def __init__(self, session: boto3.Session, endpoint: str | None = None, *, connections: int = 10) -> None:
        config = CONFIG.merge(Config(max_pool_connections=connections))
        with explained():
            identity = session.client("sts", endpoint_url=endpoint, config=CONFIG).get_caller_identity()
            self.iot: Any = session.client("iot", endpoint_url=endpoint, config=config)
        self.actor = str(identity["Arn"])
        partition = self.actor.split(":")[1]
        self.prefix = f"arn:{partition}:iot:{self.iot.meta.region_name}:{identity['Account']}"


@contextmanager
def explained() -> Iterator[None]:
    """Turns errors of AWS into messages that name the remedy.

    Raises:
        AccountError: AWS was not reached, or refused.
    """
    try:
        yield
    except NoRegionError as error:
        raise AccountError("AWS_REGION is not set: name the region in which the fleet is registered") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise AccountError("there are no AWS credentials: set AWS_PROFILE, or sign in") from error
    except EndpointConnectionError as error:
        raise AccountError(f"AWS is not reached ({error}): check AWS_REGION and the network") from error
    except ClientError as error:
        told = error.response["Error"]
        remedy = REFUSED.get(told["Code"], "run the same command again; what is done stays done")
        raise AccountError(f"{error.operation_name}: {told['Code']} {told['Message']}; {remedy}") from error
    except BotoCoreError as error:
        raise AccountError(f"the request to AWS failed: {error}") from error
