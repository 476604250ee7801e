"""Lease of the one notifier that sends; a second one waits.

The heartbeat in topic `status` is the lease: it names its holder. A second notifier waits until heartbeats are absent
for `BEATS` intervals, the holder has released the lease, or its process on this host is gone. It then opens the
transactional writer of heartbeats, by which Kafka fences the former holder. A holder sends only for two intervals after
a heartbeat that Kafka has accepted, so that one that was stopped and continues finds the fence before it sends.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from cloud.kafka.port import Reader, Record, Writer, read_to_end
from cloud.notify.delivery.notification_log import NOTIFIER, read
from vitals.status import Health, Status
from vitals.wire import topics

WRITER: Final = "notifier"
"""Transactional id of the writer of heartbeats."""
BEATS: Final = 3
"""Intervals without a heartbeat after which the lease is free."""
START_MS: Final = 60_000
"""A holder that starts reads the log back, and writes no heartbeat for so long at most."""
OLD_MS: Final = 120_000
"""A heartbeat of this age by the wall clock is no sign of life, however short the wait was."""
PLACE: Final = (topics.STATUS, 0)
POLL_S: Final = 0.2


def own_holder() -> str:
    """Returns this process's identity as a holder."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def may_live(holder: str) -> bool:
    """Returns false if a holder's process was on this host and is gone."""
    host, _, rest = holder.partition("/")
    pid = rest.partition("/")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return True
    # In a container every process may have the same id; a former holder with the id of this process is gone.
    if int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@dataclass(slots=True)
class LeaseView:
    """Lease as a waiting notifier sees it.

    Attributes:
        beat_ms: Interval of heartbeats.
        newest: Newest heartbeat; None without one.
    """

    beat_ms: int
    newest: Status | None = None
    _t: int = 0
    _since: int = 0

    def see(self, record: Record, elapsed_ms: int) -> None:
        """Applies a record of topic `status`.

        Args:
            record: The record.
            elapsed_ms: Monotonic time, ms.
        """
        status = read(record, Status) if record.key == NOTIFIER.encode() else None
        if status is not None:
            self.newest, self._t, self._since = status, record.t, elapsed_ms

    def free(self, elapsed_ms: int, now: int, alive: Callable[[str], bool]) -> bool:
        """Returns whether no holder sends any more.

        Args:
            elapsed_ms: Monotonic time, ms.
            now: UTC epoch ms.
            alive: Returns false for a holder that is gone for certain.
        """
        # A notifier of before version 0.2 names no holder.
        if self.newest is None or not self.newest.holder or not alive(self.newest.holder):
            return True
        quiet = START_MS if self.newest.starting else BEATS * self.beat_ms
        return elapsed_ms - self._since >= quiet or now - self._t > OLD_MS


def wait_for_lease(
    reader: Reader, view: LeaseView, stop: threading.Event, now: Callable[[], int], waiting: Callable[[str], None]
) -> bool:
    """Reads heartbeats until the lease is free; returns false if it was stopped before.

    Args:
        reader: Reads topic `status`.
        view: Receives the heartbeats.
        stop: Ends the wait.
        now: Wall clock, UTC epoch ms.
        waiting: Called with the holder in each round.

    Raises:
        KafkaUnavailableError: The log cannot be read.
    """
    for record in read_to_end(reader, {PLACE: 0}):
        view.see(record, _elapsed_ms())
    reader.assign({PLACE: reader.position(PLACE)})
    while not stop.is_set():
        for record in reader.read(0):
            view.see(record, _elapsed_ms())
        if view.free(_elapsed_ms(), now(), may_live):
            return True
        waiting(view.newest.holder if view.newest else "")
        stop.wait(POLL_S)
    return False


def first_heartbeat(holder: str, former: Status | None, now: int) -> Status:
    """Returns the first heartbeat of a holder at `now`, UTC epoch ms.

    It reports *silent*, as no message is sent before the log is read back, and keeps the former holder's alarms.
    """
    alarms = former.alarms if former else ()
    return Status(id=NOTIFIER, kind=NOTIFIER, health=Health.SILENT, t=now, alarms=alarms, holder=holder, starting=True)


def release(writer: Writer, last: Status) -> None:
    """Writes the last heartbeat once more without its holder, after everything is sent.

    Raises:
        KafkaUnavailableError: It cannot be written, or another notifier holds the lease.
    """
    write(writer, msgspec.structs.replace(last, holder="", starting=False))


def write(writer: Writer, status: Status) -> None:
    """Writes a heartbeat.

    Raises:
        KafkaUnavailableError: It cannot be written, or another notifier holds the lease.
    """
    writer.write(PLACE, NOTIFIER.encode(), msgspec.json.encode(status))
    writer.flush()


def _elapsed_ms() -> int:
    return time.monotonic_ns() // 1_000_000
