import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.device import Device, Outbox
from firmware_sim.faults import Injector, parse
from firmware_sim.ground_truth_log import GroundTruthLog
from firmware_sim.patient.patient_group import Sample

NOW = 1_763_812_800_000


class Bedside:
    """A device that measures once a second, and what it wants to send."""

    def __init__(self, path: Path, *faults: str, limit: int = 100) -> None:
        self.path, self.ledger = path, GroundTruthLog(path)
        injector = Injector([parse(word) for word in faults], np.random.default_rng(1))
        self.device = Device("mon", injector, Outbox(limit), self.ledger, np.random.default_rng(2))

    def measures(self, *seconds: float) -> "Bedside":
        for t_s in seconds:
            self.device.measure(Sample("mon", t_s, (72.0, *(None,) * 7)), NOW + round(t_s * 1000))
        return self

    def gives(self) -> list[dict[str, Any]]:
        frames = []
        while message := self.device.outbox.next():
            frames.append({"junk": True} if message.identity is None else json.loads(message.payload))
        return frames

    def told(self, kind: str) -> list[dict[str, Any]]:
        self.ledger.flush()
        return [line for line in map(json.loads, self.path.read_text().splitlines()) if line["k"] == kind]


@pytest.fixture
def bedside(tmp_path: Path) -> Iterator[Callable[..., Bedside]]:
    with ExitStack() as ledgers:

        def place(*faults: str, limit: int = 100) -> Bedside:
            bed = Bedside(tmp_path / "ledger.jsonl", *faults, limit=limit)
            ledgers.enter_context(bed.ledger)
            return bed

        yield place


def test_readings_are_numbered_from_zero_within_one_boot(bedside: Callable[..., Bedside]) -> None:
    frames = bedside().measures(0, 1, 2).gives()
    assert [f["seq"] for f in frames] == [0, 1, 2]
    assert len({f["boot"] for f in frames}) == 1


def test_a_reboot_forgets_its_memory_says_so_and_starts_a_new_boot_at_zero(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("reboot@2+3").measures(0, 1, 2, 3, 4, 5, 6)
    first_boot = bed.told("sent")[0]["boot"]
    frames = bed.gives()
    assert [f["seq"] for f in frames] == [0, 1]
    assert {f["boot"] for f in frames} != {first_boot}
    assert [(line["seq"], line["reason"]) for line in bed.told("dropped")] == [(0, "reboot"), (1, "reboot")]
    assert len(bed.told("sent")) == 4


def test_a_dead_battery_measures_nothing_more_and_leaves_its_connection_half_open(
    bedside: Callable[..., Bedside],
) -> None:
    bed = bedside("battery@2").measures(0, 1, 2, 3, 1000)
    assert len(bed.told("sent")) == 2
    assert bed.device.half_open
    assert bed.told("device")[0]["event"] == "battery"


def test_a_duplicate_is_sent_twice_and_told_once(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("duplicate@1").measures(0, 1, 2)
    assert [f["seq"] for f in bed.gives()] == [0, 1, 1, 2]
    assert [line["faults"] for line in bed.told("sent")] == [[], ["duplicate"], []]


def test_a_reordered_reading_comes_after_the_next(bedside: Callable[..., Bedside]) -> None:
    assert [f["seq"] for f in bedside("reorder@1").measures(0, 1, 2, 3).gives()] == [0, 2, 1, 3]


def test_a_reordered_reading_is_not_lost_when_no_other_follows(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("reorder@1").measures(0, 1)
    bed.device.finish(NOW, 2)
    assert [f["seq"] for f in bed.gives()] == [0, 1]


def test_a_late_burst_holds_readings_and_then_lets_them_go(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("late-burst@1+3").measures(0, 1, 2, 3)
    assert [bed.device.may_send(t) for t in (0.5, 1.5, 3.9, 4.0)] == [False, False, False, True]
    bed.device.finish(NOW, 2)
    assert bed.device.may_send(2)


def test_garbage_goes_beside_the_reading_and_is_counted_apart(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("garbage@1").measures(0, 1, 2)
    assert [("junk" in f) for f in bed.gives()] == [False, False, True, False]
    assert len(bed.told("garbage")) == 1
    assert len(bed.told("sent")) == 3


def test_a_wrong_clock_is_in_the_frame_and_the_right_one_in_the_ledger(bedside: Callable[..., Bedside]) -> None:
    bed = bedside("clock-jump@1~3600").measures(0, 1)
    assert [f["t"] - NOW for f in bed.gives()] == [0, 3_601_000]
    assert [line["at"] - NOW for line in bed.told("sent")] == [0, 1000]
    assert bed.told("sent")[1]["t"] - NOW == 3_601_000


def test_a_full_outbox_drops_its_oldest_reading_and_says_so(bedside: Callable[..., Bedside]) -> None:
    bed = bedside(limit=3).measures(0, 1, 2, 3, 4)
    assert [line["seq"] for line in bed.told("dropped")] == [0, 1]
    assert [f["seq"] for f in bed.gives()] == [2, 3, 4]


def test_what_was_on_its_way_goes_again_in_its_old_order() -> None:
    outbox = Outbox(10)
    for n in range(4):
        outbox.put(bytes([n]), ("mon", 1, n))
    first, second = outbox.next(), outbox.next()
    assert first is not None
    assert second is not None
    outbox.acknowledge(first)
    outbox.requeue_all()
    assert [m.payload[0] for m in iter(outbox.next, None)] == [1, 2, 3]
    assert len(outbox) == 3


def test_a_refused_message_waits_in_its_old_place() -> None:
    outbox = Outbox(10)
    for n in range(3):
        outbox.put(bytes([n]), None)
    refused = outbox.next()
    assert refused is not None
    outbox.requeue(refused)
    assert [m.payload[0] for m in iter(outbox.next, None)] == [0, 1, 2]
