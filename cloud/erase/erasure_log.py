"""The audit line of an erasure: who, when, what was removed. Of the patient it has a salted hash of the id alone.

Lines lie in the lake, one object each, `erasures/{when}-{hash}.json`. The salt is in the line, so that whoever knows
an id can ask whether it was erased. Who has the line alone would have to guess the id.
"""

import hashlib
import secrets
from typing import Final

import msgspec

from cloud.lake import Store

FOLDER: Final = "erasures"


class Erasure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One erasure.

    Attributes:
        salt: Random, hexadecimal.
        patient: SHA-256 of salt and patient id, hexadecimal.
        by: Who asked for it.
        reason: Why, in their words.
        started: UTC epoch ms.
        finished: UTC epoch ms; None: it goes on, or was interrupted.
        runs: How often it was run until it was finished.
        removed: What was removed, by place, as counts. Of a run that was killed, the last place may be missing.
        topics_until: When the last record of the patient leaves Kafka's topics by their age, UTC epoch ms.
    """

    salt: str
    patient: str
    by: str
    reason: str
    started: int
    finished: int | None = None
    runs: int = 1
    removed: dict[str, int] = {}
    topics_until: int | None = None

    @property
    def name(self) -> str:
        """Its name in the lake."""
        return f"{FOLDER}/{self.started}-{self.patient[:16]}.json"

    def is_of(self, patient: str) -> bool:
        """Whether it erased this patient."""
        return self.patient == hashed(self.salt, patient)

    def counting(self, removed: dict[str, int]) -> "Erasure":
        """Returns it with more that was removed."""
        sums = {what: self.removed.get(what, 0) + n for what, n in removed.items()}
        return msgspec.structs.replace(self, removed=self.removed | sums)


def hashed(salt: str, patient: str) -> str:
    """Returns the hash that stands for a patient id."""
    return hashlib.sha256(f"{salt}{patient}".encode()).hexdigest()


def begun(store: Store, patient: str, by: str, reason: str, now: int) -> Erasure:
    """Returns the patient's erasure that was interrupted, or a new one.

    It is written down, unless the patient was erased before: then only if something more is found.

    Raises:
        LakeError: The lake cannot be read or written.
    """
    before = past(store, patient)
    for known in before:
        if known.finished is None:
            again = msgspec.structs.replace(known, runs=known.runs + 1)
            write(store, again)
            return again
    salt = secrets.token_hex(16)
    new = Erasure(salt=salt, patient=hashed(salt, patient), by=by, reason=reason, started=now)
    if not before:
        write(store, new)
    return new


def past(store: Store, patient: str) -> list[Erasure]:
    """Returns the erasures of a patient, the oldest first.

    Raises:
        LakeError: The lake cannot be read.
    """
    found = (msgspec.json.decode(store.get(name), type=Erasure) for name in store.names(FOLDER))
    return [erasure for erasure in found if erasure.is_of(patient)]


def write(store: Store, erasure: Erasure) -> None:
    """Writes an erasure down, in the place of what was told of it before."""
    store.put(erasure.name, msgspec.json.encode(erasure) + b"\n")
