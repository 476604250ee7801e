"""A writer of which only the newest may write: Kafka fences the one before it, wherever it is and whatever it believes.

A process that was stopped, cut off or taken for dead may go on later, with old state. Its successor has begun with the
same name meanwhile, and the broker refuses every record of the older one from then on (a transactional producer's
epoch). Readers see what is committed alone, which is librdkafka's default.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Place
from cloud.settings import Kafka

# librdkafka's own names for what the broker says of a producer that has been replaced.
FENCED: Final = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)  # noqa: SLF001 - see above
START_S: Final = 30.0
TRANSACTION_MS: Final = 30_000
"""What a dead writer left open is given up after so long, or at once when its successor begins; readers wait for it."""


class FencedError(KafkaUnavailableError):
    """Another process has begun with this writer's name: this one is not to write any more."""


class TransactionalWriter(KafkaWriter):
    """`cloud.kafka.port.Writer` on Kafka. Records between two calls of `flush` are seen as a whole or not at all.

    Args:
        settings: How to reach Kafka.
        name: Who writes; of those that bear one name the newest alone can.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """

    def __init__(self, settings: Kafka, name: str) -> None:
        config = {"transactional.id": name, "transaction.timeout.ms": TRANSACTION_MS}
        super().__init__(settings, name, config=config, aside=True)
        self._name, self._begun = name, False
        with self._watched():
            self._producer.init_transactions(START_S)

    def write(self, place: Place, key: bytes, value: bytes | None) -> None:
        """See `cloud.kafka.port.Writer.write`."""
        with self._watched():
            if not self._begun:
                self._producer.begin_transaction()
                self._begun = True
            super().write(place, key, value)

    def check(self) -> None:
        """See `cloud.kafka.port.Writer.check`."""
        with self._watched():
            super().check()

    def flush(self, timeout_s: float = 30.0) -> dict[Place, int]:
        """See `cloud.kafka.port.Writer.flush`.

        Raises:
            FencedError: A newer writer of this name has begun.
            KafkaUnavailableError: Kafka refused a record, or it did not arrive in time. The next writer of this
                name decides the transaction's fate, and therefore reads back what there is.
        """
        with self._watched():
            acked = super().flush(timeout_s)
            if self._begun:
                self._producer.commit_transaction(timeout_s)
                self._begun = False
            return acked

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Tells a writer that has been replaced from one that Kafka does not answer."""
        try:
            yield
        except KafkaUnavailableError as error:
            raise self._meaning(self._refusal, error) from error
        except (KafkaException, SystemError) as error:
            # librdkafka's Python raises a fatal error in whatever runs just then, within a delivery report too, and
            # Python then wraps it.
            cause = error.__cause__ if isinstance(error, SystemError) else error
            reason = cause.args[0] if isinstance(cause, KafkaException) else None
            raise self._meaning(reason, error) from error

    def _meaning(self, reason: object, error: Exception) -> KafkaUnavailableError:
        if isinstance(reason, KafkaError) and reason.code() in FENCED:
            return FencedError(f"writer {self._name} has been replaced by a newer one: {reason}")
        return KafkaUnavailableError(f"writer {self._name} cannot write: {error}. Is Kafka up?")


def open_transactional(settings: Kafka, name: str) -> None:
    """Takes the right to write from whoever bears a name, for good.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    TransactionalWriter(settings, name)
