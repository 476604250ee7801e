"""The load sends as gateways do: what the broker has not taken goes again, also past a broker that dies."""

import time
from pathlib import Path

from infra.local.ports import Ports
from infra.local.stack import SITE_BROKER, LocalStack
from tests.load.environment import site
from tests.load.plan import Plan
from tests.load.sender import Sender

T = 1_763_812_800_000
PLAN = Plan(
    patients=300, per_gateway=3, cadence_s=0.5, connections=3, resend_s=0.2, plain=True, limit=1200, name="sending"
)


def run(sender: Sender, batches: int) -> None:
    """Steps until so many batches are confirmed."""
    ends = time.monotonic() + 30
    while sender.confirmed < batches:
        assert time.monotonic() < ends, f"{sender.confirmed} of {batches} batches confirmed"
        sender.step(T)


def test_every_batch_is_confirmed_though_the_broker_dies_between(tmp_path: Path) -> None:
    with LocalStack(tmp_path, ports=Ports.ephemeral(), parts=(SITE_BROKER,)) as stack:
        sender = Sender(PLAN, site(stack))
        sender.connect(30)
        sender.begin()
        run(sender, 100)
        stack.processes.kill(SITE_BROKER)
        for _ in range(20):
            sender.step(T)
        assert not sender.finished
        stack.up()
        run(sender, 400)
        assert sender.finished
        assert sender.sent == 400
        assert sender.resent > 0
        sender.close()
