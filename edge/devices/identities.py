"""Identities of messages that have no sequence number: key ↔ boot and sequence number, for a day.

The gateway numbers such messages itself. A repeat has the key of the first message, so it gets the same numbers and is
dropped as known. The entries are committed with the readings (`edge.store.outbox`), so a repeat after a restart is
known as well.
"""

import secrets
import struct
import threading
from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

KEPT_MS: Final = 86_400_000
FREEZE: Final = 32_768
"""Entries in the dictionary of the newest; older ones are in sorted arrays, a sixth of the size."""
MOST: Final = 1_000_000
"""Most entries in memory, 28 MB; a ward of 32 monitors at one message in ten seconds has 280,000 a day."""
_ENTRY: Final = np.dtype([("key", "<u8"), ("boot", "<u4"), ("seq", "<u8")])
_PACKED: Final = struct.Struct("<QIQ")


class Numbered(NamedTuple):
    """Numbers of a message.

    Attributes:
        boot: Boot, drawn once for each run of the gateway.
        seq: Sequence number within it, by device.
        entry: The stored form: key, boot and sequence number.
    """

    boot: int
    seq: int
    entry: bytes


class _Older(NamedTuple):
    """Older entries by key, with the arrival of the newest one; a search needs the keys side by side."""

    newest: int
    keys: NDArray[np.uint64]
    entries: NDArray[np.void]


class Identities:
    """Known identities; safe to use from any thread.

    Args:
        stored: Arrival (UTC epoch ms) and entries of each commit of earlier runs, oldest first.
    """

    def __init__(self, stored: Iterable[tuple[int, bytes]] = ()) -> None:
        self._lock = threading.Lock()
        self._boot = secrets.randbits(32)
        self._next: dict[str, int] = {}
        self._recent: dict[int, tuple[int, int]] = {}
        self._older: list[_Older] = []
        parts, newest = [], 0
        for t, entries in stored:
            whole = len(entries) - len(entries) % _ENTRY.itemsize
            parts.append(np.frombuffer(entries[:whole], dtype=_ENTRY))
            newest = max(newest, t)
        if parts:
            self._older.append(_by_key(newest, np.concatenate(parts)[-MOST:]))

    def number(self, device: str, key: int, now: int) -> Numbered:
        """Returns the numbers of a message: those of the first message with this key, or new ones.

        Args:
            device: Device.
            key: Identity, 64 bits, with the device in it.
            now: UTC epoch ms.
        """
        with self._lock:
            known = self._recent.get(key) or self._find(key, now)
            if known is None:
                seq = self._next.get(device, 0)
                self._next[device] = seq + 1
                known = self._recent[key] = (self._boot, seq)
                if len(self._recent) >= FREEZE:
                    self._freeze(now)
        return Numbered(*known, _PACKED.pack(key, *known))

    def _find(self, key: int, now: int) -> tuple[int, int] | None:
        for older in reversed(self._older):
            if now - older.newest > KEPT_MS:
                continue
            at = int(older.keys.searchsorted(np.uint64(key)))
            if at < len(older.keys) and int(older.keys[at]) == key:
                return int(older.entries["boot"][at]), int(older.entries["seq"][at])
        return None

    def _freeze(self, now: int) -> None:
        rows = [(key, boot, seq) for key, (boot, seq) in self._recent.items()]
        kept = [older for older in self._older if now - older.newest <= KEPT_MS]
        self._older = [*kept, _by_key(now, np.array(rows, dtype=_ENTRY))][-(MOST // FREEZE) :]
        self._recent = {}


def _by_key(newest: int, entries: NDArray[np.void]) -> _Older:
    ordered = entries[np.argsort(entries["key"], kind="stable")]
    return _Older(newest, np.ascontiguousarray(ordered["key"]), ordered)
