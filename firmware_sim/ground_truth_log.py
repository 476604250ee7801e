"""The ledger: what was really so. JSON lines, appended, each complete before the frame that it tells of leaves.

| `k` | fields | tells |
|---|---|---|
| `run` | `seed`, `devices`, `t` | a run begins; earlier runs stay above it |
| `sent` | `device boot seq t at story phase truth state artefacts unmeasured faults` | a reading was made and kept |
| `ack` | `device boot seq at` | the broker took it on |
| `dropped` | `device boot seq at reason` | the device forgot it unacknowledged: `full` outbox, `reboot` or `battery` |
| `garbage` | `device at bytes` | bytes that are no frame were put in the outbox |
| `device` | `device at event` | `reboot`, `battery` or `back` |
| `summary` | `t sent acknowledged pending dropped garbage late_max_s` | the run ended in order |

Times are UTC epoch ms by the machine's clock, a frame's `t` by the device's. `truth` has one value per sign in
digit order, as a faultless monitor would show it at that moment, measured or not; `state` what is so in the patient
behind the variation from minute to minute, unrounded, by which a breach is judged true; `unmeasured` the fields of
`truth` that a faultless device would not have shown then: a cuff at rest, a sensor that is off.
A sent reading with neither `ack` nor `dropped` is pending.
"""

from collections.abc import Sequence
from io import SEEK_END, BufferedWriter, BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

Identity = tuple[str, int, int]
"""(device, boot, seq): what makes a reading itself."""


class Summary(msgspec.Struct, frozen=True):
    """How a run ended.

    Attributes:
        sent: Readings made.
        acknowledged: Of them, taken on by the broker.
        pending: Still in an outbox when the run ended.
        dropped: Forgotten by the device.
        garbage: Messages that are no frame.
        late_max_s: How far behind its schedule the simulator itself ever was, s.
    """

    sent: int
    acknowledged: int
    pending: int
    dropped: int
    garbage: int
    late_max_s: float


class GroundTruthLog:
    """Writes a ledger and keeps its counts; what is written stands in the file after `flush`, kill or no kill."""

    def __init__(self, path: Path | None) -> None:
        """Opens the ledger for appending; None keeps the counts alone.

        Raises:
            OSError: The file cannot be written.
        """
        self._file: BufferedWriter | None = None
        self._buffer = BytesIO()
        self._encoder = msgspec.json.Encoder()
        self._open: set[Identity] = set()
        self._sent = self._acknowledged = self._dropped = self._garbage = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
            if _is_cut_short(path):
                # The run before was killed in the middle of a line; that line is lost, the next must not be.
                self._buffer.write(b"\n")

    def __enter__(self) -> "GroundTruthLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.flush()
        if self._file is not None:
            self._file.close()

    def run(self, *, seed: int, devices: Sequence[str], now: int) -> None:
        """A run begins."""
        self._write(k="run", t=now, seed=seed, devices=list(devices))

    def sent(self, identity: Identity, *, now: int, **told: Any) -> None:  # noqa: ANN401 - written to JSON as it is
        """A reading was made; `told` is the rest of its line."""
        self._sent += 1
        self._open.add(identity)
        self._write(k="sent", device=identity[0], boot=identity[1], seq=identity[2], at=now, **told)

    def acknowledged(self, identity: Identity, *, now: int) -> None:
        """The broker took a reading on; the second time of a duplicate changes nothing."""
        if identity in self._open:
            self._open.remove(identity)
            self._acknowledged += 1
            self._write(k="ack", device=identity[0], boot=identity[1], seq=identity[2], at=now)

    def dropped(self, identity: Identity, *, now: int, reason: str) -> None:
        """A device forgot a reading that was never acknowledged."""
        if identity in self._open:
            self._open.remove(identity)
            self._dropped += 1
            self._write(k="dropped", device=identity[0], boot=identity[1], seq=identity[2], at=now, reason=reason)

    def garbage(self, device: str, *, now: int, size: int) -> None:
        """A device sent bytes that are no frame."""
        self._garbage += 1
        self._write(k="garbage", device=device, at=now, bytes=size)

    def device(self, device: str, *, now: int, event: str) -> None:
        """Something happened to a device."""
        self._write(k="device", device=device, at=now, event=event)

    def summary(self, *, now: int, late_max_s: float) -> Summary:
        """The run ended; returns its counts."""
        summary = Summary(
            self._sent, self._acknowledged, len(self._open), self._dropped, self._garbage, round(late_max_s, 3)
        )
        self._write(k="summary", t=now, **msgspec.structs.asdict(summary))
        self.flush()
        return summary

    def flush(self) -> None:
        """Hands everything to the operating system; call it before what it tells of leaves the process."""
        written = self._buffer.getvalue()
        self._buffer = BytesIO()
        if written and self._file is not None:
            self._file.write(written)
            self._file.flush()

    def _write(self, **line: Any) -> None:  # noqa: ANN401 - written to JSON as it is
        if self._file is not None:
            self._buffer.write(self._encoder.encode(line) + b"\n")


def _is_cut_short(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, SEEK_END) == 0:
            return False
        file.seek(-1, SEEK_END)
        return file.read(1) != b"\n"
