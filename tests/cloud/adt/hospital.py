"""A hospital of its own: consistent histories of its patients as HL7 text, and where everybody lies in truth.

It shares no rule with `cloud.admissions.adt`: places are changed as they happen, and messages are written about them.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap, parse
from cloud.admissions.adt.parse import Reader
from cloud.admissions.adt.records import Movement

T0 = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
SPARE = 12


def location(bed: int) -> str:
    return f"W{bed // 20}^{bed // 2}^{bed}^GH"


def location_map(beds: int) -> list[str]:
    rows = [f'"{location(b).removesuffix("^GH")}",w{b // 20},b{b},gw-{b // 20},mon-{b},60' for b in range(beds)]
    return ["location,ward,bed,gateway,devices,cadence_s", *rows]


@dataclass(frozen=True)
class Sent:
    """One message: its time and text."""

    t: datetime
    text: str


@dataclass
class Hospital:
    """Patients come, move, swap, leave, and clerks correct themselves.

    Attributes:
        sent: Messages in the order of events.
        places: Bed of each person by the id that is valid.
        retired: Ids that a merge has ended.
    """

    rng: random.Random
    beds: int
    t: datetime = T0
    sent: list[Sent] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def free(self) -> int:
        taken = set(self.places.values())
        return self.rng.choice([b for b in range(self.beds) if b not in taken])

    def pid(self, patient: str) -> str:
        return f"PID|1||{patient}^^^GH^MR||{self.names[patient]}^Ann||19580321|F|||1 Elm^^Town||+44 1632 960123"

    def write(self, trigger: str, *segments: str) -> None:
        self.count += 1
        stamp = f"{self.t:%Y%m%d%H%M%S}+0000"
        head = f"MSH|^~\\&|HIS|GH|WW|GH|{stamp}||ADT^{trigger}|{self.count}|P|2.5"
        self.sent.append(Sent(self.t, "\r".join((head, f"EVN|{trigger}|{stamp}", *segments)) + "\r"))
        # Several events fall into one second, which is the finest time that they have.
        self.t += timedelta(seconds=self.rng.choice((0, 0, 5, 20, 60)))

    def about(self, trigger: str, patient: str, bed: int | None, prior: int | None = None) -> None:
        where = "" if bed is None else location(bed)
        self.write(trigger, self.pid(patient), f"PV1|1|I|{where}|||{'' if prior is None else location(prior)}")

    def admit(self, patient: str) -> None:
        self.names.setdefault(patient, f"Name{patient[1:]}")
        bed = self.free()
        self.about(self.rng.choice(("A01", "A01", "A04")), patient, bed)
        if self.rng.random() < 0.05:
            self.about("A11", patient, bed)
            return
        self.places[patient] = bed

    def transfer(self, patient: str) -> None:
        old, new = self.places[patient], self.free()
        self.about("A02", patient, new, old)
        if self.rng.random() < 0.15:
            self.about("A12", patient, old if self.rng.random() < 0.7 else None)
            return
        self.places[patient] = new

    def discharge(self, patient: str) -> None:
        self.about("A03", patient, self.places[patient])
        if self.rng.random() < 0.15:
            self.about("A13", patient, self.places[patient] if self.rng.random() < 0.7 else None)
            return
        del self.places[patient]

    def swap(self, patient: str, other: str) -> None:
        self.places[patient], self.places[other] = self.places[other], self.places[patient]
        segments = [(self.pid(p), f"PV1|1|I|{location(self.places[p])}") for p in (patient, other)]
        self.write("A17", *segments[0], *segments[1])

    def merge(self, patient: str) -> None:
        """Finds that a patient has been here under another id, which is the valid one from now on."""
        valid = f"q{patient[1:]}"
        self.names[valid] = self.names[patient]
        self.write("A40", self.pid(valid), f"MRG|{patient}^^^GH^MR")
        self.retired[patient] = valid
        self.places[valid] = self.places.pop(patient)

    def rename(self, patient: str) -> None:
        self.names[patient] += "x"
        self.about("A08", patient, self.places[patient])

    def step(self) -> None:
        present = sorted(self.places)
        what, who = self.rng.random(), self.rng.choice(present)
        if what < 0.40:
            self.transfer(who)
        elif what < 0.65:
            self.discharge(who)
        elif what < 0.80 and len(present) > 1:
            self.swap(who, self.rng.choice([p for p in present if p != who]))
        elif what < 0.87 and who.startswith("p"):
            self.merge(who)
        else:
            self.rename(who)


def history(seed: int, patients: int, events: int) -> Hospital:
    """Admits so many patients, with so many later events between the admissions and after them."""
    rng = random.Random(seed)  # noqa: S311 - a seed, no secret
    made = Hospital(rng, patients + SPARE)
    coming = [f"p{n}" for n in range(patients)]
    for step in range(patients + events):
        if coming and (not made.places or step < patients // 2 or rng.random() < 0.5):
            made.admit(coming.pop(0))
        elif made.places:
            made.step()
    while coming:
        made.admit(coming.pop(0))
    return made


def late_and_doubled(made: Hospital, rng: random.Random, window_s: float) -> list[tuple[datetime, str]]:
    """Each message twice, both late by up to a window: arrivals in their order."""
    arrivals = [
        (sent.t + timedelta(seconds=rng.uniform(0, window_s)), sent.text) for sent in made.sent for _ in range(2)
    ]
    return sorted(arrivals)


class Arrivals:
    """What is taken of a hospital's messages: the product's reader and desk, with a memory of texts already read."""

    def __init__(self, made: Hospital) -> None:
        self.made = made
        table = parse(location_map(made.beds))
        assert table.errors == ()
        self.places = LocationMap(row for _, row in table.rows)
        self._read: dict[str, tuple[Movement, ...]] = {}

    def take(self, arrivals: list[tuple[datetime, str]]) -> Desk:
        """Returns the desk after all arrivals; no monitor sends."""
        desk = Desk(self.places, lambda _: 0)
        for t, text in arrivals:
            now = round(t.timestamp() * 1000)
            found = self._read.get(text)
            if found is None:
                found = self._read[text] = Reader().read(text.encode(), now)
            desk.take(found, now)
        return desk

    def wrong(self, desk: Desk) -> list[str]:
        """Returns what differs from the truth in the end: beds, names, questions."""
        found: list[str] = []
        beds: dict[str, str] = {}
        for patient, admission in desk.beds.admissions.items():
            if admission.discharged is not None:
                continue
            person = self.made.retired.get(patient, patient)
            if person in beds:
                found.append(f"{person} is in two beds")
            beds[person] = admission.bed
            if admission.name != f"Ann {self.made.names[person]}":
                found.append(f"{person} is called {admission.name}")
            if admission.devices != (f"mon-{admission.bed[1:]}",):
                found.append(f"{person} in {admission.bed} has {admission.devices}")
        truth = {person: f"b{bed}" for person, bed in self.made.places.items()}
        found += [
            f"{p} is in {beds.get(p)}, and in truth in {truth.get(p)}"
            for p in sorted(beds.keys() | truth.keys())
            if beds.get(p) != truth.get(p)
        ]
        return found + [f"{who} has an open question" for who in sorted(desk.census.waiting)]
