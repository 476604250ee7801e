"""The canary at both ends of its path: what it alarms of, and who outside hears of it."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import pytest

from cloud.cli.canary import admission
from cloud.notify.canary import EVERY_MS, NOBODY, DeadMansSwitch, metric, ping
from cloud.notify.channels.port import RenderedMessage
from cloud.notify.channels.sns import SnsChannel
from vitals import engine
from vitals.admissions import roster
from vitals.alarm_events import Kind, Phase, Priority
from vitals.contacts import CANARY, Channel, Notification
from vitals.readings import Readings

T0 = 1_763_812_800_000


def test_a_canary_is_one_medium_alarm_in_each_period_and_nothing_else(reading: Callable[..., Readings]) -> None:
    canary, state, told = admission("gw-icu", 60.0, T0), engine.empty(), []
    engine.place(state, roster("gw-icu", [canary]).placements, T0)
    for quarter in range(16):
        t = T0 + 15_000 * quarter
        one = reading(canary.patient, t, bed=canary.bed)
        one.values[0] = float("nan")
        one.values[0, 4] = 38.1 if quarter % 4 >= 2 else 37.9
        one.limits[0] = -1
        sung = Readings(**{n: getattr(one, n) for n in one.__slots__ if n != "limit_sets"}, limit_sets=(canary.limits,))
        told += engine.advance(state, sung, t)[1]
    assert [(e.condition, e.phase) for e in told] == [("temp", Phase.START), ("temp", Phase.END)] * 3 + [
        ("temp", Phase.START)
    ]
    assert {(e.priority, e.kind) for e in told} == {(Priority.MEDIUM, Kind.PHYSIOLOGICAL)}


def accepted(at: int, contact: str = CANARY, patient: str = "canary-gw-icu") -> Notification:
    return Notification(
        alarm="a",
        n=0,
        patient=patient,
        contact=contact,
        handover=0,
        channels=(Channel.EMAIL,),
        sns="id",
        t=at - 700,
        accepted=at,
        sms="",
    )


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as running:
        yield running


def test_the_outside_hears_of_canaries_that_arrive_and_of_no_person(pool: ThreadPoolExecutor) -> None:
    heard: list[tuple[str, float]] = []
    outside = DeadMansSwitch((("test", lambda who, latency_s: heard.append((who, latency_s))),), pool)
    outside.arrived(accepted(T0, contact="nurse"))
    for at in (T0, T0 + 1000, T0 + EVERY_MS):
        outside.arrived(accepted(at))
    pool.submit(int).result()
    assert heard == [("canary-gw-icu", 0.7)] * 2


def test_a_watchdog_that_fails_holds_up_nothing_and_is_asked_again(pool: ThreadPoolExecutor) -> None:
    calls: list[str] = []

    def fail(who: str, _: float) -> None:
        calls.append(who)
        raise OSError("refused")

    outside = DeadMansSwitch((("test", fail),), pool)
    outside.arrived(accepted(T0))
    outside.arrived(accepted(T0 + EVERY_MS))
    pool.submit(int).result()
    assert len(calls) == 2


def test_a_dead_man_switch_is_asked_for_by_http() -> None:
    asked = threading.Event()

    class Switch(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()
            asked.set()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Switch) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        ping(f"http://127.0.0.1:{server.server_port}/ping")("canary-gw-icu", 0.7)
        thread.join(10)
    assert asked.is_set()


def test_cloudwatch_has_one_point_for_each_canary_that_arrived(moto: Mapping[str, str]) -> None:
    endpoint = moto["AWS_ENDPOINT_URL"]
    metric("Wardwatch/test", endpoint)("canary-gw-icu", 0.7)
    found = boto3.client("cloudwatch", endpoint_url=endpoint).list_metrics(Namespace="Wardwatch/test")["Metrics"]
    names = {(m["MetricName"], d["Name"], d["Value"]) for m in found for d in m["Dimensions"]}
    assert names == {(n, "Canary", "canary-gw-icu") for n in ("CanaryAccepted", "CanaryLatency")}


def test_a_canarys_topic_has_no_subscriber(moto: Mapping[str, str]) -> None:
    endpoint = moto["AWS_ENDPOINT_URL"]
    sender = SnsChannel(endpoint, moto["ALERT_OUTBOX_URL"])
    assert sender.send(NOBODY, RenderedMessage("s", "sms", "mail", "{}", (Channel.EMAIL,))).id
    sns = boto3.client("sns", endpoint_url=endpoint)
    (arn,) = [t["TopicArn"] for t in sns.list_topics()["Topics"] if t["TopicArn"].endswith(f"wardwatch-{CANARY}")]
    assert sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"] == []
