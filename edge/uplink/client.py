"""Uplink client: MQTT 5 by the AWS IoT SDK, to the site broker or AWS IoT Core, by one URL."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Event
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import urlsplit

from awscrt import io, mqtt5
from awscrt.exceptions import AwsCrtError

from edge.settings import Settings
from vitals.wire import topics

log = logging.getLogger(__name__)

KEEPALIVE_S: Final = 10
PING_TIMEOUT_MS: Final = 5_000
RECONNECT_MS: Final = (500, 15_000)
SESSION_S: Final = 3_600
ACK_TIMEOUT_S: Final = 10
RECEIVE_MAXIMUM: Final = 100


class ConnectionChange(NamedTuple):
    """A connection or a loss of the connection."""

    up: bool


class DownlinkMessage(NamedTuple):
    """A downlink message for this gateway.

    Attributes:
        name: One of `topics.DOWN`.
        payload: Payload.
    """

    name: str
    payload: bytes


Receive = Callable[[ConnectionChange | DownlinkMessage], None]
"""Receives connection changes and downlink messages; called from the SDK's thread."""


class UplinkPort(Protocol):
    """The uplink's interface to the loop."""

    def start(self) -> None:
        """Begins to connect."""

    def publish(self, name: str, payload: bytes) -> None:
        """Publishes to one of `topics.UP`."""

    def stop(self, goodbye: bytes, timeout_s: float) -> None:
        """Publishes a last status, and disconnects."""


class Uplink:
    """One MQTT 5 client with a persistent session; it reconnects by itself, and publishes nothing while it is down.

    Args:
        settings: The gateway's settings.
        will: Status that the broker publishes when the connection breaks.
        receive: Receives connection changes and downlink messages.
    """

    def __init__(self, settings: Settings, will: bytes, receive: Receive) -> None:
        self._gateway = settings.gateway
        self._receive = receive
        self._stopped = Event()
        self._latest: Future[Any] = Future()
        self.failures = 0
        """Number of publishes that were rejected or never acknowledged; their batches are resent."""
        parts, flow = urlsplit(settings.uplink), mqtt5.ExtendedValidationAndFlowControlOptions
        limits = flow.AWS_IOT_CORE_DEFAULTS if limited(settings) else flow.NONE
        self._data = {"uplink": settings.uplink}
        self._client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=parts.hostname or "",
                port=parts.port or (8883 if parts.scheme == "mqtts" else 1883),
                tls_ctx=_tls(settings) if parts.scheme == "mqtts" else None,
                connect_options=_connect_packet(settings.gateway, will),
                session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS,
                extended_validation_and_flow_control_options=limits,
                # The outbox resends by its own rules; the SDK's queue must not resend too.
                offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
                retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.FULL,
                min_reconnect_delay_ms=RECONNECT_MS[0],
                max_reconnect_delay_ms=RECONNECT_MS[1],
                min_connected_time_to_reset_reconnect_delay_ms=5_000,
                ping_timeout_ms=PING_TIMEOUT_MS,
                connack_timeout_ms=10_000,
                ack_timeout_sec=ACK_TIMEOUT_S,
                on_publish_callback_fn=self._on_publish,
                on_lifecycle_event_stopped_fn=lambda _data: self._stopped.set(),
                on_lifecycle_event_connection_success_fn=self._on_success,
                on_lifecycle_event_connection_failure_fn=self._on_failure,
                on_lifecycle_event_disconnection_fn=self._on_disconnection,
            )
        )

    def start(self) -> None:
        """Begins to connect; returns at once."""
        self._client.start()

    def publish(self, name: str, payload: bytes) -> None:
        """Publishes to one of `topics.UP` at QoS 1; a batch's outcome arrives as `confirmed` on the downlink."""
        topic = topics.gateway_topic(self._gateway, name)
        packet = mqtt5.PublishPacket(topic=topic, payload=payload, qos=mqtt5.QoS.AT_LEAST_ONCE)
        self._latest = future = self._client.publish(packet)
        future.add_done_callback(partial(self._on_acknowledged, name))

    def stop(self, goodbye: bytes, timeout_s: float) -> None:
        """Disconnects in order: a last status replaces the last will."""
        self.publish("status", goodbye)
        with suppress(TimeoutError, AwsCrtError):
            self._latest.result(timeout_s)
        self._client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))
        if not self._stopped.wait(timeout_s):
            log.warning("the uplink did not close within %s s", timeout_s, extra={"data": self._data})

    def _on_success(self, _data: Any) -> None:  # noqa: ANN401 - the SDK ships no types
        # Subscribes at every connection: after a lost session the gateway would receive nothing.
        subscriptions = [
            mqtt5.Subscription(topics.gateway_topic(self._gateway, name), mqtt5.QoS.AT_LEAST_ONCE)
            for name in topics.DOWN
        ]
        self._client.subscribe(mqtt5.SubscribePacket(subscriptions)).add_done_callback(self._on_subscribed)
        self._receive(ConnectionChange(up=True))

    def _on_failure(self, data: Any) -> None:  # noqa: ANN401 - the SDK ships no types
        reason = getattr(data.connack_packet, "reason_code", None)
        log.warning("uplink not reached: %s %s", data.exception, reason or "", extra={"data": self._data})

    def _on_disconnection(self, data: Any) -> None:  # noqa: ANN401 - the SDK ships no types
        log.warning("uplink lost: %s", data.exception, extra={"data": self._data})
        self._receive(ConnectionChange(up=False))

    def _on_publish(self, data: Any) -> None:  # noqa: ANN401 - the SDK ships no types
        packet = data.publish_packet
        self._receive(DownlinkMessage(packet.topic.rpartition("/")[2], bytes(packet.payload or b"")))

    def _on_subscribed(self, future: "Future[Any]") -> None:
        error = future.exception()
        refused = (
            []
            if error
            else [code for code in future.result().reason_codes if code >= mqtt5.SubackReasonCode.UNSPECIFIED_ERROR]
        )
        if error or refused:
            log.error("the broker rejects a subscription: %s", error or refused, extra={"data": self._data})

    def _on_acknowledged(self, name: str, future: "Future[Any]") -> None:
        error = future.exception()
        if error is None:
            code = future.result().puback.reason_code
            if code < mqtt5.PubackReasonCode.UNSPECIFIED_ERROR:
                return
            error = ValueError(f"rejected with reason {code}: check the broker's access rules")
        self.failures += 1
        level = logging.DEBUG if isinstance(error, AwsCrtError) else logging.ERROR
        log.log(level, "publish failed: %s", error, extra={"data": self._data | {"name": name}})


