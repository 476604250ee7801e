"""Reach of messages: storms of receivers and of SNS, a restart with many contacts, a burst: `make bench ONLY=reach`.

`reach.unknown`: deteriorations that reached no device of a contact and of which no *not notified* was active within the
time in which it could be known (a check of channels, `receivers_storm.CHECK_MS`) and 30 s. Addresses are ended, fail,
opt out and come back, calls of SNS are throttled, refused or lose their answer, and the notifier is restarted, on a
moved clock. Storms are drawn from REACH_SEED. `reach.first_page_ms`: from the start of a notifier with 200 contacts to
the first message on a device. `reach.burst_p99_ms`: 200 alarms at once on 40 wards, from the log to SNS's acceptance.
In both SNS answers in a constant 30 ms; the figures of a ward's whole path are `bench_path`'s.
"""

import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

from cloud.kafka.partitioning import Partitioning
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.follow_up.reach import Reach
from infra.local.servers.sns.server import Options, Sns
from tests.bench.path.percentiles import rank
from tests.cloud.conftest import make_contact, make_event
from tests.cloud.receivers_storm import ALARMS, storm_of
from tests.cloud.station import Station
from vitals.runtime.daemon import now_ms

STORMS, SEED = int(os.environ.get("REACH_STORMS", "25")), int(os.environ.get("REACH_SEED", "1"))
CONTACTS, BURST, WARDS, THREADS = 200, 200, 40, 8
ANSWER_MS, CHECK_MS, LONGEST_S = 30.0, 60_000, 60.0
LAYOUT: Final = Partitioning(lanes=2, partitions=4)
ENVIRON: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `bench.json`."""
    with mock.patch.dict(os.environ, ENVIRON):
        unknown, not_reached = storms(range(SEED, SEED + STORMS))
        first_ms, burst = first_page_ms(), burst_ms()
    note = f"{STORMS} storms of {ALARMS} from seed {SEED} on; {not_reached} reached nobody in time, and that was told"
    late = f"median {rank(burst, 0.5):.0f} ms, worst {max(burst):.0f} ms; {THREADS} threads"
    return [
        _row("reach.unknown", unknown, "count", 0, f"of {STORMS * ALARMS} deteriorations; {note}"),
        _row("reach.first_page_ms", first_ms, "ms", 1000, f"{CONTACTS} contacts on duty, one alarm that waits"),
        _row("reach.burst_p99_ms", rank(burst, 0.99), "ms", None, f"{len(burst)} messages; {late}"),
    ]


def storms(seeds: range) -> tuple[int, int]:
    """Returns the number of alarms of which nothing is known, and of those that reached nobody in time."""
    unknown = not_reached = 0
    for seed in seeds:
        with ThreadPoolExecutor(1) as pool, storm_of(Station(LAYOUT, pool)) as storm:
            alarms = storm.run(seed, safe=None, faults=True)
            unknown += len(storm.unknown(alarms))
            not_reached += len(storm.late(alarms))
    return unknown, not_reached


@dataclass
class Now(Station):
    """A station by the wall clock."""

    @property
    def now(self) -> int:
        """Wall clock, UTC epoch ms."""
        return now_ms()

    @now.setter
    def now(self, _: int) -> None:
        """The wall clock is not set."""


@contextmanager
def _house() -> Iterator[tuple[Now, Sns]]:
    with (
        Sns(Options(answer_ms=ANSWER_MS, confirmed=True, emails_per_s=0)) as sns,
        ThreadPoolExecutor(THREADS) as pool,
        closing(ContactChannels(SnsChannel(sns.url, None), (), now_ms, CHECK_MS)) as channels,
    ):
        yield Now(LAYOUT, pool, sender=channels, reach=Reach(channels.checks)), sns


def _enrol(house: Station, wards: int, contacts: int) -> None:
    """Fills the rotas of wards, evenly."""
    for ward in range(wards):
        own = range(ward, contacts, wards)
        house.duty(
            *(make_contact(f"nurse-{k}", phone=f"+4416329{k:05}", email=f"nurse-{k}@example.org") for k in own),
            ward=f"w{ward}",
        )


def first_page_ms() -> float:
    """Returns the time from a notifier's start to the first message on a device, ms."""
    with _house() as (house, sns):
        _enrol(house, WARDS, CONTACTS)
        house.alarm(make_event("p-1", start=now_ms(), ward="w0", bed="w0-1"))
        began = time.monotonic()
        notifier = house.start()
        while not sns.reached():
            if time.monotonic() - began > LONGEST_S:
                raise TimeoutError("no message within a minute")
            notifier.step(0)
        return (time.monotonic() - began) * 1000


def burst_ms() -> list[float]:
    """Returns, per message of a burst, the time from its alarm's record to SNS's acceptance, ms."""
    with _house() as (house, _):
        _enrol(house, WARDS, WARDS)
        notifier = house.start()
        began = time.monotonic()
        while notifier.reach.checks is not None and not notifier.reach.checks.at_rest:
            notifier.step(0)
            if time.monotonic() - began > LONGEST_S:
                raise TimeoutError("channels are not prepared within a minute")
        at = now_ms()
        for k in range(BURST):
            ward = f"w{k % WARDS}"
            house.alarm(make_event(f"p-{k}", start=at, ward=ward, bed=f"{ward}-{k}"))
        began = time.monotonic()
        while len({made.alarm for made in house.arrived}) < BURST:
            notifier.step(0)
            if time.monotonic() - began > LONGEST_S:
                raise TimeoutError(f"{len(house.arrived)} of {BURST} messages within a minute")
        return [float(made.accepted - at) for made in house.arrived]


def _row(name: str, value: float, unit: str, goal: float | None, note: str) -> dict[str, Any]:
    return {"name": name, "value": round(value, 1), "unit": unit, "goal": goal, "better": "lower", "note": note}
