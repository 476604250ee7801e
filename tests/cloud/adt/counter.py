"""An admissions counter for tests: messages in short, a clock that is moved, monitors that send or are silent."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap, parse
from cloud.admissions.adt.parse import Reader
from cloud.admissions.adt.records import Answer, Doubt, Question, Verdict
from vitals.admissions import Admission

T0 = 1_790_000_000_000
MINUTE = 60_000
MAP = """location,ward,bed,gateway,devices,cadence_s,profile,watched
ICU^1^1,icu,icu-01,gw-icu,mon-1,30,,
ICU^1^2,icu,icu-02,gw-icu,mon-2,30,,
ICU^2^3,icu,icu-03,gw-icu,mon-3,30,,
MED^1^1,med,med-01,gw-med,mon-9,30,,
PAED^1^1,paed,paed-01,gw-med,mon-8,30,child,
SURG,,,,,,,no
"""


def stamp(t: int) -> str:
    return f"{datetime.fromtimestamp(t / 1000, UTC):%Y%m%d%H%M%S}+0000"


def pid(patient: str, name: str = "Ford^Ann", born: str = "19580321") -> str:
    return f"PID|1||{patient}^^^GH^MR||{name}||{born}|F|||1 Elm^^Town||+44 1632 960123"


def message(trigger: str, t: int, control: str, *segments: str) -> bytes:
    head = f"MSH|^~\\&|HIS|GH|WW|GH|{stamp(t)}||ADT^{trigger}|{control}|P|2.5"
    return ("\r".join((head, f"EVN|{trigger}|{stamp(t)}", *segments)) + "\r").encode()


@dataclass
class Counter:
    """A desk with its clock.

    Attributes:
        now: UTC epoch ms.
        sends: Time of each patient's newest reading; `None` for all: the alarm engine does not answer.
    """

    now: int = T0
    sends: dict[str, int] | None = field(default_factory=dict)
    written: list[Admission] = field(default_factory=list)
    desk: Desk = field(init=False)
    _count: int = 0

    def __post_init__(self) -> None:
        table = parse(MAP.splitlines())
        assert table.errors == ()
        places = LocationMap(row for _, row in table.rows)
        self.desk = Desk(places, lambda who: None if self.sends is None else self.sends.get(who, 0))

    def hear(self, trigger: str, patient: str, location: str = "", *, t: int | None = None, **more: str) -> None:
        """Takes a message about one patient, of now or of `t`."""
        segments = [pid(patient, **{k: v for k, v in more.items() if k in {"name", "born"}})]
        if "merged" in more:
            segments.append(f"MRG|{more['merged']}^^^GH^MR")
        self.take(trigger, *segments, f"PV1|1|I|{location}", t=t)

    def take(self, trigger: str, *segments: str, t: int | None = None) -> None:
        self._count += 1
        raw = message(trigger, self.now if t is None else t, str(self._count), *segments)
        self.written += self.desk.take(Reader().read(raw, self.now), self.now).changes

    def later(self, minutes: float, *sending: str) -> None:
        """Moves the clock; these patients' monitors have sent until now."""
        self.now += round(minutes * MINUTE)
        if self.sends is not None:
            self.sends |= dict.fromkeys(sending, self.now)
        self.written += self.desk.settle([], self.now).changes

    def page(self, patient: str, **changes: object) -> Admission:
        """A nurse admits or changes a patient at the page."""
        known = self.desk.beds.admissions.get(patient)
        usual: dict[str, object] = {
            "patient": patient, "name": "Ann Ford", "born": "1958-03-21", "phone": "112", "address": "x", "ward": "icu",
            "bed": "icu-01", "gateway": "gw-icu", "devices": ("mon-1",), "since": self.now, "version": self.now,
        }  # fmt: skip
        if known is not None and known.discharged is None:
            usual = msgspec.to_builtins(known) | {"version": max(self.now, known.version + 1)}
        made = msgspec.convert(usual | changes, Admission)
        self.written += self.desk.admitted(made, self.now).changes
        return made

    def bed(self, patient: str) -> str | None:
        found = self.desk.beds.present(patient)
        return None if found is None else found.bed

    def asked(self) -> list[tuple[str, Doubt]]:
        """Returns who is asked about, and why."""
        return sorted((q.patient, q.doubt) for q in self.questions())

    def questions(self) -> list[Question]:
        return [q for file in self.desk.census.files.values() for q in file.questions]

    def answer(self, verdict: Verdict) -> None:
        """Answers the only open question."""
        (question,) = self.questions()
        given = Answer(question=question.id, verdict=verdict, by="bela", t=self.now)
        self.written += self.desk.answer(given, self.now).changes
