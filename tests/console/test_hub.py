"""What a look at the state tier costs, and whom it is for."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from cloud.console.live import ward_view
from cloud.console.live.alarm_state import NOTHING, AlarmStateSnapshot
from cloud.console.live.feed import LiveFeed
from cloud.console.live.topic_cache import TopicCache
from cloud.kafka.port import Record
from tests.console.stage import HOUR, Stage, admission
from vitals.admissions import Admission
from vitals.wire import topics

NOW = 1_763_812_800_000


def test_a_look_makes_beds_of_those_wards_alone_that_somebody_looks_at(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, made = stage.parts.feed, list[str]()
    ward = hub.ward

    def noted(name: str) -> dict[str, dict[str, Any]]:
        made.append(name)
        return ward(name)

    monkeypatch.setattr(hub, "ward", noted)

    async def watch() -> list[bytes | None]:
        hub.tick()
        assert made == []
        feed = hub.open("icu")
        made.clear()
        hub.tick()
        assert made == ["icu"]
        await asyncio.sleep(0)
        hub.leave(feed)
        made.clear()
        hub.tick()
        assert made == []
        stage.read("p-00002", spo2=91)
        again = hub.open("icu")
        stage.read("p-00001", spo2=88)
        hub.tick()
        await asyncio.sleep(0)
        return [again.frames.get_nowait() for _ in range(again.frames.qsize())]

    with ThreadPoolExecutor(1) as apart:
        whole, *later = apart.submit(asyncio.run, watch()).result(30)
    assert whole is not None
    assert whole.startswith(b"event: ward\n")
    assert b'"spo2":[88,' in (later[-1] or b""), "what changed since the page was opened again"


def test_with_nobody_there_the_state_tier_is_asked_for_the_small_curves_alone() -> None:
    asked, now = list[float](), [float(NOW)]

    class Counted:
        def fetch(self) -> AlarmStateSnapshot:
            asked.append(now[0] - NOW)
            return NOTHING

        def close(self) -> None:
            asked.append(-1.0)

    class Seconds(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            now[0] += 1000 * (timeout or 0.0)
            if now[0] == NOW + 7000:
                hub.ward("icu")
            return now[0] > NOW + 12_000

    hub = LiveFeed(Counted(), TopicCache(), lambda: int(now[0]))
    hub.run(Seconds(), 1.0)
    assert asked == [1000, 6000, 7000, 11_000, -1]


def test_a_ward_knows_who_is_in_its_beds_after_transfers_and_discharge() -> None:
    people, later = TopicCache(), NOW + HOUR
    people.admit(admission(1, "icu", NOW))
    people.admit(admission(2, "icu", NOW))
    people.admit(admission(1, "med", later))
    assert [a.patient for a in people.on_ward("icu")] == ["p-00002"]
    assert [a.patient for a in people.present()] == ["p-00002", "p-00001"]
    people.admit(admission(2, "icu", later, discharged=later))
    assert (people.on_ward("icu"), people.wards(), people.here("p-00002")) == ([], ["med"], False)
    people.take(Record(topics.PATIENTS, 0, 1, later, b"p-00001", None))
    assert (people.present(), people.wards()) == ([], [])


def test_an_admission_that_says_no_date_of_birth_costs_its_age_and_no_bed(stage: Stage) -> None:
    broken = msgspec.structs.replace(stage.person("p-00002"), born="the day before yesterday")
    stage.admit(broken)
    found = stage.parts.feed.ward("icu")
    assert found["p-00002"]["age"] is None
    assert isinstance(found["p-00001"]["age"], int)


def test_a_bed_that_cannot_be_shown_stands_there_without_values(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ward_view.tile

    def raises(admission: Admission, seen: object, *rest: object, **named: object) -> object:
        if admission.patient == "p-00002" and seen is not None:
            raise ZeroDivisionError("nobody thought of it")
        return real(admission, seen, *rest, **named)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(ward_view, "tile", raises)
    for patient in ("p-00001", "p-00002"):
        stage.read(patient)
    stage.parts.feed.tick()
    found = stage.parts.feed.ward("icu")
    assert (found["p-00002"]["t"], found["p-00002"]["signs"]) == (0, {})
    assert found["p-00001"]["signs"]


def test_a_record_at_which_following_raises_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    people = TopicCache()

    def raises(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(TopicCache, "admit", raises)
    value = msgspec.json.encode(admission(1, "icu", NOW))
    assert people.take(Record(topics.PATIENTS, 0, 0, NOW, b"p", value)) == "ZeroDivisionError: nobody thought of it"
