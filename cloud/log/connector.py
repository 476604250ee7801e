"""How Spark reaches Kafka: the options of its connector, which are those of Java's clients."""

import json

from cloud.settings import Kafka


def connector_options(settings: Kafka) -> dict[str, str]:
    """Returns the connector's options of address and security, in Java's names."""
    options = {
        "kafka.bootstrap.servers": settings.kafka_bootstrap,
        "kafka.security.protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_sasl_mechanism:
        module = "plain.PlainLoginModule" if settings.kafka_sasl_mechanism == "PLAIN" else "scram.ScramLoginModule"
        user, password = (
            json.dumps(word or "") for word in (settings.kafka_sasl_username, settings.kafka_sasl_password)
        )
        login = f"org.apache.kafka.common.security.{module} required username={user} password={password};"
        options |= {"kafka.sasl.mechanism": settings.kafka_sasl_mechanism, "kafka.sasl.jaas.config": login}
    if settings.kafka_ca:
        options |= {"kafka.ssl.truststore.type": "PEM", "kafka.ssl.truststore.location": str(settings.kafka_ca)}
    return options
