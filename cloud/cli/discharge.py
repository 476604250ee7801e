"""`python -m cloud discharge PATIENT`: discharges a patient; bed and device become free, and alarms end."""

import argparse
import sys
from collections.abc import Mapping, Sequence

import msgspec

from cloud.admissions.admission_rows import publish
from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Reader, read_to_end
from cloud.kafka.settings import Kafka
from vitals.admissions import Admission
from vitals.bounds import decoded
from vitals.runtime.daemon import log_json, now_ms
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics


def find(reader: Reader, patient: str, settings: Kafka) -> Admission | None:
    """Returns a patient's newest admission, None if there is none.

    Raises:
        ValueError: It cannot be decoded.
    """
    place = (topics.PATIENTS, settings.layout.partition(patient))
    mine = [r.value for r in read_to_end(reader, {place: 0}) if r.key == patient.encode() and r.value]
    return decoded(mine[-1], Admission) if mine else None


def discharged(admission: Admission, now: int) -> Admission:
    """Returns the admission after a discharge at `now`, UTC epoch ms."""
    return msgspec.structs.replace(admission, discharged=now, version=max(now, admission.version + 1))


def run(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(prog="python -m cloud discharge", description=__doc__)
    parser.add_argument("patient", help="patient id")
    patient = parser.parse_args(argv).patient
    log_json("discharge")
    try:
        settings = load(Kafka, environ)
        partitions.check(settings)
        reader = KafkaReader(settings, "discharge")
        admission = find(reader, patient, settings)
        reader.close()
        if admission is None or admission.discharged is not None:
            state = "was never admitted" if admission is None else "has left already"
            sys.stderr.write(f"discharge: patient {patient!r} {state}\n")
            return 1
        publish(KafkaWriter(settings, "discharge"), [discharged(admission, now_ms())], settings)
    except (SettingsError, KafkaUnavailableError, ValueError) as error:
        sys.stderr.write(f"discharge: {error}\n")
        return 1
    sys.stdout.write(f"discharged {patient} from bed {admission.bed}\n")
    return 0
