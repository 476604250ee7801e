"""Messages of imperfect pagers about drawn lives, and the acts of people who answer or do not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from tests.truth.judging.life import HR, MAP, RR, SBP, SPO2, TEMP

Array: TypeAlias = npt.NDArray[Any]
Line: TypeAlias = dict[str, Any]

ALARMS: Final = {
    "rate-low": (HR, -1),
    "rate-high": (HR, 1),
    "breathing-low": (RR, -1),
    "breathing-high": (RR, 1),
    "oxygen-low": (SPO2, -1),
    "pressure-low": (SBP, -1),
    "pressure-high": (SBP, 1),
    "temperature-low": (TEMP, -1),
    "temperature-high": (TEMP, 1),
}
PAGERS: Final = ("plain", "lazy", "late", "loud", "bundling")
PEOPLE: Final = ("acknowledge", "nobody", "decline")
LADDER: Final = ("nurse", "nurse", "charge nurse", "doctor")


@dataclass(frozen=True)
class Call:
    """One alarm as a pager sees it: its moment and its end (UTC epoch ms), its problems, and whether it is high."""

    t: int
    ends: int
    problems: tuple[str, ...]
    high: bool

    def joined(self, other: "Call") -> "Call":
        """Both in one, at the moment of this one."""
        problems = tuple(sorted({*self.problems, *other.problems}))
        return Call(self.t, max(self.ends, other.ends), problems, self.high or other.high)


@dataclass
class Post:
    """One pager and one crew, with what they sent and did.

    Attributes:
        pager: `plain`; `lazy` drops a third; `late`, half of it; `loud`, all of it high; `bundling` names several.
        people: `acknowledge`; `nobody` answers; `decline`, who mostly say *coming*.
        rng: Where chance comes from.
        messages: Lines of a MESSAGES file.
        acts: Lines of an ACTS file.
    """

    pager: str
    people: str
    rng: np.random.Generator
    messages: list[Line] = field(default_factory=list)
    acts: list[Line] = field(default_factory=list)

    def attend(self, life: Mapping[str, Array]) -> None:
        """Pages for each patient of a life, and now and then for no reason."""
        for k, patient in enumerate(life["patients"].tolist()):
            calls = sorted(alarms(life, k), key=lambda call: call.t)
            for call in bundles(calls) if self.pager == "bundling" else calls:
                if self.pager != "lazy" or self.rng.random() < 2 / 3:
                    self._page(call, patient)
            self._stray(life["t"][k], patient)
        self.messages = [self.messages[k] for k in self.rng.permutation(len(self.messages))]

    def _page(self, call: Call, patient: str) -> None:
        """Sends a page, and hands over until somebody answers or the problem is over."""
        high = call.high or self.pager == "loud"
        technical = call.problems == ("not-monitored",) and self.rng.random() < 0.6
        at = call.t + int(self.rng.choice([0, 1000, 4000, 15_000]))
        if self.pager == "late" and self.rng.random() < 0.5:
            at += int(self.rng.choice([15, 45, 90, 400, 900])) * 1000
        kind = "technical" if technical else "page"
        for to in LADDER:
            if kind == "handover" and at >= call.ends:
                return
            about = {"priority": "high" if high else "medium", "patient": patient, "problems": list(call.problems)}
            reached = bool(self.rng.random() < 0.92)
            self.messages.append({"t": at, "to": to, "kind": kind, "reached": reached, **about})
            if self._is_answered(at, patient, call) or self.pager == "late" or self.rng.random() < 0.1:
                return
            at, kind = at + (120_000 if high else 600_000), "handover"

    def _is_answered(self, at: int, patient: str, call: Call) -> bool:
        if self.people == "nobody" or self.rng.random() < 0.4:
            return False
        act = "acknowledge" if self.people == "acknowledge" or self.rng.random() < 0.3 else "coming"
        moment = at + int(self.rng.integers(20_000, 110_000))
        self.acts.append({"t": moment, "act": act, "patient": patient, "problems": list(call.problems)})
        return True

    def _stray(self, t: Array, patient: str) -> None:
        """Messages for no reason, of every kind, and some that speak of several patients."""
        problems = [*ALARMS, "score", "circulation", "not-monitored"]
        for at in self.rng.integers(t[0], t[-1], 14).tolist():
            kind = str(self.rng.choice(["page", "handover", "reminder", "technical", "proof", "digest"]))
            named = self.rng.choice(problems, int(self.rng.integers(0, 3)), replace=False).tolist()
            about: Line = {"patient": patient, "problems": named}
            if self.rng.random() < 0.2:
                several = sorted({*named, "not-monitored"})
                about = {"patient": None, "patients": ["p0", "p1"], "problems": several}
            line = {"t": at, "kind": kind, "priority": str(self.rng.choice(["high", "medium", "low"])), **about}
            self.messages.append({"to": "nurse", **line})
            if self.rng.random() < 0.4:
                self.messages.append({"to": "charge nurse", **line, "t": at + 2000})


def stretches(flags: Array) -> Iterator[tuple[int, int]]:
    """Yields the first place and the length of each run of true flags."""
    places = np.flatnonzero(flags)
    for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
        if len(run):
            yield int(run[0]), len(run)


def alarms(life: Mapping[str, Array], k: int) -> Iterator[Call]:
    """Yields each alarm of patient k as a plain pager sees it, by sign."""
    t, shown, limits = life["t"][k], life["shown"][k], life["limits"][k]
    cadence = round(float(life["cadence_s"]) * 1000)
    for problem, (sign, side) in ALARMS.items():
        far = side * shown[:, sign] > side * limits[sign, 2 if side > 0 else 1]
        if sign == SBP:
            far |= side * shown[:, MAP] > side * limits[MAP, 2 if side > 0 else 1]
        needed = 1 if sign == SBP and not life["line"][k] else max(2, 12_000 // cadence)
        for first, length in stretches(far):
            if length >= needed:
                extreme = side * shown[first : first + length, sign] > side * limits[sign, 3 if side > 0 else 0]
                yield Call(
                    int(t[first + needed - 1]), int(t[first]) + length * cadence, (problem,), bool(extreme.any())
                )
    for problem, flags, wait in (("circulation", ~life["pulse"][k], 12), ("not-monitored", ~life["heard"][k], 75)):
        for first, length in stretches(flags):
            if length * cadence > wait * 1000:
                at = int(t[first]) + 1000 * (wait if cadence == 1000 else 2 * wait)
                ends = max(at, int(t[first]) + length * cadence)
                yield Call(at, ends, (problem,), high=problem == "circulation")


def bundles(calls: list[Call]) -> Iterator[Call]:
    """Joins what comes within 90 s into one call."""
    bundle: Call | None = None
    for call in calls:
        if bundle and call.t - bundle.t < 90_000:
            bundle = bundle.joined(call)
            continue
        if bundle:
            yield bundle
        bundle = call
    if bundle:
        yield bundle
