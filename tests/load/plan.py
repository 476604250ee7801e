"""Batches of a fleet of gateways, generated from a seed. Pure."""

import zlib
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, Final

import msgspec

from vitals.wire import topics
from vitals.wire.uplink_batch import DICTIONARY

RANGES: Final = {
    "hr": (60, 100), "pr": (60, 100), "rr": (12, 20), "spo2": (94, 100), "temp": (36.0, 37.9), "sbp": (100, 139),
    "dbp": (60, 84), "map": (75, 99),
}  # fmt: skip
"""Ordinary values of a resting adult, lowest and highest: without breaches, no reading of the load raises an alarm."""
BREACH: Final = ("spo2", 80)
WARD: Final = "load"
VARIANTS: Final = 512
Columns = dict[str, list[Any]]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet.

    Attributes:
        patients: Patients, each with a device of their own.
        per_gateway: Patients behind one gateway, one reading of each in a batch.
        cadence_s: Seconds between two readings of a patient.
        connections: MQTT connections over which the gateways are spread.
        name: Prefix of every id, so that loads can share a stack.
        seed: Seed of values and of the devices' boot numbers.
        resend_s: Time after which an unconfirmed batch is resent, s; it doubles with each resend.
        in_flight: Most unconfirmed batches; at this number no new batch is sent.
        limit: Readings to send in total; 0 for no end.
        plain: Whether batches are plain JSON lists of readings, for other programs. No bridge confirms them: the
            broker's acknowledgement completes them.
        ramp_s: Time in which the rate rises linearly to its full value, s: a hospital's virtual machines are warm, and
            those of a measurement are not.
        breach_every: One patient of this many, another in each round, has an SpO2 far beyond its limit; 0 for none.
    """

    patients: int
    per_gateway: int = 30
    cadence_s: float = 30.0
    connections: int = 4
    name: str = "load"
    seed: int = 0
    resend_s: float = 5.0
    in_flight: int = 20_000
    limit: int = 0
    plain: bool = False
    breach_every: int = 0
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        if min(self.patients, self.per_gateway, self.connections) < 1 or self.cadence_s <= 0 or self.resend_s <= 0:
            raise ValueError("a load needs patients, gateways, connections, a cadence and a time to send again")

    @property
    def gateways(self) -> int:
        """Number of gateways."""
        return -(-self.patients // self.per_gateway)

    @property
    def rate(self) -> float:
        """Readings per second."""
        return self.gateways * self.per_gateway / self.cadence_s

    def due(self, elapsed_s: float) -> int:
        """Returns the number of batches that are due `elapsed_s` after the begin; the first is due at once."""
        every_s = self.cadence_s / self.gateways
        if elapsed_s < self.ramp_s:
            return int(elapsed_s**2 / (2 * self.ramp_s) / every_s) + 1
        return int((elapsed_s - self.ramp_s / 2) / every_s) + 1

    def due_s(self, number: int) -> float:
        """Returns the time at which batch `number`, from 0, is due, in seconds after the begin."""
        steady_s = number * self.cadence_s / self.gateways
        rising = steady_s < self.ramp_s / 2
        return float((2 * self.ramp_s * steady_s) ** 0.5) if rising else steady_s + self.ramp_s / 2

    def bed(self, number: int) -> str:
        """Returns a bed's name; no two plans share one, because two patients in one bed start an alarm."""
        return f"{self.name}-b{number}"

    @property
    def batches(self) -> int | None:
        """Total number of batches; None without an end."""
        return -(-self.limit // self.per_gateway) if self.limit else None


class Gateway:
    """One gateway's batches, numbered from 1; the patients' ids are fixed, the values change with each batch.

    Args:
        plan: The fleet.
        number: Number of the gateway, from 0.
    """

    def __init__(self, plan: Plan, number: int) -> None:
        self.name = f"{plan.name}-g{number}"
        self.topic = topics.gateway_topic(self.name, "vitals")
        self.outbox = f"{plan.name}-{plan.seed:x}-{number:x}"
        self.n = 0
        self._plan, self._first_bed = plan, number * plan.per_gateway
        self._fixed = _inside(self._who())

    def batch(self, t: int) -> bytes:
        """Returns the next batch's payload, of readings measured at `t`, UTC epoch ms."""
        size = self._plan.per_gateway
        when = {"seq": [self.n] * size, "t": [t] * size, "t_gw": [t + 1] * size}
        values = _values(self._plan.seed, size)[zlib.crc32(b"%d %d" % (self._first_bed, self.n)) % VARIANTS]
        if ill := self._ill():
            columns = {field: list(column) for field, column in values[0].items()}
            for place in ill:
                columns[BREACH[0]][place] = BREACH[1]
            values = columns, _inside(columns)
        self.n += 1
        if self._plan.plain:
            rows = self._who() | when | values[0]
            return _encode([dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)])
        head = _inside({"gateway": self.name, "outbox": self.outbox, "n": self.n})
        deflater = zlib.compressobj(6, zdict=DICTIONARY)
        text = b'{%b,"readings":{%b,%b,%b}}' % (head, self._fixed, _inside(when), values[1])
        return deflater.compress(text) + deflater.flush()

    def _who(self) -> Columns:
        size = self._plan.per_gateway
        beds = range(self._first_bed, self._first_bed + size)
        return {
            "patient": [f"{self._plan.name}-p{bed}" for bed in beds],
            "device": [f"{self._plan.name}-d{bed}" for bed in beds],
            "ward": [WARD] * size,
            "bed": [self._plan.bed(bed) for bed in beds],
            "boot": [boot_of(self._plan.seed)] * size,
            "roster": [1] * size,
            "suspect": [0] * size,
            "limits": [0] * size,
        }

    def _ill(self) -> set[int]:
        """Returns the indices of patients with a breach in this round.

        Each patient has a breach in two rounds in a row, because two consecutive values start an alarm.
        """
        every, size = self._plan.breach_every, self._plan.per_gateway
        if not every:
            return set()
        turns = ((-self._first_bed - self.n + back) % every for back in (0, 1))
        return {place for first in turns for place in range(first, size, every)}


@lru_cache(maxsize=4)
def _values(seed: int, size: int) -> tuple[tuple[Columns, bytes], ...]:
    """Returns batches of values, as columns and encoded: generating them each time costs more than sending them."""
    chance = Random(f"values {seed}").random  # noqa: S311 - a load, no secret
    found = []
    for _ in range(VARIANTS):
        columns: Columns = {}
        for field, (low, high) in RANGES.items():
            if isinstance(low, float):
                columns[field] = [round(low + (high - low) * chance(), 1) for _ in range(size)]
            else:
                columns[field] = [low + int((high - low + 1) * chance()) for _ in range(size)]
        found.append((columns, _inside(columns)))
    return tuple(found)


def _inside(record: dict[str, Any]) -> bytes:
    """Returns a JSON object without its braces."""
    return _encode(record)[1:-1]


def boot_of(seed: int) -> int:
    """Returns the boot number of every device of a seed, which identifies a run."""
    return zlib.crc32(f"boot {seed}".encode())
