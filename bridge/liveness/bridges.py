"""Bridges judge each other: one that says nothing for a while is silent, unless others serve all of its slots. Pure.

So a bridge that stops in order says nothing special: restarted within the time, nobody is paged; if not, it is told
like one that was lost. The last bridge of all is missed by the pipeline's watchdog, as its heartbeats end.
"""

import msgspec

from vitals.status import Health, Status


class Retired(msgspec.Struct, frozen=True):
    """A gateway or bridge that is gone for good, as a tombstone in topic `status` says."""

    id: str


class BridgeLiveness:
    """What this bridge knows of the others, from topic `status`.

    It judges only while it hears itself there: otherwise it would call the others silent for its own deafness.

    Args:
        name: This bridge.
        timeout_s: A bridge that is not heard for so long is silent, s.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self._name, self._timeout_s = name, timeout_s
        self._heard: dict[str, float] = {}
        self._last: dict[str, Status] = {}
        self._hearing_since: float | None = None

    def heard(self, status: Status, at: float) -> None:
        """Notes a status of a bridge, this one's included, read at monotonic time `at`, in the order of the log."""
        if status.kind != "bridge":
            return
        if status.health is Health.UP:
            self._heard[status.id] = at
        self._last[status.id] = status

    def forget(self, name: str) -> None:
        """Forgets a bridge that is gone for good."""
        self._heard.pop(name, None)
        self._last.pop(name, None)

    def lost(self, at: float, t: int) -> list[Status]:
        """Returns the statuses of bridges that have fallen silent since the last call; `t` is UTC epoch ms."""
        if at - self._heard.get(self._name, -float("inf")) >= self._timeout_s / 2:
            self._hearing_since = None
            return []
        since = self._hearing_since = at if self._hearing_since is None else self._hearing_since
        here = {name for name, heard in self._heard.items() if at - max(heard, since) < self._timeout_s}
        served = {slot for name in here for slot in self._last[name].slots}
        found = []
        for name, last in self._last.items():
            if name in here or last.health is not Health.UP or served.issuperset(last.slots):
                continue
            silent = self._last[name] = msgspec.structs.replace(last, health=Health.SILENT, t=t)
            found.append(silent)
        return found
