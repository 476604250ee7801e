"""ADT's part on the log: messages to topics `adt` and `patients`, answers from topic `adt.answers`.

A message is acknowledged after both topics have it. The file of a patient is written before the admission: after a
crash between the two, the next start decides again, with the same outcome.
"""

import logging
import threading
from dataclasses import dataclass, field
from typing import Final

import prometheus_client

from cloud.admissions.adt.decide import Settlement
from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap
from cloud.admissions.adt.parse import Reader as MessageReader
from cloud.admissions.adt.parse import RefusedError
from cloud.admissions.adt.records import Answer, PersonFile
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import Place, Reader, Record, Writer, read_to_end
from vitals.admissions import Admission
from vitals.bounds import BoundError, decoded, encoded
from vitals.hl7.header import Code, Header, HeaderError, acknowledgement, read
from vitals.wire import topics

logger = logging.getLogger("adt")
MESSAGES: Final = prometheus_client.Counter("wardwatch_adt_messages", "ADT messages, by acknowledgement", ["code"])
QUESTIONS: Final = prometheus_client.Gauge("wardwatch_adt_questions", "patients with an open question of ADT")
LOOK_MS: Final = 2_000
"""Interval of decisions for patients that wait: a monitor may be silent now."""
PRUNE_MS: Final = 3_600_000


@dataclass(slots=True)
class Station:
    """Applies messages and answers; any thread may call it.

    Attributes:
        desk: Census and beds.
        messages: Reads messages.
        reader: Reads the log.
        writer: Writes to the log.
        layout: Lanes and partitions of the deployment.
    """

    desk: Desk
    messages: MessageReader
    reader: Reader
    writer: Writer
    layout: Partitioning
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _looked: int = 0
    _pruned: int = 0

    def start(self, now: int) -> None:
        """Reads the log to its end, and decides for everybody.

        Raises:
            KafkaUnavailableError: The log cannot be read or written.
        """
        places = [(topics.ADT, 0), (topics.ADT_ANSWERS, 0), *self.layout.places(topics.PATIENTS)]
        records = read_to_end(self.reader, dict.fromkeys(places, 0))
        answers = []
        for record in records:
            try:
                if record.topic == topics.PATIENTS:
                    self._patient(record)
                elif record.topic == topics.ADT:
                    self._file(record)
                elif record.value is not None:
                    answers.append(decoded(record.value, Answer))
            except BoundError as error:
                self._unread(record, error)
        for answer in answers:
            self._write(self.desk.answer(answer, now))
        self._write(self.desk.everybody(now))
        ends: dict[Place, int] = dict.fromkeys(places, 0)
        for record in records:
            ends[record.place] = max(ends[record.place], record.offset + 1)
        self.reader.assign(ends)
        self._looked = self._pruned = now

    def receive(self, raw: bytes, now: int) -> bytes:
        """Applies a message, and returns its acknowledgement.

        Raises:
            KafkaUnavailableError: The message is not stored, and must not be acknowledged.
        """
        try:
            header = read(raw)
        except HeaderError:
            header = Header()
        with self._lock:
            try:
                self._write(self.desk.take(self.messages.read(raw, now), now))
            except RefusedError as error:
                logger.warning("ADT message %.32a refused: %s", header.control, error)
                self._write(self.desk.refuse(raw, f"Message {header.control[:64]}: {error}", now))
                MESSAGES.labels(error.code.value).inc()
                return acknowledgement(header, error.code, now, str(error))
        MESSAGES.labels(Code.ACCEPT.value).inc()
        return acknowledgement(header, Code.ACCEPT, now)

    def step(self, now: int, timeout_s: float = 0.0) -> None:
        """Applies new records, and decides again for patients that wait.

        Raises:
            KafkaUnavailableError: The log cannot be read or written.
        """
        records = self.reader.read(timeout_s)
        with self._lock:
            for record in records:
                try:
                    self._write(self._taken(record, now))
                except BoundError as error:
                    self._unread(record, error)
            if now - self._looked >= LOOK_MS:
                self._looked = now
                self._write(self.desk.settle([], now))
            if now - self._pruned >= PRUNE_MS:
                self._pruned = now
                for patient in self.desk.outdated(now):
                    self.writer.write((topics.ADT, 0), patient.encode(), None)
                self.writer.flush()
            self.writer.check()
            QUESTIONS.set(len(self.desk.census.waiting))

    def map(self, places: LocationMap, now: int) -> None:
        """Replaces the location map, and decides for everybody.

        Raises:
            KafkaUnavailableError: The log cannot be written.
        """
        with self._lock:
            self.desk.places = places
            self._write(self.desk.everybody(now))

    def _taken(self, record: Record, now: int) -> Settlement:
        if record.topic == topics.ADT_ANSWERS:
            return self.desk.answer(decoded(record.value or b"", Answer), now)
        if record.topic == topics.ADT:
            if record.value is None:
                # An erasure; values are this process's own.
                self.desk.census.drop(record.key.decode(errors="replace"))
            return Settlement()
        patient = self._patient(record)
        return self.desk.settle([patient] if patient in self.desk.census.files else [], now)

    def _patient(self, record: Record) -> str:
        patient = record.key.decode(errors="replace")
        if record.value is None:
            self.desk.beds.remove(patient)
        else:
            self.desk.beds.admit(decoded(record.value, Admission))
        return patient

    def _file(self, record: Record) -> None:
        if record.value is None:
            self.desk.census.drop(record.key.decode(errors="replace"))
        else:
            self.desk.census.put(decoded(record.value, PersonFile))

    def _write(self, settled: Settlement) -> None:
        if not settled.files and not settled.changes:
            return
        for file in settled.files:
            self.writer.write((topics.ADT, 0), file.patient.encode(), encoded(file))
        for admission in settled.changes:
            place = (topics.PATIENTS, self.layout.partition(admission.patient))
            self.writer.write(place, admission.patient.encode(), encoded(admission))
        self.writer.flush()

    def _unread(self, record: Record, error: BoundError) -> None:
        logger.warning("%s[%s]@%s is skipped: %s", record.topic, record.partition, record.offset, error)
