"""`python -m cloud adt` as a process, with a real Kafka: from a sender's frame to the topics, and through a kill."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.ports import Ports
from infra.local.services import command, make_topics, tiers
from infra.local.stack import KAFKA, LocalStack
from tests.cloud.adt.counter import MAP, message, pid
from vitals.hl7.mllp import Unframer, frame
from vitals.runtime.daemon import now_ms


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalStack]:
    with LocalStack(tmp_path, ports=Ports.ephemeral(), parts=(KAFKA,)) as made:
        yield made


def send(port: int, raw: bytes) -> bytes:
    unframer = Unframer()
    with socket.create_connection(("127.0.0.1", port), 20) as sender:
        sender.sendall(frame(raw))
        while received := sender.recv(65536):
            if found := unframer.feed(received):
                return found[0]
    return b""


@pytest.mark.long
def test_an_acknowledged_message_survives_a_kill_and_its_question_is_answered_by_command(stack: LocalStack) -> None:
    (stack.var / "map.csv").write_text(MAP)
    make_topics(stack)
    tier = next(t for t in tiers(stack, locations=stack.var / "map.csv") if t.name == "adt")
    port = int(tier.settings["ADT_LISTEN"].rpartition(":")[2])
    spec = tier.spec(stack)
    stack.processes.start(spec)
    stack.processes.wait_ready(spec)
    now = now_ms()
    assert b"MSA|AA|1" in send(port, message("A01", now - 60_000, "1", pid("p-1"), "PV1|1|I|ICU^1^1^GH"))
    assert b"MSA|AA|2" in send(port, message("A03", now - 30_000, "2", pid("p-1")))
    # No alarm engine answers here: nobody is discharged by message alone, also not after a kill.
    stack.processes.kill(tier.name)
    stack.processes.start(spec)
    stack.processes.wait_ready(spec)
    assert b"MSA|AA|2" in send(port, message("A03", now - 30_000, "2", pid("p-1")))
    listed = command(stack, "cloud", "questions")
    assert "signs-arrive" in listed
    assert "p-1 in icu-01" in listed
    question = listed.split()[0]
    assert "yes to signs-arrive of p-1" in command(stack, "cloud", "questions", question, "yes", "--by", "bela")
    assert b"MSA|AA|3" in send(port, message("A01", now, "3", pid("p-2"), "PV1|1|I|ICU^1^2^GH"))
    assert "no open question" in command(stack, "cloud", "questions")
