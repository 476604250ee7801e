"""Passes on what goes to queues, to a real SQS, in a thread of its own: no answer waits for it."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.servers.moto import CREDENTIALS, REGION

TIMEOUT_S: Final = 10
Done = Callable[[str | None], None]


class Queues:
    """The queues of an SQS.

    Args:
        endpoint: Its address.
        keep: Texts that may wait for it; beyond them they fail.
    """

    def __init__(self, endpoint: str, keep: int) -> None:
        config = Config(connect_timeout=2, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 3})
        keys = {
            "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            "region_name": REGION,
        }
        self._sqs: Any = boto3.client("sqs", endpoint_url=endpoint, config=config, **keys)
        self._urls: dict[str, str] = {}
        self._waiting: queue.Queue[tuple[str, str, Done] | None] = queue.Queue(keep)
        self._thread = threading.Thread(target=self._run, name="queues", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join(TIMEOUT_S * 4)
        self._sqs.close()

    def put(self, arn: str, text: str, done: Done) -> None:
        """Puts a text into the queue of an ARN, some time; `done` is told why it could not, None when it could."""
        try:
            self._waiting.put_nowait((arn, text, done))
        except queue.Full:
            done("too many messages wait for the queue")

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None:
            arn, text, done = one
            try:
                self._sqs.send_message(QueueUrl=self._url(arn), MessageBody=text)
            except (BotoCoreError, ClientError) as error:
                done(str(error))
            else:
                done(None)

    def _url(self, arn: str) -> str:
        if arn not in self._urls:
            name = arn.rsplit(":", 1)[-1]
            self._urls[arn] = str(self._sqs.get_queue_url(QueueName=name)["QueueUrl"])
        return self._urls[arn]
