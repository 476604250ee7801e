"""Records of ADT: movements of patients, questions for a person, answers, and one file for each patient."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from vitals.bounds import MAX_LINE, Id, Line, Name, Time, TimeOrNone

MAX_MOVEMENTS: Final = 200
"""Movements that a file keeps: a location is absolute in each, so an older one changes nothing."""
UNREADABLE: Final = "?"
"""Key of the file of messages without a patient; no patient has this id."""
MAX_UNREADABLE: Final = 100


class Trigger(StrEnum):
    """Trigger event of an ADT message."""

    ADMIT = "A01"
    TRANSFER = "A02"
    DISCHARGE = "A03"
    REGISTER = "A04"
    UPDATE = "A08"
    CANCEL_ADMIT = "A11"
    CANCEL_TRANSFER = "A12"
    CANCEL_DISCHARGE = "A13"
    SWAP = "A17"
    MERGE = "A40"


class Movement(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event of one patient, as a message has it.

    Attributes:
        id: Digest of the message, by which a repeat is recognised.
        trigger: Trigger event.
        t: Time of the event, UTC epoch ms.
        sent: Time of the message, UTC epoch ms; 0 if it has none.
        received: Time of its first receipt, UTC epoch ms; it has no part in the order.
        control: Message control id, which orders events of the same time.
        patient: Patient id.
        location: Point of care, room, bed and facility, joined by `^`; empty if the message has none.
        merged: Id that a merge ends; empty otherwise.
        name: Name, empty if the message has none.
        born: Date of birth, ISO 8601, or empty.
        phone: Phone, or empty.
        address: Address, or empty.
    """

    id: Line
    trigger: Trigger
    t: Time
    sent: TimeOrNone = 0
    received: TimeOrNone = 0
    control: Line = ""
    patient: Id
    location: Line = ""
    merged: Line = ""
    name: Line = ""
    born: Line = ""
    phone: Line = ""
    address: Line = ""

    @property
    def rank(self) -> tuple[int, int, int, str, str]:
        """Order of events: by time, then by control id; its counter grows in length."""
        return self.t, self.sent, len(self.control), self.control, self.id


class Doubt(StrEnum):
    """Reason of a question."""

    UNMAPPED = "unmapped"
    """The location is not in the location map. Yes: the patient has left the watched beds."""
    SIGNS_ARRIVE = "signs-arrive"
    """The patient is discharged, and the monitor still sends. Yes: discharge."""
    MOVING = "moving"
    """The patient is transferred, and the monitor of the former bed still sends. Yes: transfer now."""
    BED_TAKEN = "bed-taken"
    """Another patient has the bed or its device. Yes: that one has left. Same: it is the same person."""
    DIFFERS = "differs"
    """A person has placed the patient since the event, or an update names another bed. Yes: as in the message."""
    TWO_BEDS = "two-beds"
    """Two patients in beds are merged. Any answer closes it; the wrong one is discharged at the page."""
    """The admission lacks a limit profile: it is made at the page."""
    UNREADABLE = "unreadable"
    """A message that was refused. Any answer closes it."""


class Verdict(StrEnum):
    """Answer to a question."""

    YES = "yes"
    NO = "no"
    SAME = "same"


class Question(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A question to a person.

    Attributes:
        id: Digest of reason, patient and message.
        doubt: Reason.
        patient: Patient id; `?` for a message without one.
        t: Time of the event, UTC epoch ms.
        asked: Time of the question, UTC epoch ms.
        ward: Ward of the present bed, or of the wanted one; empty if neither is known.
        bed: Present bed; empty if there is none.
        location: Wanted location, as the message has it; empty for a discharge.
        other: Other patient; empty if there is none.
        text: The question in words, without a name.
    """

    id: Name
    doubt: Doubt
    patient: Line
    t: TimeOrNone
    asked: Time
    ward: Line = ""
    bed: Line = ""
    location: Line = ""
    other: Line = ""
    text: Line = ""

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Possible answers."""
        if self.doubt in {Doubt.TWO_BEDS, Doubt.UNREADABLE}:
            return (Verdict.NO,)
        return (Verdict.YES, Verdict.NO, Verdict.SAME) if self.doubt is Doubt.BED_TAKEN else (Verdict.YES, Verdict.NO)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A person's answer.

    Attributes:
        question: Id of the question.
        verdict: The answer.
        by: Name of the person.
        t: Time of the answer, UTC epoch ms.
    """

    question: Name
    verdict: Verdict
    by: Annotated[str, Meta(min_length=1, max_length=MAX_LINE)]
    t: Time


class PersonFile(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Movements, questions and answers of one patient id; the value of a record of topic `adt`.

    Attributes:
        patient: Patient id, or `?`.
        movements: Movements in their order, the newest `MAX_MOVEMENTS`.
        answers: Answers to questions about them.
        questions: Open questions.
        placed: Time at which ADT last changed bed or discharge, UTC epoch ms; 0 if it never did.
    """

    patient: Line
    movements: tuple[Movement, ...] = ()
    answers: tuple[Answer, ...] = ()
    questions: tuple[Question, ...] = ()
    placed: TimeOrNone = 0
