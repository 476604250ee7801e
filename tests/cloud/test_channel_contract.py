"""The contract of every channel: one suite, run against each adapter and a service of its own."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import pytest

from cloud.notify.channels import nurse_call, sns, web_push, webhook
from cloud.notify.channels.nurse_call import NurseCallChannel
from cloud.notify.channels.port import ChannelAdapter, RenderedMessage, SendError
from cloud.notify.channels.sns import SnsChannel
from cloud.notify.channels.web_push import WebPushChannel
from cloud.notify.channels.webhook import WebhookChannel
from cloud.push_services import new_private_key
from infra.local.servers.sns.server import Options, Sns
from infra.local.servers.sns.trouble import Fate, Pace, Trouble
from tests.cloud.http_stand_in import HttpStandIn
from tests.cloud.push_service import PushService, text
from vitals.contact_standing import PushDevice, Standing
from vitals.contacts import Channel, Contact
from vitals.hl7.mllp import Unframer, frame

KEY = "an invented key of 32 characters"
PHONE, MAIL = "+441632960001", "nurse@hospital.example.org"
TIMEOUT_S = 0.5
T0 = 1_763_812_800_000
TEXT = "ŁÓDŹ-OIT 🩺 HIGH alarm ABCD2345"
OUTBOX = {"contact": "nurse", "alarm": "p-1.spo2.1", "n": 0, "handover": 0, "email": "Ada Brandt, SpO2 78 %"}


def message(*channels: Channel) -> RenderedMessage:
    sms = f"{TEXT} https://wardwatch.example.org/a/T0ken"
    return RenderedMessage("HIGH alarm, OIT", sms, f"{TEXT} as a mail", json.dumps(OUTBOX), channels)


@dataclass
class Rig:
    """An adapter with its service.

    Attributes:
        channel: The channel.
        adapter: The adapter.
        contact: A contact with an address for it.
        without: A contact without one.
        addresses: Texts that no error may have.
        got: Returns the texts that have arrived.
        refuse: Has the service refuse for good.
        delay: Has the service answer so many seconds late.
        gone: An adapter whose service is not there.
    """

    channel: Channel
    adapter: ChannelAdapter
    contact: Contact
    without: Contact
    addresses: tuple[str, ...]
    got: Callable[[], list[str]]
    refuse: Callable[[], None]
    delay: Callable[[float], None]
    gone: ChannelAdapter


def by_sns(made: ExitStack, contact: Callable[..., Contact], channel: Channel) -> Rig:
    bad = made.enter_context(Sns(Options(confirmed=True)))
    own = {"phone": PHONE, "email": None} if channel is Channel.SMS else {"phone": None, "email": MAIL}
    other = {"phone": None, "webhook": "x"} if channel is Channel.SMS else {"email": None, "webhook": "x"}
    every = ("CreateTopic", "Subscribe", "ListSubscriptionsByTopic", "Publish")
    refusal = Trouble(fate=Fate.ERROR, count=50, error="AuthorizationError", actions=every)
    return Rig(
        channel, SnsChannel(bad.url, None), contact("nurse", **own), contact("bare", **{**own, **other}), (PHONE, MAIL),
        lambda: [told.text for told in bad.reached()], lambda: bad.control(refusal),
        lambda s: bad.control(Pace(answer_ms=1000 * s)), SnsChannel("http://127.0.0.1:9", None),
    )  # fmt: skip


def by_push(made: ExitStack, contact: Callable[..., Contact]) -> Rig:
    service = made.enter_context(PushService())

    def adapter(url: str) -> WebPushChannel:
        channel = WebPushChannel(new_private_key(), "mailto:operator@example.org", (url,), lambda: T0)
        keys = {"p256dh": text(service.browser.public), "auth": text(service.browser.secret)}
        channel.add(PushDevice(contact="nurse", endpoint=f"{url}/push/secret-id", since=T0, until=T0 + 1, **keys))
        return channel

    def got() -> list[str]:
        return [json.loads(body)["body"] for body in service.accepted]

    return Rig(
        Channel.PUSH, adapter(service.url), contact("nurse", phone=None, email=None, push=True),
        contact("bare", phone=None, email=None, push=True), (service.url, "secret-id"), got,
        lambda: setattr(service, "status", 403), lambda s: setattr(service, "slow_s", s), adapter("http://127.0.0.1:9"),
    )  # fmt: skip


def by_webhook(made: ExitStack, contact: Callable[..., Contact]) -> Rig:
    service = made.enter_context(HttpStandIn())

    def adapter(url: str) -> WebhookChannel:
        return WebhookChannel({"voice": f"{url}/secret-id"}, KEY, lambda: T0, pauses_s=(0.0,))

    def got() -> list[str]:
        return [json.loads(body)["text"] for body in service.accepted]

    return Rig(
        Channel.WEBHOOK, adapter(service.url), contact("nurse", phone=None, email=None, webhook="voice"),
        contact("bare", phone=None, email=None, webhook="unknown"), (service.url, "secret-id"), got,
        lambda: setattr(service, "status", 403), lambda s: setattr(service, "slow_s", s), adapter("http://127.0.0.1:9"),
    )  # fmt: skip


class NurseCall:
    """A nurse call system: reads MLLP, and answers as it is told."""

    def __init__(self) -> None:
        self.code, self.slow_s, self.accepted = b"AA", 0.0, list[bytes]()
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"mllp://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "NurseCall":
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        socket.create_connection(self._socket.getsockname()).close()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            connection, _ = self._socket.accept()
            with connection:
                unframer = Unframer()
                while received := connection.recv(65536):
                    for message in unframer.feed(received):
                        self._over.wait(self.slow_s)
                        self._answer(connection, message)

    def _answer(self, connection: socket.socket, message: bytes) -> None:
        if self.code == b"AA" and not self._over.is_set():
            self.accepted.append(message)
        control = message.split(b"|")[9]
        with suppress(OSError):
            connection.sendall(frame(b"MSH|^~\\&|CALL\rMSA|" + self.code + b"|" + control + b"\r"))


def by_nurse_call(made: ExitStack, contact: Callable[..., Contact]) -> Rig:
    service = made.enter_context(NurseCall())

    def adapter(url: str) -> NurseCallChannel:
        return NurseCallChannel({"call": url}, lambda: T0, pauses_s=(0.0,))

    def got() -> list[str]:
        return [raw.decode().split("|1.0.0.0.1|")[1].split("|")[0] for raw in service.accepted]

    return Rig(
        Channel.WEBHOOK, adapter(service.url), contact("nurse", phone=None, email=None, webhook="call"),
        contact("bare", phone=None, email=None, webhook="unknown"), (service.url,), got,
        lambda: setattr(service, "code", b"AR"), lambda s: setattr(service, "slow_s", s), adapter("mllp://127.0.0.1:9"),
    )  # fmt: skip


@pytest.fixture(params=["sms", "email", "push", "webhook", "nurse-call"])
def rig(
    request: pytest.FixtureRequest, contact: Callable[..., Contact], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Rig]:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    for module in (sns, web_push, webhook, nurse_call):
        monkeypatch.setattr(module, "TIMEOUT_S", TIMEOUT_S)
    with ExitStack() as made:
        if request.param == "push":
            yield by_push(made, contact)
        elif request.param == "nurse-call":
            yield by_nurse_call(made, contact)
        elif request.param == "webhook":
            yield by_webhook(made, contact)
        else:
            yield by_sns(made, contact, Channel(request.param))


def test_an_accepted_message_has_an_id_and_its_channel_and_arrives_with_every_letter(rig: Rig) -> None:
    receipt = rig.adapter.send(rig.contact, message(rig.channel))
    assert receipt.channels == (rig.channel,)
    assert receipt.id
    (arrived,) = rig.got()
    assert arrived.startswith(TEXT)


def test_a_channel_that_is_ready_says_so_and_serves_what_it_claims(rig: Rig) -> None:
    assert rig.channel in rig.adapter.kinds
    assert rig.adapter.check(rig.contact)[rig.channel] is Standing.READY


def test_a_refusal_is_an_error_without_any_address(rig: Rig) -> None:
    rig.refuse()
    refused(rig, rig.adapter)


def test_a_service_that_does_not_answer_is_given_up(rig: Rig) -> None:
    rig.delay(30)
    refused(rig, rig.adapter)


def test_a_service_that_is_not_there_is_an_error(rig: Rig) -> None:
    refused(rig, rig.gone)


def test_a_slow_service_is_waited_for(rig: Rig) -> None:
    rig.delay(TIMEOUT_S / 5)
    assert rig.adapter.send(rig.contact, message(rig.channel)).channels == (rig.channel,)


def test_a_contact_without_an_address_is_an_error(rig: Rig) -> None:
    if rig.channel is Channel.EMAIL or rig.channel is Channel.SMS:
        assert rig.channel not in rig.adapter.check(rig.without)
    else:
        assert rig.adapter.check(rig.without)[rig.channel] is not Standing.READY
    with pytest.raises(SendError) as raised:
        rig.adapter.send(rig.without, message(*() if rig.channel in sns.KINDS else (rig.channel,)))
    assert rig.got() == []
    silent(rig, raised.value)


def refused(rig: Rig, adapter: ChannelAdapter) -> None:
    with pytest.raises(SendError) as raised:
        adapter.send(rig.contact, message(rig.channel))
    silent(rig, raised.value)


def silent(rig: Rig, error: SendError) -> None:
    assert str(error)
    assert not [address for address in rig.addresses if address in str(error)]


def test_a_nurse_call_has_priority_place_and_alarm_by_pcd_04_and_no_patients_data(
    contact: Callable[..., Contact],
) -> None:
    about = OUTBOX | {"priority": "high", "kind": "physiological", "ward": "icu", "bed": "icu-01"}
    texts = RenderedMessage("s", "HIGH icu-01 | now", "m", json.dumps(about), (Channel.WEBHOOK,))
    with NurseCall() as service:
        channel = NurseCallChannel({"call": service.url}, lambda: T0)
        one, two = (channel.send(contact("nurse", phone=None, email=None, webhook="call"), texts) for _ in range(2))
    # A message that is sent again has its former control id.
    assert one.id == two.id
    assert one.id in service.accepted[0].decode()
    segments = [line.split("|") for line in service.accepted[0].decode().split("\r")]
    assert segments[0][8] == "ORU^R40^ORU_R40"
    assert segments[1][3] == "icu^^icu-01"
    assert segments[2][3] == "p-1.spo2.1^WARDWATCH"
    assert (segments[3][5], segments[3][8]) == ("HIGH icu-01 \\F\\ now", "PH~SP")
    assert "Ada Brandt" not in service.accepted[0].decode()
    lone = NurseCallChannel({}, lambda: T0, WebhookChannel({"voice": "https://x"}, KEY, lambda: T0))
    assert lone.check(contact("n", webhook="voice")) == {Channel.WEBHOOK: Standing.READY}
