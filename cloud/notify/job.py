"""`python -m cloud notify`: sends alarms to the contacts on duty, by SNS."""

import contextlib
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import prometheus_client

from cloud.kafka import partitions
from cloud.kafka.client import KafkaReader, KafkaWriter
from cloud.kafka.port import KafkaUnavailableError
from cloud.kafka.transactional import TransactionalWriter
from cloud.notify import canary, lease
from cloud.notify.channels.contact_channels import ContactChannels
from cloud.notify.channels.nurse_call import NurseCallChannel
from cloud.notify.channels.port import ChannelAdapter
from cloud.notify.channels.sms_delivery_log import SmsDeliveryLog
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.channels.web_push import WebPushChannel
from cloud.notify.channels.webhook import WebhookChannel
from cloud.notify.delivery.attempts import Delivery
from cloud.notify.delivery.throttle import RecipientQueues
from cloud.notify.follow_up.delivery_follow import DeliveryFollow
from cloud.notify.follow_up.reach import Reach
from cloud.notify.log_output import LogOutput
from cloud.notify.messages.templates import Links
from cloud.notify.notifier import Notifier, Terms
from cloud.notify.routing.on_call import OnCall, parse_default
from cloud.settings import Notify
from cloud.webhooks import webhook_urls
from cloud.wording import wording
from vitals.contacts import Contact
from vitals.runtime.daemon import notify as tell_systemd
from vitals.runtime.daemon import now_ms, serve_metrics
from vitals.runtime.daemon import run as run_daemon
from vitals.status import Status
from vitals.wire import topics

logger = logging.getLogger("notify")
POLL_S: Final = 0.02
NEEDS: Final = (
    topics.ALARMS,
    topics.PATIENTS,
    topics.CONTACTS,
    topics.NOTIFICATIONS,
    topics.STATUS,
    topics.REJECTED,
    topics.CHANNELS,
)
"""Topics without which no contact can be notified; a topic that a newer version adds for other parts delays no page."""
WAITING: Final = prometheus_client.Gauge("wardwatch_notify_waiting", "alarms that a recipient is still to be told of")
UNDER_WAY: Final = prometheus_client.Gauge("wardwatch_notify_under_way", "messages not yet accepted by SNS")


def _outside(settings: Notify) -> tuple[tuple[str, canary.Tell], ...]:
    ways: list[tuple[str, canary.Tell]] = []
    if settings.watchdog_url:
        ways.append(("url", canary.ping(settings.watchdog_url)))
    if settings.watchdog_namespace:
        ways.append(("cloudwatch", canary.metric(settings.watchdog_namespace, settings.aws_endpoint_url)))
    return tuple(ways)


def run(environ: Mapping[str, str]) -> int:
    """Runs the job until SIGTERM or SIGINT."""
    return run_daemon("notify", Notify, _start, environ)


def _channels(settings: Notify) -> tuple[WebPushChannel | None, ContactChannels]:
    sns = SnsChannel(
        settings.aws_endpoint_url,
        settings.alert_outbox_url,
        settings.alert_undelivered_arn,
        settings.aws_endpoint_url_sns,
    )
    push = None
    others: list[ChannelAdapter] = []
    if settings.push_key is not None:
        push = WebPushChannel(settings.push_key, settings.push_subject, settings.push_services, now_ms)
        others.append(push)
    if settings.notify_webhooks:
        urls = webhook_urls(settings.notify_webhooks)
        hl7 = {name: url for name, url in urls.items() if url.startswith("mllp")}
        webhooks = WebhookChannel(
            {n: u for n, u in urls.items() if n not in hl7}, settings.notify_webhook_key or "", now_ms
        )
        others.append(NurseCallChannel(hl7, now_ms, webhooks) if hl7 else webhooks)
    return push, ContactChannels(sns, others, now_ms, round(settings.notify_check_s * 1000))


def _follow(settings: Notify, pool: ThreadPoolExecutor) -> DeliveryFollow | None:
    if not settings.notify_sms_logs:
        return None
    endpoint = settings.aws_endpoint_url_logs or settings.aws_endpoint_url
    log = SmsDeliveryLog(settings.notify_sms_logs, endpoint)
    return DeliveryFollow(log, pool, round(settings.notify_sms_log_s * 1000))


