"""Writes people's answers to topic `adt.answers`."""

from cloud.admissions.adt.records import Answer
from cloud.kafka.port import Writer
from vitals.bounds import encoded
from vitals.wire import topics


def publish(writer: Writer, answer: Answer) -> None:
    """Writes an answer, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not acknowledge it.
        ValueError: It is beyond its bounds; nothing is written.
    """
    writer.write((topics.ADT_ANSWERS, 0), answer.question.encode(), encoded(answer))
    writer.flush()
