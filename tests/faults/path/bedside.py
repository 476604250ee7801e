"""What the lights at the real gateways' beds did in a storm, held against the true states of who lay there."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from infra.demo.faults import What
from infra.demo.supervisor import Struck
from tests.faults.path.stage import DEVICE_CADENCE_S, Standing
from tests.truth import ledger as truth
from tests.truth.beds import Light, Span, Stay, Verdict, judge

BACK_MS: Final = 30_000
"""After a fault of its own, a gateway or its broker has so long to be whole again."""
CHARGE_MS: Final = 60_000
"""A light has said something of itself so soon after somebody looked."""
OF_A_GATEWAY: Final = frozenset((What.NEW_OUTBOX,))
"""A full card and a clock that is wrong excuse nothing."""


def struck(faults: Iterable[Struck], people: Iterable[truth.Person]) -> dict[str, list[Span]]:
    """Returns by bed when its own gateway or broker was struck, or came back. No other fault may darken a bed."""
    found: dict[str, list[Span]] = {}
    for one in faults:
        span = one.began, one.ended + BACK_MS
        for person in people:
            own = {f"edge-{person.gateway}", f"device-broker-{person.gateway}"}
            its = one.fault.what in OF_A_GATEWAY and one.fault.target == person.gateway
            if its or one.fault.target in own:
                found.setdefault(person.bed, []).append(span)
    return found


def stays(people: Iterable[truth.Person], lights: Iterable[Light], began: int) -> list[Stay]:
    """Returns who lay where: from the first word of a bed's light on, by which it has its patient."""
    first: dict[str, int] = {}
    for light in lights:
        first.setdefault(light.bed, light.t)
    latest = began + CHARGE_MS
    return [Stay(p.patient, p.bed, min(first.get(p.bed, latest), latest)) for p in people]


def judged(standing: Standing, lights: Sequence[Light], faults: Iterable[Struck], began: int, ends: int) -> Verdict:
    """Judges the lights.

    Args:
        standing: Whose ledger and roster.
        lights: What was recorded.
        faults: Faults.
        began: When the recording began, UTC epoch ms.
        ends: When it ended, UTC epoch ms.
    """
    with standing.roster.open(newline="", encoding="utf-8") as file:
        people = truth.people(list(csv.DictReader(file)))
    life = truth.life(truth.read(standing.ledger), people, DEVICE_CADENCE_S)
    mine = list(people.values())
    return judge(life, stays(mine, lights, began), lights, ends, struck(faults, mine))


def rows(found: Verdict) -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    named = {what: "; ".join(_told(line) for line in found.lines if line["what"] == what)[:300] for what in _WORDS}
    due = f"of {found.due} breaches at the beds"
    apart = (
        f"{found.hindered} were over before their own gateway was whole again, {found.brief} ended before their budget"
    )
    notes = {
        "dark": f"{due}; {apart}",
        "late": f"{due}; the longest from first reading to light {found.worst_ms} ms",
        "gone": "of these, dark again for more than 10 s while the breach went on",
        "stuck": "active alarms that nothing bore out for 60 s, a cadence and 10 s",
        "wrong bed": "alarms on a light at which their patient did not lie",
    }
    counts = {
        "dark": found.dark,
        "late": found.late,
        "gone": found.gone,
        "stuck": found.stuck,
        "wrong bed": found.wrong_bed,
    }
    return [_row(what, counts[what], "; ".join(filter(None, (notes[what], named[what])))) for what in _WORDS]


_WORDS: Final = ("dark", "late", "gone", "stuck", "wrong bed")


def _row(what: str, value: int, note: str) -> dict[str, Any]:
    name = f"beds.{what.replace(' ', '_')}"
    return {"name": name, "value": value, "unit": "count", "goal": 0, "better": "lower", "note": note}


def _told(line: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in line.items() if name != "what")
