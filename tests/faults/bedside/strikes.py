"""How each fault at the bedside is done to a gateway's machine, and ended in time."""

import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from tests.faults.bedside import damage, machine
from tests.faults.bedside.pi import RESTART_S, WHOLE_MS, Pi, now_ms
from tests.faults.bedside.plan import Fault, What

BOOT_S: Final = 4.0
"""From a power cut until the machine starts its services."""
FILL_BYTES: Final = (1 << 16, 512)


def strike(pi: Pi, fault: Fault) -> None:
    """Does a fault.

    Raises:
        CalledProcessError: It could not be done.
    """
    _DONE[fault.what](pi, fault)


def cut(pi: Pi, fault: Fault) -> None:
    """The uplink is cut."""
    began = now_ms()
    pi.uplink.pull()

    def mend() -> None:
        pi.uplink.plug()
        pi.cuts.append((began, now_ms()))

    pi.later(fault.for_s, mend)


def step(pi: Pi, fault: Fault) -> None:
    """Somebody sets the machine's clock wrong, and right again."""
    clock = pi.machine / machine.CLOCK
    clock.write_text(str(fault.amount))
    pi.later(fault.for_s, lambda: clock.unlink(missing_ok=True))


def kill(pi: Pi, fault: Fault) -> None:
    """The process is killed, and started again."""
    pi.restart(now_ms(), RESTART_S, WHOLE_MS[fault.what])


def boot(pi: Pi, fault: Fault) -> None:
    """The power fails; the machine boots with its saved clock, which is set later."""
    clock, keeper = pi.machine / machine.CLOCK, pi.machine / machine.SET

    def meanwhile() -> None:
        pi.stack.processes.kill(pi.broker.name)
        shutil.rmtree(pi.runtime)
        pi.runtime.mkdir()
        keeper.unlink(missing_ok=True)
        clock.write_text(str(fault.amount))
        (pi.machine / machine.BOOTED).write_text(str(time.clock_gettime(time.CLOCK_BOOTTIME)))

    def set_right() -> None:
        clock.unlink(missing_ok=True)
        keeper.touch()

    pi.restart(now_ms(), BOOT_S, WHOLE_MS[fault.what], meanwhile)
    pi.later(BOOT_S - 1, lambda: pi.stack.processes.start(pi.broker))
    pi.later(BOOT_S + fault.for_s, set_right)


def hang(pi: Pi, fault: Fault) -> None:
    """The broker answers nobody for a while."""
    began = now_ms()
    pi.stack.processes.send(pi.broker.name, signal.SIGSTOP)

    def go_on() -> None:
        pi.stack.processes.send(pi.broker.name, signal.SIGCONT)
        pi.struck.append((began, now_ms() + WHOLE_MS[fault.what]))

    pi.later(fault.for_s, go_on)


def die(pi: Pi, fault: Fault) -> None:
    """The broker is killed, and started again."""
    began = now_ms()
    pi.stack.processes.kill(pi.broker.name)

    def again() -> None:
        pi.stack.processes.start(pi.broker)
        pi.struck.append((began, now_ms() + WHOLE_MS[fault.what]))

    pi.later(fault.for_s, again)


def fill(pi: Pi, fault: Fault) -> None:
    """The card is full to its last byte."""
    filler = pi.card / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in FILL_BYTES:
            _write(file, size)
    pi.later(fault.for_s, filler.unlink)


def read_only(pi: Pi, fault: Fault) -> None:
    """The power blinks, and the card comes back read-only."""
    pi.restart(now_ms(), RESTART_S, WHOLE_MS[What.KILL], lambda: _remount(pi, "ro"))
    pi.later(fault.for_s, lambda: _remount(pi, "rw"))


def refuse(pi: Pi, fault: Fault) -> None:
    """The card takes nothing for a while."""
    pi.refuse(refusing=True)
    pi.later(fault.for_s, lambda: pi.refuse(refusing=False))


def flip_page(pi: Pi, fault: Fault) -> None:
    """A page of the outbox turns to garbage while the gateway is down."""
    _damaged(pi, fault, damage.flip_page)


def flip_meta(pi: Pi, fault: Fault) -> None:
    """A bit of what the outbox keeps beside readings flips while the gateway is down."""
    _damaged(pi, fault, damage.flip_meta)


def _damaged(pi: Pi, fault: Fault, how: Callable[[Path, random.Random], object]) -> None:
    def meanwhile() -> None:
        path = pi.data / damage.NAME
        pi.accepted |= pi.remembered()
        before = damage.readable(path)
        where = how(path, random.Random(fault.amount))  # noqa: S311 - where, no secret
        gone = before - damage.readable(path)
        pi.unreadable |= gone
        pi.say(f"{pi.gateway}: {fault.what} at {where}, {len(gone)} of {len(before)} readings with it")

    pi.restart(now_ms(), RESTART_S, WHOLE_MS[What.KILL], meanwhile)


def _remount(pi: Pi, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(pi.card)], check=True)  # noqa: S603, S607 - own words


def _write(file: IO[bytes], size: int) -> None:
    try:
        while True:
            file.write(b"\0" * size)
    except OSError:
        return


_DONE: Final[dict[What, Callable[[Pi, Fault], None]]] = {
    What.CUT: cut,
    What.STEP: step,
    What.BOOT: boot,
    What.KILL: kill,
    What.HANG: hang,
    What.DIE: die,
    What.FULL: fill,
    What.READ_ONLY: read_only,
    What.REFUSING: refuse,
    What.PAGE: flip_page,
    What.META: flip_meta,
}
