"""Liveness of the other bridges: silent if no status arrives in time, unless others serve all of its slots. Pure.

An orderly stop sends no special status: a restart within the timeout pages nobody, and a longer stop is reported like
the loss of a bridge. The last bridge is missed by the pipeline's watchdog, since its heartbeats end.
"""

import msgspec

from vitals.status import Health, Status


class Retired(msgspec.Struct, frozen=True):
    """A gateway or bridge removed for good, by a tombstone in topic `status`."""

    id: str


class BridgeLiveness:
    """The other bridges, as topic `status` shows them.

    It judges only while it reads its own statuses there: otherwise it would report others as silent because it reads
    nothing.

    Args:
        name: This bridge.
        timeout_s: Time without a status after which a bridge is silent, s.
    """

    def __init__(self, name: str, timeout_s: float) -> None:
        self._name, self._timeout_s = name, timeout_s
        self._heard: dict[str, float] = {}
        self._last: dict[str, Status] = {}
        self._hearing_since: float | None = None

    def heard(self, status: Status, at: float) -> None:
        """Notes a status of a bridge, also this one's, read at monotonic time `at`, in the order of the log."""
        if status.kind != "bridge":
            return
        if status.health is Health.UP:
            self._heard[status.id] = at
        self._last[status.id] = status

    def forget(self, name: str) -> None:
        """Removes a bridge."""
        self._heard.pop(name, None)
        self._last.pop(name, None)

    def lost(self, at: float, t: int) -> list[Status]:
        """Returns the statuses of bridges that became silent since the last call; `t` is UTC epoch ms."""
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