def _start(settings: Notify, stop: threading.Event) -> int:
    try:
        defaults = dict(parse_default(entry) for entry in settings.notify_defaults)
        if not partitions.wait(settings, stop, NEEDS):
            return 0
    except (ValueError, KafkaUnavailableError) as error:
        logger.error("cannot start: %s", error)
        return 2
    try:
        heart, claimed = _lease(settings, stop)
        if heart is None:
            return 0
        last = _send(settings, stop, defaults, heart, claimed)
        # Every thread that sends has ended.
        lease.release(heart, last)
    except KafkaUnavailableError as error:
        # The next start sends in-flight messages again, unless their record exists.
        logger.error("notifier stopped: %s", error)
        return 1
    return 0


def _lease(settings: Notify, stop: threading.Event) -> tuple[TransactionalWriter | None, Status]:
    """Waits for the lease and claims it; no writer if it was stopped before.

    Raises:
        KafkaUnavailableError: Kafka does not answer, or a third notifier was faster.
    """
    view, said = lease.LeaseView(round(settings.notify_heartbeat_s * 1000)), [""]
    claimed = lease.first_heartbeat(lease.own_holder(), None, now_ms())

    def waiting(other: str) -> None:
        if said[0] != other:
            said[0] = other
            logger.warning("notifier %s sends; this one waits", other)
            tell_systemd("READY=1")
        tell_systemd("WATCHDOG=1")

    reader = KafkaReader(settings, "notify-lease")
    try:
        if not lease.wait_for_lease(reader, view, stop, now_ms, waiting):
            return None, claimed
    finally:
        reader.close()
    heart = TransactionalWriter(settings, lease.WRITER)
    claimed = lease.first_heartbeat(claimed.holder, view.newest, now_ms())
    lease.write(heart, claimed)
    return heart, claimed


def _send(
    settings: Notify,
    stop: threading.Event,
    defaults: Mapping[str, Contact],
    heart: TransactionalWriter,
    claimed: Status,
) -> Status:
    """Notifies contacts until it is stopped; returns the last heartbeat.

    Raises:
        KafkaUnavailableError: Kafka does not answer, or another notifier holds the lease.
    """
    reader = KafkaReader(settings, "notify", group="notify")
    push, channels = _channels(settings)
    with (
        contextlib.closing(channels),
        ThreadPoolExecutor(1, "delivery-log") as log_pool,
        ThreadPoolExecutor(settings.notify_threads, "publish") as pool,
    ):
        follow = _follow(settings, log_pool)
        notifier = Notifier(
            terms=Terms(
                settings.layout,
                Links(
                    settings.console_url,
                    settings.link_key,
                    round(settings.link_hours * 3_600_000),
                    wording(settings.message_language, settings.message_time_zone),
                ),
                round(settings.notify_stale_s * 1000),
                round(settings.notify_heartbeat_s * 1000),
            ),
            reader=reader,
            output=LogOutput(
                settings.layout,
                KafkaWriter(settings, "notify", aside=True),
                heart=heart,
                holder=claimed.holder,
                status=claimed,
            ),
            on_call=OnCall(defaults, settings.notify_technical_ward),
            queues=RecipientQueues(
                settings.notify_burst, settings.notify_refill_s * 1000, settings.notify_low_s * 1000
            ),
            delivery=Delivery(
                channels,
                pool,
                settings.notify_attempts,
                now_ms,
                settings.notify_threads,
            ),
            clock=now_ms,
            reach=Reach(channels.checks, follow, push),
            arrived=canary.DeadMansSwitch(_outside(settings), pool).arrived,
        )
        try:
            notifier.start()
            # The metrics port opens only now, because other parts wait for it as the sign of readiness.
            serve_metrics(settings.metrics_port)
            tell_systemd("READY=1")
            while not stop.is_set():
                notifier.step(POLL_S)
                WAITING.set(len(notifier.queues) + len(notifier.sender.retries))
                UNDER_WAY.set(len(notifier.delivery))
                tell_systemd("WATCHDOG=1")
        finally:
            tell_systemd("STOPPING=1")
            reader.close()
    return notifier.output.status or claimed
