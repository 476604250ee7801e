"""Readings and batches for the bridge's tests."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from infra.local.stack import KAFKA, SITE_BROKER, LocalStack
from tests.bridge.hospital import Site
from vitals.readings import Readings, text
from vitals.signs import SIGNS
from vitals.wire import uplink_batch

MakeReadings = Callable[..., Readings]
MakeBatch = Callable[..., bytes]


def make_readings(gateway: str = "gw-1", n: int = 3, *, boot: int = 7, first: int = 0, beds: int = 2) -> Readings:
    """Readings of a gateway's beds in turn; the last bed's device is on nobody."""
    bed = [i % beds for i in range(n)]
    values = np.full((n, len(SIGNS)), np.nan)
    values[:, 0] = 70

    def place(kind: str) -> list[str | None]:
        return [None if beds > 1 and b == beds - 1 else f"{gateway}-{kind}{b}" for b in bed]

    def number(value: int) -> NDArray[np.int64]:
        return np.full(n, value, dtype=np.int64)

    return Readings(
        patient=text(place("p")),
        device=text([f"{gateway}-d{b}" for b in bed]),
        gateway=text([gateway] * n),
        ward=text(place("w")),
        bed=text(place("b")),
        boot=number(boot),
        seq=first + np.arange(n, dtype=np.int64),
        t=number(1_763_812_800_000),
        t_gw=number(1_763_812_800_001),
        roster=number(1),
        suspect=number(0),
        limits=number(0),
        values=values,
    )


def make_batch(gateway: str = "gw-1", number: int = 1, *, outbox: str = "box", **readings: int) -> bytes:
    """The payload of a batch."""
    return uplink_batch.encode(uplink_batch.Batch(gateway, outbox, number, make_readings(gateway, **readings)))


@pytest.fixture(scope="session")
def readings() -> MakeReadings:
    """Makes readings: `readings("gw-1", 10, boot=7, first=0, beds=2)`."""
    return make_readings


@pytest.fixture(scope="session")
def batch() -> MakeBatch:
    """Makes a batch's payload: `batch("gw-1", 5, n=10, first=40)`."""
    return make_batch


@pytest.fixture
def site(parts_on_demand: LocalStack) -> Iterator[Site]:
    """A real broker and a real Kafka, with bridges and gateways that end with the test."""
    parts_on_demand.up((KAFKA, SITE_BROKER))
    site = Site(parts_on_demand)
    yield site
    site.close()
