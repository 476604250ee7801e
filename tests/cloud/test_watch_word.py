"""The watchdog's word reaches the log once, however late the log is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from cloud.alarm.watchdog.alarm_writer import WatchdogWriter
from cloud.kafka.port import KafkaUnavailableError, Place
from vitals.alarm_events import AlarmEvent, decode

PLACE: Place = ("alarms", 3)


@dataclass
class Slow:
    """A log that acknowledges when a test lets it, and fails for good when a test says so."""

    taken: list[str] = field(default_factory=list)
    away: bool = False
    failed: bool = False

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        self.check()
        assert place == PLACE
        self.taken.append(decode(value or b"").id)

    def check(self) -> None:
        if self.failed:
            raise KafkaUnavailableError("refused")

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        self.check()
        if self.away:
            raise KafkaUnavailableError("late")
        return {}


@pytest.fixture
def made() -> list[Slow]:
    return []


@pytest.fixture
def word(made: list[Slow]) -> WatchdogWriter:
    return WatchdogWriter(PLACE, lambda: made.append(Slow(away=not made)) or made[-1])


def test_a_word_whose_acknowledgement_is_late_is_not_written_again(
    word: WatchdogWriter, made: list[Slow], event: Callable[..., AlarmEvent]
) -> None:
    word.tell(event("p-1"))
    word.tell(None)
    word.tell(event("p-2"))
    made[0].away = False
    word.tell(None)
    word.tell(None)
    assert [slow.taken for slow in made] == [[event("p-1").id, event("p-2").id]]


def test_a_word_that_was_refused_is_written_by_another_writer(
    word: WatchdogWriter, made: list[Slow], event: Callable[..., AlarmEvent]
) -> None:
    word.tell(event("p-1"))
    made[0].failed = True
    word.tell(event("p-2"))
    word.tell(None)
    word.tell(None)
    assert made[1].taken == [event("p-1").id, event("p-2").id]
