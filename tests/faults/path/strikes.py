"""How the faults are done that concern more than a process and a link: an actor, a card, a clock, a job's own files."""

import random
import shutil
import signal
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import psutil

from infra.demo.faults import Fault, What
from infra.local.servers.sns import part as sns
from infra.local.servers.sns.trouble import Control, Fate, Pace, Trouble
from infra.local.services import scratch
from infra.local.stack import LocalStack
from tests.faults.path.plan import ACTOR
from tests.faults.path.stage import SNS, card, clock_file

NOTICED_S: Final = 3.0
"""Between a job's loss of its files and its death: long enough for it to stumble over the loss."""
ORDER_WITHIN_S: Final = 60
FILL_BYTES: Final = (1 << 16, 512)


class Strikes:
    """The storm's own faults.

    Args:
        stack: What is struck.
        snapshots: URL of the folder of `watch`'s snapshots.
        pause: Waits for so many seconds.
        seed: Chooses between actors.
    """

    def __init__(self, stack: LocalStack, snapshots: str, pause: Callable[[float], object], seed: int) -> None:
        self._stack = stack
        self._files = {name: scratch(stack, name) for name in ("score", "archive")}
        self._files["watch"] = Path(urlsplit(snapshots).path)
        self._pause = pause
        self._chance = random.Random(seed)  # noqa: S311 - which of two actors, no secret

    def ways(self) -> Mapping[What, Callable[[Fault], None]]:
        """Returns how each is done, for a supervisor."""
        return {
            What.KILL: self._kill,
            What.STALL: self._stall,
            What.FULL_DISK: self._full_disk,
            What.CLOCK: self._clock,
            What.LOSE_STATE: self._lose_state,
            **dict.fromkeys((What.THROTTLE, What.LOSE_ANSWERS, What.SLOW_ANSWERS), self._bad_sns),
        }

    def _kill(self, fault: Fault) -> None:
        if fault.target == ACTOR:
            self._send(self._actor(), signal.SIGKILL)
        else:
            self._stack.processes.kill(fault.target)

    def _stall(self, fault: Fault) -> None:
        actor = self._actor() if fault.target == ACTOR else None
        for number in (signal.SIGSTOP, signal.SIGCONT):
            if fault.target == ACTOR:
                self._send(actor, number)
            else:
                self._stack.processes.send(fault.target, number)
            if number is signal.SIGSTOP:
                self._pause(fault.for_s)

    def _actor(self) -> psutil.Process | None:
        """One of the shard actors; none while the job itself is not there."""
        watch = self._stack.processes.alive().get("watch")
        found = []
        for process in watch.children(recursive=True) if watch is not None else ():
            try:
                if any("ray::Shard" in word for word in process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return self._chance.choice(sorted(found, key=lambda process: process.pid)) if found else None

    @staticmethod
    def _send(process: psutil.Process | None, number: signal.Signals) -> None:
        if process is None:
            return
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            return

    def _full_disk(self, fault: Fault) -> None:
        filler = card(self._stack) / "filler"
        fill(filler)
        self._pause(fault.for_s)
        filler.unlink()

    def _clock(self, fault: Fault) -> None:
        file = clock_file(self._stack)
        file.write_text(str(fault.amount))
        self._pause(fault.for_s)
        file.unlink(missing_ok=True)

    def _lose_state(self, fault: Fault) -> None:
        for entry in self._files[fault.target].iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
        self._pause(NOTICED_S)
        self._stack.processes.kill(fault.target)

    def _bad_sns(self, fault: Fault) -> None:
        url = sns.endpoint(self._stack.ports.sns)
        if fault.what is What.LOSE_ANSWERS:
            order(url, Trouble(fate=Fate.LOSE, count=round(fault.amount)))
            return
        throttles = fault.what is What.THROTTLE
        order(url, Pace(publishes_per_s=fault.amount) if throttles else Pace(answer_ms=fault.amount))
        self._pause(fault.for_s)
        order(url, Pace(publishes_per_s=0) if throttles else Pace(answer_ms=SNS.answer_ms))


def order(url: str, control: Control) -> None:
    """Gives the bad SNS an order; one that is stopped takes it once it goes on."""
    asked = urllib.request.Request(f"{url}/control", msgspec.json.encode(control))  # noqa: S310 - http on loopback
    with urllib.request.urlopen(asked, timeout=ORDER_WITHIN_S) as answer:  # noqa: S310 - as above
        answer.read()


def fill(path: Path) -> None:
    """Writes until there is no room."""
    with path.open("wb", buffering=0) as file:
        for size in FILL_BYTES:
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
