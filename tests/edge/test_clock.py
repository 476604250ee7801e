"""Event time."""

import numpy as np
import pytest

from edge.ingest import device_clock

START = 1_763_812_800_000


class Device:
    """One device's times through the correction, one reading after the other."""

    def __init__(self) -> None:
        self.rows = np.full((1, device_clock.COLUMNS), device_clock.UNKNOWN)
        self.seq = -1

    def read(self, t: int, t_gw: int, *, boot: int = 1, seq: int | None = None) -> tuple[int, bool]:
        """Returns event time and whether the clock was not believed."""
        self.seq = self.seq + 1 if seq is None else seq
        columns = (np.array([x], dtype=np.int64) for x in (boot, self.seq, t, t_gw))
        event, doubted, self.rows = device_clock.correct(self.rows, *columns)
        return int(event[0]), bool(doubted[0])


def test_a_right_clock_is_taken_as_it_is_whatever_the_delay() -> None:
    device = Device()
    for k, delay in enumerate((5, 900, 40, 2_000, 7, 12, 3, 100, 60, 5)):
        assert device.read(START + 1000 * k, START + 1000 * k + delay) == (START + 1000 * k, False)


def test_event_time_is_never_after_arrival() -> None:
    event, doubted = Device().read(START + 60_000, START)
    assert event == START
    assert doubted


def test_a_fast_clock_is_doubted_once_and_then_corrected() -> None:
    device = Device()
    read = [device.read(START + 180_000 + 1000 * k, START + 1000 * k + 20) for k in range(5)]
    assert [doubted for _, doubted in read] == [True, False, False, False, False]
    assert [event - START for event, _ in read] == [20, 1020, 2020, 3020, 4020]


def test_a_slow_clock_is_noticed_when_the_delay_stands_still() -> None:
    device = Device()
    read = [device.read(START - 600_000 + 1000 * k, START + 1000 * k) for k in range(20)]
    assert read[-1] == (START + 19_000, False)


def test_a_late_burst_keeps_its_older_times() -> None:
    device = Device()
    for k in range(10):
        device.read(START + 1000 * k, START + 1000 * k)
    arrived = START + 610_000
    for k in range(10, 600):
        assert device.read(START + 1000 * k, arrived + k)[0] == START + 1000 * k


def test_a_burst_at_the_very_first_sight_of_a_device_keeps_its_older_times() -> None:
    device = Device()
    for k in range(300):
        assert device.read(START + 1000 * k, START + 400_000 + 5 * k) == (START + 1000 * k, False)


def test_a_clock_that_jumps_ahead_is_doubted_once() -> None:
    device = Device()
    for k in range(5):
        device.read(START + 1000 * k, START + 1000 * k)
    assert device.read(START + 3_605_000, START + 5_000) == (START + 5_000, True)
    assert device.read(START + 3_606_000, START + 6_000) == (START + 6_000, False)


def test_a_clock_that_is_set_back_is_noticed_with_the_second_reading() -> None:
    for cadence_ms in (1_000, 30_000):
        device = Device()
        for k in range(5):
            device.read(START + cadence_ms * k, START + cadence_ms * k)
        read = [device.read(START - 600_000 + cadence_ms * k, START + cadence_ms * k) for k in range(5, 9)]
        assert read[0] == (START - 600_000 + cadence_ms * 5, True)
        assert read[1:] == [(START + cadence_ms * k, False) for k in range(6, 9)]


def test_what_a_device_kept_and_delivers_after_live_readings_keeps_its_dates() -> None:
    device = Device()
    for k in range(5):
        device.read(START + 1000 * k, START + 1000 * k)
    for k in range(200):
        then = START - 3_600_000 + 1000 * k
        assert device.read(then, START + 5_000 + 50 * k)[0] == then
        if k % 20 == 19:
            assert device.read(START + 5_000 + 50 * k, START + 5_010 + 50 * k)[0] == START + 5_000 + 50 * k
    assert device.read(START + 20_000, START + 20_020) == (START + 20_000, False)


def test_a_resent_older_reading_is_no_jump() -> None:
    device = Device()
    for k in range(5):
        device.read(START + 1000 * k, START + 1000 * k)
    assert device.read(START + 1_000, START + 5_000, seq=1) == (START + 1_000, False)


def test_a_device_without_a_clock_gets_the_gateways_time() -> None:
    device = Device()
    assert device.read(1_000, START) == (START, True)
    assert device.read(2_000, START + 1_000) == (START + 1_000, False)


