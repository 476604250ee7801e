"""Random receivers: addresses that are ended, fail, opt out and come back while a ward is paged."""

from collections.abc import Iterator

import pytest

from cloud.ack_links import number
from tests.cloud.receivers_storm import CHECK_MS, PHONES, WITHIN_MS, Storm, storm_of
from tests.cloud.station import Station


@pytest.fixture
def storm(station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storm]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with storm_of(station) as made:
        yield made


@pytest.mark.parametrize("seed", range(3))
def test_while_one_of_three_is_reachable_every_alarm_reaches_a_person_in_time(storm: Storm, seed: int) -> None:
    alarms = storm.run(seed, safe="doctor")
    reached = storm.reached()
    late = {a.id: reached.get(number(a.id), 10**15) - a.start for a in alarms}
    assert {name: ms for name, ms in late.items() if ms > CHECK_MS + WITHIN_MS} == {}
    assert any(told.endpoint == PHONES["doctor"] for told in storm.bad.reached()), "the storm was one"


@pytest.mark.parametrize("faults", [False, True])
@pytest.mark.parametrize("seed", range(100, 102))
def test_whoever_is_not_reached_every_alarm_reaches_a_person_or_it_is_told_in_time(
    storm: Storm, seed: int, *, faults: bool
) -> None:
    assert storm.unknown(storm.run(seed, safe=None, faults=faults)) == []
    assert storm.ward.raised("not-notified"), "the storm was one"
