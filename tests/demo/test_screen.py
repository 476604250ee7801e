"""What the demo shows."""

import pytest

from infra.demo.screen import Message, Plain, Rates, View, alarm_line
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority


def event(phase: Phase = Phase.START, n: int = 0) -> AlarmEvent:
    return AlarmEvent(
        id="p1.spo2.1000",
        n=n,
        subject="p1",
        condition="spo2",
        kind=Kind.PHYSIOLOGICAL,
        priority=Priority.HIGH,
        phase=phase,
        state=AlarmState.INACTIVE if phase is Phase.END else AlarmState.ACTIVE,
        start=1000,
        t=1000,
        log_t=1000,
        text="SpO2 84 % below 85 %",
        bed="icu-01",
    )


def view(*events: AlarmEvent) -> View:
    return View(1.0, {"Kafka": 10}, {}, events, [Message("nurse-a", "ICU: high alarm", "")], 1, 2)


def test_an_alarm_line_says_bed_priority_and_what_is_wrong() -> None:
    line = alarm_line(event())
    assert line.split()[1:3] == ["high", "icu-01"]
    assert line.endswith("SpO2 84 % below 85 %")
    assert alarm_line(event(Phase.END)).endswith("(ended)")


def test_rates_are_readings_per_second_over_the_last_seconds() -> None:
    rates = Rates(over_s=5)
    assert rates.at(0, {"Kafka": 0}) == {"Kafka": 0}
    assert rates.at(2, {"Kafka": 24}) == {"Kafka": 12}
    assert rates.at(10, {"Kafka": 24})["Kafka"] == pytest.approx(0)


def test_without_a_terminal_each_event_and_message_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Plain()
    screen.show(view(event()))
    screen.show(view(event()))
    screen.show(view(event(Phase.END, n=1)))
    told = capsys.readouterr().out
    assert told.count("alarm     start") == 1
    assert told.count("alarm     end") == 1
    assert told.count("ICU: high alarm") == 1
