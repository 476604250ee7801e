"""What the lake and the warehouse hold, asked of themselves: manifests and Parquet, SQL, and the outbox queue."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

import boto3
import psycopg
import pyarrow.parquet as pq
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pyarrow import fs

from infra.demo.reconciliation import Seen
from infra.demo.screen import Message
from vitals.wire import topics

IDENTITY: Final = ["device", "boot", "seq"]
ANSWER_WITHIN_S: Final = 5


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake as a reader sees it: through its manifests alone.

    Attributes:
        url: `LAKE`.
    """

    url: str
    _known: dict[str, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def objects(self) -> int:
        """Returns how many objects the committed manifests of all topics name."""
        return sum(len(manifest["objects"]) for topic in topics.TOPICS for manifest in self._manifests(topic.name))

    def bytes_of(self, topic: str) -> int:
        """Returns the bytes of a topic's objects."""
        return sum(
            entry["meta"]["content_length"] for manifest in self._manifests(topic) for entry in manifest["entries"]
        )

    def readings(self) -> Seen:
        """Counts every reading that the lake holds."""
        files, root = fs.FileSystem.from_uri(self.url)
        seen = Seen()
        for manifest in self._manifests(topics.SCORED):
            for entry in manifest["objects"]:
                table = pq.read_table(f"{root}/{entry['name']}", columns=IDENTITY, filesystem=files)
                seen.add(zip(*(table.column(name).to_pylist() for name in IDENTITY), strict=True))
        return seen

    def _manifests(self, topic: str) -> list[dict[str, Any]]:
        files, root = fs.FileSystem.from_uri(self.url)
        folder = fs.FileSelector(f"{root}/{topic}/_manifests", allow_not_found=True)
        found = []
        for info in files.get_file_info(folder):
            # A manifest never changes once it is there, so each is fetched once however often the lake is asked.
            if info.path not in self._known:
                with files.open_input_file(info.path) as file:
                    self._known[info.path] = json.loads(file.read())
            if not self._known[info.path].get("supersedes"):
                found.append(self._known[info.path])
        return found


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The warehouse, on PostgreSQL.

    Attributes:
        url: `WAREHOUSE`.
    """

    url: str

    def rows(self) -> int:
        """Returns how many rows of readings there are; 0 before the first load."""
        return int(self._ask("select count(*) from vitals")[0][0])

    def readings(self) -> Seen:
        """Counts every reading that the warehouse holds."""
        seen = Seen()
        seen.add(
            (str(device), int(boot), int(seq))
            for device, boot, seq in self._ask("select device, boot, seq from vitals")
        )
        return seen

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, connect_timeout=ANSWER_WITHIN_S) as connection:
            return connection.execute(sql.encode()).fetchall()


class Outbox:
    """The queue in which the demo reads what people were sent."""

    def __init__(self, url: str, env: dict[str, str]) -> None:
        self._url = url
        self._sqs = boto3.client(
            "sqs",
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=env["AWS_DEFAULT_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
            config=Config(connect_timeout=ANSWER_WITHIN_S, read_timeout=ANSWER_WITHIN_S, retries={"max_attempts": 1}),
        )

    def take(self) -> list[Message]:
        """Takes the messages that have come, oldest first; none while the queue does not answer."""
        try:
            answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10)
            taken = answer.get("Messages", [])
            for message in taken:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        except (BotoCoreError, ClientError):
            return []
        return [_message(message["Body"]) for message in taken]


def _message(body: str) -> Message:
    told = json.loads(body)
    return Message(told["contact"], told["sms"], told["email"])
