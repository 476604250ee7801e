"""Drawn alarms, messages and marks of two wards, as the archive writes them."""

import random
from dataclasses import dataclass, field
from typing import Any

from tests.cloud.warehouse import HOUR

T0 = 1_700_006_400_000  # 2023-11-15T00:00Z
WARDS, PEOPLE = ("w1", "w2", None), ("anna", "ben", "chidi")
Row = dict[str, Any]


@dataclass
class Life:
    """Drawn rows of the three tables."""

    alarms: list[Row] = field(default_factory=list)
    notifications: list[Row] = field(default_factory=list)
    actions: list[Row] = field(default_factory=list)

    def step(self, alarm: str, n: int) -> Row:
        return next((r for r in self.alarms if (r["id"], r["n"]) == (alarm, n)), {})

    def incident(self, alarm: str) -> str:
        named = [r["incident"] for r in self.alarms if r["id"] == alarm and r["incident"]]
        return named[0] if named else alarm


def incident(chance: random.Random, k: int) -> list[Row]:
    """Steps of an incident's alarms, or of one technical alarm, in which a patient may change the ward."""
    technical = chance.random() < 0.3
    patient = chance.choice([f"p{k}", f"p{k}", "canary-g1"]) if not technical else None
    about = {"patient": patient, "subject": patient or f"g{k}", "kind": "technical" if technical else "physiological"}
    t, rows = T0 + chance.randrange(0, 48 * HOUR, 1000), []
    for alarm in range(1 if technical else chance.randint(1, 3)):
        answered: Row = {}
        for n in range(chance.randint(1, 6)):
            t += chance.randrange(0, 400_000, 1000)
            # Low at first: such steps call nobody, and belong to no incident yet.
            low = n == 0 and chance.random() < 0.3
            within = not technical and not low
            calls = chance.choice(["page", "handover", "reminder", "", "", ""]) if within else chance.choice(["", None])
            if chance.random() < 0.4:
                answered = chance.choice(
                    [
                        {"inactivation": "acknowledged"},
                        {"coming": "anna"},
                        {"declined": '["ben"]'},
                        {"declined": "[]"},
                        {},
                    ]
                )
            rows.append(
                {
                    "id": f"{about['subject']}.{alarm}.1",
                    "n": n,
                    "log_t": t,
                    "t": t,
                    "ward": chance.choice(WARDS),
                    "bed": "b",
                    "incident": f"{patient}.0.1" if within else chance.choice(["", None]),
                    "call": calls,
                    "priority": 1 if low else chance.choice([2, 3]),
                    "handover": chance.randint(0, 2),
                    "started": t,
                    "phase": chance.choice(["start", "continue", "escalate", "update", "end"]),
                    "inactivation": "enabled",
                    "acted_by": chance.choice(PEOPLE),
                }
                | about
                | answered
            )
    return rows


def messages(chance: random.Random, life: Life) -> list[Row]:
    """Messages about drawn steps: of several alarms, in storms, of earlier versions, failed, with later states."""
    rows, t = [], T0
    for k in range(500):
        # A storm every hundred messages, so that there are floods with and without a gap between them.
        t += chance.choice([5000, 15_000, 25_000] if k % 100 < 40 else [70_000, 90_000, 600_000])
        contact, burst = chance.choice(PEOPLE), chance.choice(["", "", "", "courtesy", "proof"])
        steps = chance.sample(life.alarms, chance.choice([1, 1, 1, 2, 4]))
        lost, earlier = chance.random() < 0.1, chance.random() < 0.2
        told = []
        for s in steps:
            more = (
                {"priority": None, "ward": None, "state": None}
                if earlier
                else {"priority": s["priority"], "ward": s["ward"]}
            )
            told.append(
                {
                    "alarm": s["id"],
                    "n": s["n"],
                    "patient": s["patient"] or s["subject"],
                    "contact": contact,
                    "handover": s["handover"],
                    "sns": None if lost else f"m{k}",
                    "t": s["t"],
                    "accepted": t,
                    "queued": t - 100,
                    "kind": chance.choice([burst, ""]),
                    "state": "accepted",
                    "error": "away" if lost else None,
                }
                | more
            )
        rows += told
        if lost and chance.random() < 0.5:
            rows += [r | {"sns": f"m{k}", "accepted": t + 30_000, "error": None} for r in told]
        for state in chance.sample(["delivered", "failed", "opened", "answered"], chance.choice([0, 0, 1, 2])):
            if not lost:
                rows.append(told[0] | {"state": state, "accepted": t + chance.randrange(1000, 300_000, 1000)})
    return list({(r["alarm"], r["n"], r["contact"], r["accepted"], r["handover"]): r for r in rows}.values())


def drawn(seed: int) -> Life:
    chance = random.Random(seed)  # noqa: S311 - invented alarms
    life = Life()
    for k in range(60):
        life.alarms += incident(chance, k)
    # A canary's alarms share an id; an event is one row.
    life.alarms = list({(r["id"], r["n"]): r for r in life.alarms}.values())
    life.notifications = messages(chance, life)
    for k in range(40):
        alarm = chance.choice(life.alarms)
        life.actions.append(
            {
                "id": f"a{k}",
                "act": chance.choice(["not-actionable", "not-actionable", "acknowledge"]),
                "alarm": alarm["id"],
                "patient": alarm["patient"] or alarm["subject"],
                "t": T0 + chance.randrange(60 * HOUR),
                "acted_by": chance.choice(PEOPLE),
            }
        )
    return life
