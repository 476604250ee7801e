"""Keeps the processes of the demo running, as systemd and ECS do elsewhere, and carries out its faults."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import psutil

from infra.demo.faults import Fault, What
from infra.demo.relay import Relay
from infra.local.process import PartError, Processes, Spec

log: Final = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 0.5
ASK_WITHIN_S: Final = 30
SWAP_TRIES: Final = 20


class Supervisor:
    """Starts again what has died, and lets planned faults strike.

    Args:
        processes: The stack's processes.
        specs: What must run.
        cables: Relays of the gateways whose uplink can be cut.
        say: Tells what happens.
    """

    def __init__(
        self,
        processes: Processes,
        specs: Sequence[Spec],
        cables: Mapping[str, Relay],
        say: Callable[[str], None],
    ) -> None:
        self._processes = processes
        self._specs = {spec.name: spec for spec in specs}
        self._cables = cables
        self._say = say
        self._held: set[str] = set()
        self._stop = threading.Event()
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

    def _carry_out(self, fault: Fault) -> None:
        lasting = f" for {fault.for_s:.0f} s" if fault.for_s else ""
        self._say(f"fault: {fault.what.value} {fault.target}{lasting}")
        if fault.what is What.KILL:
            self._processes.kill(fault.target)
        elif fault.what is What.STALL:
            self._stall(fault)
        elif fault.what is What.CUT:
            cable = self._cables[fault.target]
            cable.pull()
            self._stop.wait(fault.for_s)
            cable.plug()
            self._say(f"healed: {fault.target} has its uplink again")
        else:
            self._new_outbox(f"edge-{fault.target}")

    def _stall(self, fault: Fault) -> None:
        process = self._processes.alive().get(fault.target)
        if process is not None:
            process.send_signal(signal.SIGSTOP)
            self._stop.wait(fault.for_s)
            process.send_signal(signal.SIGCONT)

    def _new_outbox(self, name: str) -> None:
        """Stops a gateway in order and gives it an empty data folder, once its outbox holds nothing unconfirmed."""
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
    done = subprocess.run(  # noqa: S603 - this module's own words
        [sys.executable, "-m", "edge", word], env=env, capture_output=True, text=True, check=False, timeout=ASK_WITHIN_S
    )
    if done.returncode != 0:
        raise PartError(f"{spec.name} could not be asked for {word}: {done.stderr[-500:]}")
    return done.stdout


def drained(spec: Spec) -> bool:
    """Returns whether Kafka holds all that a gateway's outbox has accepted."""
    backlog = json.loads(edge_says(spec, "status"))["backlog"]
    return not (backlog["batches"] or backlog["readings"])


def wait_for(condition: Callable[[], bool], within_s: float, every_s: float = 1.0) -> bool:
    """Waits until a condition holds; returns whether it did in time."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True
