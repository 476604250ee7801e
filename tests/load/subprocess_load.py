"""A load in a process of its own, so that its processor time is separate from that of the measurement."""

import json
import multiprocessing
import resource
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final, Self

from tests.load.connection import Broker
from tests.load.plan import Plan
from tests.load.sender import Sender

CONNECT_S: Final = 30.0
TELL_S: Final = 0.25
STOP_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Counters of a load.

    `p50_ms`, `p99_ms` and `max_ms` are the time from the first sending to confirmation, of the batches that were
    confirmed since `forget`.

    Attributes:
        sent: Batches sent.
        resent: Batches resent.
        confirmed: Batches confirmed.
        waiting: Batches not confirmed yet.
        late: Batches sent over a second after they were due: the load itself could not keep up.
        finished: Whether the whole plan is confirmed.
        cpu_s: Processor time of the load's process.
    """

    sent: int = 0
    resent: int = 0
    confirmed: int = 0
    waiting: int = 0
    late: int = 0
    finished: bool = False
    cpu_s: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0


class Apart:
    """A load that runs during its `with` block.

    Args:
        plan: The fleet and its batches.
        broker: Broker to send to.
    """

    def __init__(self, plan: Plan, broker: Broker) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_run, args=(plan, broker, there), name="load", daemon=True)

    def __enter__(self) -> Self:
        """Starts the process, and waits until it sends."""
        self._process.start()
        if not self._here.poll(CONNECT_S * 2):
            self._process.kill()
            raise TimeoutError("the load did not start")
        self._here.recv()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        self._ask("stop")
        self._process.join(STOP_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def told(self) -> Told:
        """Returns the present counters."""
        return Told(**self._ask("tell"))

    def forget(self) -> None:
        """Clears the latencies."""
        self._ask("forget")

    def hush(self) -> None:
        """Stops new batches; unconfirmed ones are still resent."""
        self._ask("hush")

    def _ask(self, word: str) -> dict[str, Any]:
        try:
            self._here.send(word)
            answer: dict[str, Any] = json.loads(self._here.recv())
        except (EOFError, BrokenPipeError) as error:
            raise RuntimeError("the load's process has ended; its error is on standard error") from error
        return answer


def _run(plan: Plan, broker: Broker, pipe: Connection) -> None:
    # Ctrl-C reaches the whole process group; only the measuring process ends the load.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sender = Sender(plan, broker)
    sender.connect(CONNECT_S)
    pipe.send("sending")
    sender.begin()
    more, word = True, ""
    while word != "stop":
        sender.step(time.time_ns() // 1_000_000, more=more)
        if pipe.poll():
            word = pipe.recv()
            if word == "forget":
                del sender.latencies_s[:]
            more = more and word != "hush"
            pipe.send(json.dumps(_tell(sender)))
    sender.close()


def _tell(sender: Sender) -> dict[str, Any]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    spread = sorted(sender.latencies_s)

    def at(share: float) -> float:
        return round(spread[min(len(spread) - 1, int(len(spread) * share))] * 1000, 2) if spread else 0.0

    return {
        "sent": sender.sent, "resent": sender.resent, "confirmed": sender.confirmed, "waiting": sender.waiting,
        "late": sender.late, "finished": sender.finished, "cpu_s": used.ru_utime + used.ru_stime,
        "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
    }  # fmt: skip