def test_a_device_without_a_clock_that_starts_for_each_reading_gets_the_gateways_time_each_time() -> None:
    device = Device()
    read = [device.read(3_000 + 7 * k, START + 10_000 * k, boot=k, seq=0) for k in range(40)]
    assert [event for event, _ in read] == [START + 10_000 * k for k in range(40)]
    assert [doubted for _, doubted in read] == [True] + [False] * 39


def test_readings_that_a_device_kept_for_days_keep_their_dates() -> None:
    device = Device()
    day = 86_400_000
    for k in range(40):
        assert device.read(START - 2 * day + 1000 * k, START + 100 * k) == (START - 2 * day + 1000 * k, False)
    assert device.read(START + 5_000, START + 5_050) == (START + 5_000, False)


def test_a_live_device_whose_clock_is_months_behind_has_the_gateways_time_with_its_third_reading() -> None:
    device = Device()
    read = [device.read(START - 90 * 86_400_000 + 30_000 * k, START + 30_000 * k + 20 * (k % 3)) for k in range(12)]
    assert [abs(event - (START + 30_000 * k)) <= 50 for k, (event, _) in enumerate(read)] == [False] * 2 + [True] * 10


def test_a_known_offset_survives_the_devices_restart() -> None:
    device = Device()
    for k in range(20):
        device.read(START - 600_000 + 1000 * k, START + 1000 * k)
    assert device.read(START - 570_000, START + 30_000, boot=2, seq=0) == (START + 30_000, False)


def test_a_slow_clock_is_known_within_a_minute_at_any_cadence_and_however_the_way_varies() -> None:
    for cadence_s in (1, 5, 20, 30):
        device, delays = Device(), (20, 900, 40, 300, 1_500, 60)
        read = [
            (k, device.read(START - 600_000 + 1000 * k, START + 1000 * k + delays[k % 6])[0])
            for k in range(0, 200, cadence_s)
        ]
        late = [k for k, event in read if START + 1000 * k - event > 2_000]
        assert max(late) < 60, cadence_s


def test_what_is_delivered_as_fast_as_it_was_taken_is_live_and_what_comes_faster_is_kept() -> None:
    # At four readings a second, a reading that was kept differs little in its delay from the next.
    device = Device()
    for k in range(100):
        event, _ = device.read(START - 600_000 + 250 * k, START + 5 * k)
        assert event == START - 600_000 + 250 * k
    # The gateway's loop stops for as long as a reading lasts, once.
    device = Device()
    for k in range(60):
        assert device.read(START - 900_000 + 1000 * k, START + 20 * k + 980 * (k > 30))[0] == START - 900_000 + 1000 * k


@pytest.mark.parametrize("epoch", [1, START - 40 * 86_400_000, START - 3_600_000, START + 3_600_000, 4_102_444_800_000])
@pytest.mark.parametrize("rate", [0.0, 0.001])
def test_of_a_clock_that_stands_or_counts_in_seconds_the_arrival_is_the_time(epoch: int, rate: float) -> None:
    for cadence_ms in (1_000, 10_000, 30_000):
        device = Device()
        read = [
            device.read(epoch + int(rate * cadence_ms * k), START + cadence_ms * k)[0] - START - cadence_ms * k
            for k in range(20)
        ]
        assert set(read[4:]) == {0}, cadence_ms


def test_a_clock_that_stood_and_goes_on_is_believed_again() -> None:
    device = Device()
    for k in range(10):
        device.read(START, START + 1000 * k)
    read = [device.read(START + 1000 * k + 5, START + 1000 * k + 10)[0] - START - 1000 * k for k in range(10, 40)]
    assert max(read) <= 10
    assert read[-1] == 5


def test_two_messages_of_one_moment_are_no_clock_that_stands() -> None:
    device = Device()
    for k in range(20):
        for part in range(4):
            event, doubted = device.read(START + 1000 * k, START + 400_000 + 20 * k + part)
            assert (event, doubted) == (START + 1000 * k, False)


def test_an_outage_in_which_nothing_comes_and_then_all_is_no_clock_that_stands() -> None:
    device = Device()
    for k in range(5):
        device.read(START + 1000 * k, START + 1000 * k)
    for k in range(5, 900):
        assert device.read(START + 1000 * k, START + 900_000 + 3 * k) == (START + 1000 * k, False)
