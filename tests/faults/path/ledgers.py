"""The ledgers at the end of a storm: what the warehouse holds, and what people were sent."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import boto3
import msgspec
import psycopg
from botocore.config import Config

from infra.demo.reconciliation import Identity
from tests.faults.path.verdict import Message, Rows
from tests.load.plan import boot_of
from vitals.runtime.daemon import now_ms

ANSWER_WITHIN_S: Final = 30


class Warehouse:
    """The warehouse, asked directly and not over a link.

    Args:
        url: Its address.
        seed: Of the synthetic gateways' devices.
    """

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._boot = url, boot_of(seed)
        self.loads: list[tuple[int, int]] = []
        """(when it was seen, when it was measured) of loads, for the recovery; a load is taken as of what came before
        it was seen."""
        self._count = 0

    def look(self) -> None:
        """Notes whether something has been loaded since the last look; a database that is down has not."""
        try:
            ((count,),) = self._ask("select count(*) from load_log where topic = 'vitals.scored'")
        except psycopg.Error:
            return
        if count > self._count:
            self._count = count
            self.loads.append((now_ms(), now_ms()))

    def synthetic_rows(self) -> int:
        """Returns how many readings of synthetic devices there are."""
        ((count,),) = self._ask("select count(*) from vitals where boot = %s", self._boot)
        return int(count)

    def synthetic(self) -> dict[str, Rows]:
        """Returns the synthetic devices' rows, by device."""
        asked = "select device, count(*), count(distinct seq), max(seq) from vitals where boot = %s group by 1"
        return {str(device): Rows(*map(int, rest)) for device, *rest in self._ask(asked, self._boot)}

    def real(self) -> Counter[Identity]:
        """Returns how often each reading of the real gateways' devices is there."""
        found = self._ask("select device, boot, seq from vitals where boot <> %s", self._boot)
        return Counter((str(device), int(boot), int(seq)) for device, boot, seq in found)

    def _ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._url, connect_timeout=ANSWER_WITHIN_S) as connection:
            return connection.execute(sql.encode(), values).fetchall()


def reached(sns: str) -> set[str]:
    """Returns the ids of messages that are on somebody's phone or in somebody's mailbox, as the bad SNS has it."""
    with urllib.request.urlopen(f"{sns}/reached", timeout=ANSWER_WITHIN_S) as answer:  # noqa: S310 - http on loopback
        told = [json.loads(line) for line in answer]
    return {one["message_id"] for one in told if one["protocol"] in {"sms", "email"}}


class _Told(msgspec.Struct):
    alarm: str
    n: int
    contact: str
    handover: int


def outbox(env: dict[str, str], say: Callable[[str], None]) -> Counter[Message]:
    """Takes every message out of the queue subscribed to the contacts' topics; returns how often each was there."""
    keys = {"endpoint_url": env["AWS_ENDPOINT_URL"], "region_name": env["AWS_DEFAULT_REGION"]}
    sqs = boto3.client("sqs", config=Config(read_timeout=ANSWER_WITHIN_S), **keys)
    url, found = env["ALERT_OUTBOX_URL"], Counter[Message]()
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in batch:
            told = msgspec.json.decode(message["Body"], type=_Told)
            found[told.alarm, told.n, told.contact, told.handover] += 1
        done = [{"Id": str(k), "ReceiptHandle": m["ReceiptHandle"]} for k, m in enumerate(batch)]
        sqs.delete_message_batch(QueueUrl=url, Entries=done)
        if found.total() % 1000 == 0:
            say(f"{found.total()} messages read")
    return found