def _connect_packet(gateway: str, will: bytes) -> Any:  # noqa: ANN401 - the SDK ships no types
    topic = topics.gateway_topic(gateway, "status")
    return mqtt5.ConnectPacket(
        client_id=gateway,
        keep_alive_interval_sec=KEEPALIVE_S,
        session_expiry_interval_sec=SESSION_S,
        receive_maximum=RECEIVE_MAXIMUM,
        will=mqtt5.PublishPacket(topic=topic, payload=will, qos=mqtt5.QoS.AT_LEAST_ONCE),
    )


def limited(settings: Settings) -> bool:
    """Returns whether the SDK must stay within AWS IoT Core's limits: 100 publishes/s, 512 KiB/s, 128 KiB a message.

    A custom domain does not show that it is IoT Core's; `UPLINK_LIMITS` sets it then.
    """
    is_aws = (urlsplit(settings.uplink).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return settings.uplink_limits == "iot-core" or (settings.uplink_limits == "auto" and is_aws)


def _tls(settings: Settings) -> Any:  # noqa: ANN401 - the SDK ships no types
    options = io.TlsContextOptions.create_client_with_mtls_from_path(
        str(settings.uplink_cert), str(settings.uplink_key)
    )
    options.min_tls_ver = io.TlsVersion.TLSv1_2
    if settings.uplink_ca is not None:
        options.override_default_trust_store_from_path(None, str(settings.uplink_ca))
    return io.ClientTlsContext(options)
