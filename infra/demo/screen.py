"""What the demo shows: a live screen on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from infra.demo.report import spread
from vitals.alarm_events import AlarmEvent, AlarmState, Kind, Phase, Priority

PRIORITY_STYLE: Final = {Priority.HIGH: "bold red", Priority.MEDIUM: "yellow", Priority.LOW: "cyan"}
SHOWN_ALARMS: Final = 10
SHOWN_MESSAGES: Final = 5
PLAIN_EVERY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Message:
    """A notification as its receiver reads it.

    Attributes:
        contact: Who.
        sms: Text of the SMS.
        email: Text of the e-mail.
    """

    contact: str
    sms: str
    email: str


@dataclass(slots=True)
class View:
    """What there is to show at one moment.

    Attributes:
        elapsed_s: Since the first reading, s.
        hops: Readings so far, by hop, in the order of the path.
        latencies_ms: By hop.
        alarms: Newest event of each alarm.
        messages: Messages received so far, newest last.
        objects: Objects in the lake.
        rows: Rows of readings in the warehouse.
        note: What the story or a fault is doing.
    """

    elapsed_s: float
    hops: Mapping[str, int]
    latencies_ms: Mapping[str, Sequence[float]]
    alarms: Sequence[AlarmEvent]
    messages: Sequence[Message]
    objects: int
    rows: int
    note: str = ""


@dataclass(slots=True)
class Rates:
    """Readings per second at each hop over the last few seconds."""

    over_s: float = 5.0
    _history: deque[tuple[float, dict[str, int]]] = field(default_factory=deque)

    def at(self, now_s: float, hops: Mapping[str, int]) -> dict[str, float]:
        """Takes the counts of this moment and returns readings per second."""
        self._history.append((now_s, dict(hops)))
        while len(self._history) > 1 and now_s - self._history[0][0] > self.over_s:
            self._history.popleft()
        then_s, before = self._history[0]
        passed = max(now_s - then_s, 1e-9)
        return {hop: (count - before.get(hop, 0)) / passed if now_s > then_s else 0.0 for hop, count in hops.items()}


class Screen(Protocol):
    """Shows views until it is left."""

    def show(self, view: View) -> None:
        """Shows one moment."""

    def say(self, line: str) -> None:
        """Tells of something that happened."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def _hops(view: View, rates: Mapping[str, float]) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for title in ("readings at", "so far", "per second", "p50 ms", "p99 ms"):
        table.add_column(title, justify="left" if title == "readings at" else "right")
    for hop, count in view.hops.items():
        known = spread(view.latencies_ms.get(hop, ()))
        p50, p99 = ("" if known[key] is None else f"{known[key]:,.0f}" for key in ("p50", "p99"))
        table.add_row(hop, f"{count:,}", f"{rates[hop]:,.1f}", p50, p99)
    table.add_row("S3 objects", f"{view.objects:,}", "", "", "")
    table.add_row("warehouse rows", f"{view.rows:,}", "", "", "")
    return table


def alarm_line(event: AlarmEvent) -> str:
    """Returns one alarm as a person reads it."""
    ended = event.phase is Phase.END and event.state is AlarmState.INACTIVE
    when = datetime.fromtimestamp(event.start / 1000, UTC).strftime("%H:%M:%S")
    what = "technical" if event.kind is Kind.TECHNICAL else event.priority.label
    return f"{when}  {what:9} {event.bed or event.subject:10} {event.text}{'  (ended)' if ended else ''}"


def _alarms(view: View) -> Text:
    lines = Text()
    for event in sorted(view.alarms, key=lambda e: -e.start)[:SHOWN_ALARMS]:
        ended = event.phase is Phase.END
        lines.append(alarm_line(event) + "\n", style="dim" if ended else PRIORITY_STYLE[event.priority])
    return lines


def _messages(view: View) -> Text:
    lines = Text()
    for message in reversed(view.messages[-SHOWN_MESSAGES:]):
        lines.append(f"to {message.contact}: ", style="dim")
        lines.append(message.sms + "\n")
    return lines


class Terminal:
    """The live screen."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._live = Live(Text("starting"), console=Console(), refresh_per_second=4, screen=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, view: View) -> None:
        """Draws one moment."""
        rates = self._rates.at(view.elapsed_s, view.hops)
        title = f"Wardwatch, {view.elapsed_s:.0f} s" + (f" · {view.note}" if view.note else "")
        self._live.update(
            Group(
                Panel(_hops(view, rates), title=title, title_align="left"),
                Panel(_alarms(view), title="alarms", title_align="left"),
                Panel(_messages(view), title="messages, as their receivers read them", title_align="left"),
                Text("Secondary notification, beside the bedside monitor and its alarm. Ctrl-C ends all.", style="dim"),
            )
        )

    def say(self, line: str) -> None:
        """Prints a line above the live part."""
        self._live.console.print(line, style="dim", highlight=False)


class Plain:
    """Lines for a log: a summary every few seconds, each alarm and each message once."""

    def __init__(self) -> None:
        self._rates = Rates()
        self._next_s = 0.0
        self._told: set[tuple[str, int]] = set()
        self._messages = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()

    def show(self, view: View) -> None:
        """Prints what is new."""
        for event in view.alarms:
            if (event.id, event.n) not in self._told:
                self._told.add((event.id, event.n))
                self.say(f"alarm     {event.phase.value:10} {alarm_line(event)}")
        for message in view.messages[self._messages :]:
            self.say(f"message   to {message.contact}: {message.sms}")
        self._messages = len(view.messages)
        rates = self._rates.at(view.elapsed_s, view.hops)
        if view.elapsed_s >= self._next_s:
            self._next_s = view.elapsed_s + PLAIN_EVERY_S
            hops = ", ".join(f"{hop} {count} ({rates[hop]:.1f}/s)" for hop, count in view.hops.items())
            self.say(f"{view.elapsed_s:6.0f} s  {hops}; S3 objects {view.objects}, warehouse rows {view.rows}")

    def say(self, line: str) -> None:
        """Prints a line."""
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
        sys.stdout.flush()


def open_screen() -> Screen:
    """Returns the live screen on a terminal, plain lines elsewhere."""
    return Terminal() if sys.stdout.isatty() else Plain()
