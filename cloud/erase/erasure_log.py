"""Audit log of erasures: author, time, counts. The patient's id is stored only as a salted hash.

Each erasure is one object in the lake, `erasures/{when}-{hash}.json`. The salt is in the line: a person with an id
can check whether it was erased, but without the id it can only be guessed.
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
        by: Person who requested it.
        reason: Reason, in their words.
        started: UTC epoch ms.
        finished: UTC epoch ms; None: not finished, or interrupted.
        runs: Number of runs until it was finished.
        removed: Counts of removed items, by place. After a kill, the last place may be missing.
        topics_until: Time by which retention has removed the last record of the patient from Kafka, UTC epoch ms.
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
        """Returns whether it erased this patient."""
        return self.patient == hashed(self.salt, patient)

    def counting(self, removed: dict[str, int]) -> "Erasure":
        """Returns the erasure with the counts added."""
        sums = {what: self.removed.get(what, 0) + n for what, n in removed.items()}
        return msgspec.structs.replace(self, removed=self.removed | sums)


def hashed(salt: str, patient: str) -> str:
    """Returns the salted hash of a patient id."""
    return hashlib.sha256(f"{salt}{patient}".encode()).hexdigest()


def begun(store: Store, patient: str, by: str, reason: str, now: int) -> Erasure:
    """Returns the patient's interrupted erasure, or a new one.

    It is written at once, unless the patient was erased before: then only if more is found.

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
    """Writes an erasure, replacing its earlier version."""
    store.put(erasure.name, msgspec.json.encode(erasure) + b"\n")
