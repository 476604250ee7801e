"""Access to Kafka: address, TLS and SASL, as settings and as configuration of librdkafka's clients."""

from dataclasses import dataclass
from pathlib import Path

from vitals.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class KafkaAccess:
    """Address of Kafka, and authentication of a client."""

    kafka_bootstrap: str = setting("Kafka brokers, host:port, comma-separated")
    kafka_security_protocol: str = setting("PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "PLAINTEXT")
    kafka_sasl_mechanism: str = setting("SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN, with SASL_… protocols", "SCRAM-SHA-512")
    kafka_sasl_username: str | None = setting("user name for SASL", None)
    kafka_sasl_password: str | None = setting("password for SASL", None)
    kafka_ca: Path | None = setting("PEM file of the authority that signed the brokers' certificates", None)

    @property
    def uses_sasl(self) -> bool:
        """True if a name and a password are sent."""
        return self.kafka_security_protocol.startswith("SASL")

    def __post_init__(self) -> None:
        if self.uses_sasl and not (self.kafka_sasl_mechanism and self.kafka_sasl_username and self.kafka_sasl_password):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.kafka_security_protocol} needs KAFKA_SASL_MECHANISM, "
                "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"
            )

    def client(self) -> dict[str, str]:
        """Returns librdkafka's configuration of address and security."""
        config = {
            "bootstrap.servers": self.kafka_bootstrap,
            "security.protocol": self.kafka_security_protocol,
        }
        if self.uses_sasl:
            config["sasl.mechanism"] = self.kafka_sasl_mechanism
            config["sasl.username"] = self.kafka_sasl_username or ""
            config["sasl.password"] = self.kafka_sasl_password or ""
        if self.kafka_ca:
            config["ssl.ca.location"] = str(self.kafka_ca)
        return config
