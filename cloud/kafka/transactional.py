"""Transactional writer: Kafka fences every older writer with the same transactional id.

A process that was stopped, cut off or presumed dead may continue later, with old state. Its successor has started with
the same id by then, and the broker refuses every record of the older one (a transactional producer's epoch). Readers
see only committed records, which is librdkafka's default.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaError, KafkaException

from cloud.kafka.client import KafkaWriter
from cloud.kafka.port import KafkaUnavailableError, Place
from cloud.settings import Kafka

# librdkafka's error codes for a fenced producer.
FENCED: Final = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)  # noqa: SLF001 - see above
START_S: Final = 30.0
TRANSACTION_MS: Final = 30_000
"""An open transaction of a dead writer blocks readers until it is aborted: after this time, or by its successor's
start."""


class FencedError(KafkaUnavailableError):
    """A newer writer has the same transactional id: this one must not write any more."""


class TransactionalWriter(KafkaWriter):
    """`cloud.kafka.port.Writer` on Kafka.

    The records between two calls of `flush` become visible together or not at all.

    Args:
        settings: Kafka settings.
        name: Transactional id; of several writers with one id only the newest can write.

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
            FencedError: A newer writer has the same transactional id.
            KafkaUnavailableError: Kafka refused a record, or it did not arrive in time. The next writer with this id
                commits or aborts the transaction, and must therefore read the log back.
        """
        with self._watched():
            acked = super().flush(timeout_s)
            if self._begun:
                self._producer.commit_transaction(timeout_s)
                self._begun = False
            return acked

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Distinguishes a fenced writer from a Kafka that does not answer."""
        try:
            yield
        except KafkaUnavailableError as error:
            raise self._meaning(self._refusal, error) from error
        except (KafkaException, SystemError) as error:
            # librdkafka's Python client raises a fatal error in any call, also within a delivery report, where Python
            # wraps it.
            cause = error.__cause__ if isinstance(error, SystemError) else error
            reason = cause.args[0] if isinstance(cause, KafkaException) else None
            raise self._meaning(reason, error) from error

    def _meaning(self, reason: object, error: Exception) -> KafkaUnavailableError:
        if isinstance(reason, KafkaError) and reason.code() in FENCED:
            return FencedError(f"writer {self._name} is fenced by a newer one: {reason}")
        return KafkaUnavailableError(f"writer {self._name} cannot write: {error}. Is Kafka up?")


def open_transactional(settings: Kafka, name: str) -> None:
    """Fences every writer with a transactional id, for good.

    Raises:
        KafkaUnavailableError: Kafka does not answer.
    """
    TransactionalWriter(settings, name)
