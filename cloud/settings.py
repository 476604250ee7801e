"""Settings of the cloud jobs that are not Spark's: one frozen dataclass per job."""

from dataclasses import dataclass

from cloud.ack_links import MIN_KEY_CHARACTERS
from cloud.kafka.settings import Kafka
from cloud.push_services import SERVICES, public_key
from cloud.webhooks import webhook_urls
from cloud.wording import wording
from vitals.runtime.settings import setting


@dataclass(frozen=True, kw_only=True)
class Watch(Kafka):
    """Settings of `python -m cloud watch`."""

    watch_shards: int = setting("Ray actors; more than processor cores gain nothing", 2)
    watch_snapshots: str = setting("where snapshots go: file:///… or s3://bucket/prefix?endpoint_override=…")
    watch_snapshot_s: float = setting("seconds between two snapshots of a partition's state", 30.0)
    watch_stall_s: float = setting("seconds without a record in a partition until the alarm pipeline-stalled", 15.0)
    watch_start_grace_s: float = setting("the same, before a partition's first record and during recovery", 60.0)
    watch_stuck_s: float = setting("seconds without a turn of its loop until a shard is killed and restarted", 30.0)
    watch_handover_s: float = setting(
        "seconds until an unacknowledged high alarm is handed over to the next contact", 120.0
    )
    watch_advisories: bool = setting(
        "1: emit advisories, at low priority, for limits expected to be crossed within 30 min", False
    )
    watch_object_store_mb: int = setting("Ray's object store, MB; shards exchange little through it", 80)
    ray_address: str | None = setting("address of a Ray cluster; without it Ray runs here, on loopback", None)
    ray_port: int = setting("port of Ray's head on loopback, when RAY_ADDRESS is not set", 6379)
    ray_auth_token: str | None = setting(
        "secret shared by Ray's processes; without it Ray uses the one in the user's home", None
    )
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        if not 1 <= self.watch_shards <= self.partitions:
            raise ValueError(f"WATCH_SHARDS={self.watch_shards} must be 1 to PARTITIONS={self.partitions}")
        if not 0 < self.ray_port < 1 << 16:
            raise ValueError(f"RAY_PORT={self.ray_port} is no port")
        spans = (self.watch_snapshot_s, self.watch_stall_s, self.watch_start_grace_s, self.watch_handover_s)
        if min(*spans, self.watch_stuck_s) <= 0:
            raise ValueError("the settings WATCH_…_S must be positive")


@dataclass(frozen=True, kw_only=True)
class Notify(Kafka):
    """Settings of `python -m cloud notify`."""

    aws_endpoint_url: str | None = setting("address of SNS and SQS if it is not AWS's own", None)
    aws_endpoint_url_sns: str | None = setting("address of SNS, if it differs from that of SQS", None)
    aws_endpoint_url_logs: str | None = setting("address of CloudWatch Logs, if it differs from that of SQS", None)
    alert_outbox_url: str | None = setting("URL of an SQS queue that receives a copy of every message", None)
    alert_undelivered_arn: str | None = setting(
        "ARN of an SQS queue for messages that SNS could not deliver, by subscription", None
    )
    console_url: str = setting("base of the link in messages", "http://127.0.0.1:18805")
    link_key: str | None = setting("secret of 32 characters or more that signs acknowledge links; none: no links", None)
    message_language: str = setting("language of messages and of links' pages: en or de", "en")
    message_time_zone: str = setting("IANA time zone of messages and of links' pages, such as Europe/Berlin", "UTC")
    link_hours: float = setting("hours for which an acknowledge link opens its alarm", 12.0)
    notify_defaults: tuple[str, ...] = setting(
        "contacts of wards without a contact on duty: ward=contact:phone:e-mail, comma-separated; ward * is any", ()
    )
    notify_technical_ward: str = setting("ward that is notified of alarms without a ward", "technical")
    notify_burst: int = setting("messages a recipient gets at once before further alarms are merged", 10)
    notify_refill_s: float = setting("seconds until a recipient may get one more message", 6.0)
    notify_low_s: float = setting("seconds that low-priority alarms are collected for one message", 60.0)
    notify_webhooks: tuple[str, ...] = setting(
        "systems that a rota may name: name=https://… or, for HL7, name=mllps://…, comma-separated; empty: none", ()
    )
    notify_webhook_key: str | None = setting("secret of 32 characters or more that signs webhooks", None)
    push_key: str | None = setting("private key for Web Push, of `python -m cloud push-key`; none: no push", None)
    push_subject: str = setting(
        "mailto: or https address of the operator, for push services", "mailto:operator@localhost"
    )
    push_services: tuple[str, ...] = setting("origins of push services; a host may begin with *.", SERVICES)
    notify_stale_s: float = setting(
        "age from which an alarm is late: not sent if it has ended or is acknowledged, s", 30.0
    )
    notify_attempts: int = setting("attempts per message, with doubling pauses, before the fallback channel", 4)
    watchdog_url: str | None = setting("dead man's switch: http(s) URL to ping while canary alarms are delivered", None)
    watchdog_namespace: str | None = setting("CloudWatch namespace of CanaryAccepted and CanaryLatency", None)
    notify_heartbeat_s: float = setting("seconds between two heartbeats in topic status", 5.0)
    notify_check_s: float = setting("seconds between two checks of a contact's subscriptions and opt-outs", 180.0)
    notify_sms_logs: tuple[str, ...] = setting(
        "log groups of SNS's delivery status logs for SMS, comma-separated; empty: deliveries are unknown", ()
    )
    notify_sms_log_s: float = setting("seconds between two reads of the delivery status logs", 10.0)
    notify_threads: int = setting("publishes in flight", 8)
    metrics_port: int = setting("Prometheus port on loopback; 0 for none", 0)

    def __post_init__(self) -> None:
        Kafka.__post_init__(self)
        spans = (self.notify_refill_s, self.notify_heartbeat_s, self.notify_check_s, self.notify_sms_log_s)
        if min(self.notify_burst, self.notify_attempts, self.notify_threads) < 1:
            raise ValueError("NOTIFY_BURST, NOTIFY_ATTEMPTS and NOTIFY_THREADS must be at least 1")
        if min(spans) <= 0 or min(self.notify_low_s, self.notify_stale_s) < 0:
            raise ValueError("NOTIFY_…_S settings must be positive")
        if self.watchdog_url and not self.watchdog_url.startswith(("http://", "https://")):
            raise ValueError(f"WATCHDOG_URL={self.watchdog_url!r} is no http or https address")
        wording(self.message_language, self.message_time_zone)
        if self.link_key is not None and len(self.link_key) < MIN_KEY_CHARACTERS:
            raise ValueError(f"LINK_KEY has {len(self.link_key)} characters, not {MIN_KEY_CHARACTERS} or more")
        if not self.link_hours > 0:
            raise ValueError("LINK_HOURS must be positive")
        if self.push_key is not None:
            public_key(self.push_key)
        if webhook_urls(self.notify_webhooks) and len(self.notify_webhook_key or "") < MIN_KEY_CHARACTERS:
            raise ValueError(f"NOTIFY_WEBHOOK_KEY needs {MIN_KEY_CHARACTERS} characters or more")
