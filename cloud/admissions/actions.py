"""Writes people's actions to topic `actions`."""

from cloud.kafka.port import Writer
from cloud.kafka.settings import Kafka
from vitals.actions import Action
from vitals.bounds import encoded
from vitals.wire import topics


def publish(writer: Writer, action: Action, settings: Kafka) -> None:
    """Writes an action to `actions`, acknowledged.

    Raises:
        KafkaUnavailableError: Kafka did not acknowledge it.
        ValueError: It does not decode to the same action; nothing is written.
    """
    value = encoded(action)
    writer.write((topics.ACTIONS, settings.layout.partition(action.patient)), action.patient.encode(), value)
    writer.flush()
