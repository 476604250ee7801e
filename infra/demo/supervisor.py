"""Keeps the processes of the demo running, as systemd and ECS do elsewhere, and carries out its faults."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from infra.demo.fault_proxy import Relay
from infra.demo.faults import Fault, What
from infra.demo.reconciliation import Identity, accepted
from infra.local.process import PartError, Processes, Spec
from vitals.runtime.daemon import now_ms

log: Final = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 0.5
ASK_WITHIN_S: Final = 60
SWAP_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that has struck.

    Attributes:
        fault: The fault.
        began: When, UTC epoch ms.
        ended: When what was done to the parts was over and recovery could begin, UTC epoch ms.
    """

    fault: Fault
    began: int
    ended: int


class Supervisor:
    """Starts again what has died, and lets planned faults strike.

    Args:
        processes: The stack's processes.
        specs: What must run.
        cables: Links that can be cut, slowed or refused, by name.
        say: Tells what happens.
        others: How further kinds of fault are done; each returns when the fault is over.
    """

    def __init__(
        self,
        processes: Processes,
        specs: Sequence[Spec],
        cables: Mapping[str, Relay],
        say: Callable[[str], None],
        others: Mapping[What, Callable[[Fault], None]] | None = None,
    ) -> None:
        self._processes = processes
        self._specs = {spec.name: spec for spec in specs}
        self._cables = cables
        self._say = say
        self._held: set[str] = set()
        self._stop = threading.Event()
        self._ways: dict[What, Callable[[Fault], None]] = {
            What.KILL: self._kill,
            What.STALL: self._stall,
            What.RESTART: self._restart,
            **dict.fromkeys((What.CUT, What.SLOW, What.REFUSE), self._impair),
            What.NEW_OUTBOX: self._new_outbox,
            **(others or {}),
        }
        self.struck: list[Struck] = []
        """Faults that are over, as they ended."""
        self._thread = threading.Thread(target=self._keep, name="supervisor", daemon=True)
        self._strikes: list[threading.Thread] = []
        self.set_aside: list[tuple[str, Path]] = []
        """(gateway process, folder) of outboxes that were replaced: what they accepted counts too."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in (self._thread, *self._strikes):
            thread.join(timeout=ASK_WITHIN_S)

    def strike(self, fault: Fault) -> None:
        """Lets a fault strike, in a thread of its own: the demo goes on meanwhile."""
        thread = threading.Thread(target=self._carry_out, args=(fault,), name=f"fault-{fault.target}", daemon=True)
        self._strikes.append(thread)
        thread.start()

    def settle(self) -> None:
        """Waits until every fault that struck is over."""
        for thread in self._strikes:
            thread.join()

    def wait(self, seconds: float) -> None:
        """Waits, for a fault that lasts; shorter when everything ends."""
        self._stop.wait(seconds)

    def accepted(self) -> set[Identity]:
        """Returns what the gateways' outboxes have accepted, those that were set aside included.

        Raises:
            PartError: A gateway could not be asked.
        """
        folders: list[tuple[str, Path | None]] = [(name, None) for name in self._specs if name.startswith("edge-")]
        found: set[Identity] = set()
        for name, folder in [*folders, *self.set_aside]:
            found |= accepted(edge_says(self._specs[name], "accepted", folder).splitlines())
        return found

    def _carry_out(self, fault: Fault) -> None:
        self._say(f"fault: {fault}")
        began = now_ms()
        self._ways[fault.what](fault)
        self.struck.append(Struck(fault, began, now_ms()))
        if fault.for_s:
            self._say(f"healed: {fault}")

    def _kill(self, fault: Fault) -> None:
        self._processes.kill(fault.target)

    def _stall(self, fault: Fault) -> None:
        self._processes.send(fault.target, signal.SIGSTOP)
        self._stop.wait(fault.for_s)
        self._processes.send(fault.target, signal.SIGCONT)

    def _restart(self, fault: Fault) -> None:
        self._held.add(fault.target)
        try:
            self._processes.end([fault.target])
        finally:
            self._held.discard(fault.target)

    def _impair(self, fault: Fault) -> None:
        cable = self._cables[fault.target]
        if fault.what is What.CUT:
            cable.pull()
        elif fault.what is What.SLOW:
            cable.slow(fault.amount)
        else:
            cable.refuse()
        self._stop.wait(fault.for_s)
        cable.plug()

    def _new_outbox(self, fault: Fault) -> None:
        """Stops a gateway in order and gives it an empty data folder, once its outbox holds nothing unconfirmed."""
        name = f"edge-{fault.target}"
        spec = self._specs[name]
        folder = Path(spec.env["EDGE_DATA"])
        self._held.add(name)
        try:
            for _ in range(SWAP_TRIES):
                self._processes.end([name])
                if drained(spec):
                    aside = folder.with_name(f"{folder.name}.{len(self.set_aside) + 1}")
                    folder.rename(aside)
                    self.set_aside.append((name, aside))
                    return
                # A card with readings that Kafka does not hold yet is not thrown away: it goes back in.
                self._processes.start(spec)
                if self._stop.wait(LOOK_EVERY_S * 4):
                    return
            self._say(f"{name} kept its outbox: it never drained")
        finally:
            self._held.discard(name)

    def _keep(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            alive = self._processes.alive()
            for name, spec in self._specs.items():
                if name not in alive and name not in self._held:
                    try:
                        self._processes.start(spec)
                    except (PartError, psutil.Error) as error:
                        log.warning("%s could not be started again: %s", name, error)


def edge_says(spec: Spec, word: str, folder: Path | None = None) -> str:
    """Returns what `python -m edge WORD` prints for a gateway, or for an outbox that was set aside.

    Raises:
        PartError: It could not be asked.
    """
    env = dict(spec.env) | ({"EDGE_DATA": str(folder)} if folder else {})
    argv = [sys.executable, "-m", "edge", word]
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=ASK_WITHIN_S)  # noqa: S603 - this module's own words
    except subprocess.TimeoutExpired as error:
        raise PartError(f"{spec.name} was asked for {word} and gave none within {ASK_WITHIN_S} s") from error
    if done.returncode != 0:
        raise PartError(f"{spec.name} could not be asked for {word}: {done.stderr[-500:]}")
    return done.stdout


def drained(spec: Spec) -> bool:
    """Returns whether Kafka holds all that a gateway's outbox has accepted, once the gateway has ended in order."""
    kept = json.loads(edge_says(spec, "status"))["on_card"]
    return not (kept["batches"] or kept["journal_rows"])


def wait_for(condition: Callable[[], bool], within_s: float, every_s: float = 1.0) -> bool:
    """Waits until a condition holds; returns whether it did in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
