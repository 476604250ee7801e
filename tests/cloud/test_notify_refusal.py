"""SNS that refuses a number, and SNS that never answers."""

import socket
import uuid
from collections.abc import Callable, Mapping

import pytest
from botocore.exceptions import ClientError

from cloud.notify.channels import sns
from cloud.notify.channels.port import RenderedMessage, SendError
from cloud.notify.channels.sns import SnsChannel
from vitals.contacts import Channel, Contact

TEXTS = RenderedMessage("subject", "sms", "mail", "{}", (Channel.SMS, Channel.EMAIL))


class Refusing:
    """SNS's client, but for a number that it does not take."""

    def __init__(self, client: object) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def subscribe(self, **fields: str) -> object:
        if fields["Protocol"] == "sms":
            raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "Invalid endpoint"}}, "Subscribe")
        return self._client.subscribe(**fields)  # type: ignore[attr-defined] # boto3 makes its clients at run time


def test_a_number_that_sns_refuses_leaves_the_email_and_is_tried_again(
    moto: Mapping[str, str], contact: Callable[..., Contact]
) -> None:
    sender, who = SnsChannel(moto["AWS_ENDPOINT_URL"], None), contact(f"c-{uuid.uuid4().hex[:8]}")
    client = sender._subscriptions._sns
    sender._subscriptions._sns = Refusing(client)
    assert sender.send(who, TEXTS).channels == (Channel.EMAIL,)
    with pytest.raises(SendError, match="Invalid endpoint"):
        sender.send(contact(who.contact, email=None), RenderedMessage("s", "sms", "m", "{}", (Channel.SMS,)))
    sender._subscriptions._sns = client
    assert sender.send(who, TEXTS).channels == (Channel.SMS, Channel.EMAIL)


def test_an_sns_that_never_answers_is_given_up_and_holds_nobody_for_ever(
    monkeypatch: pytest.MonkeyPatch, contact: Callable[..., Contact]
) -> None:
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(sns, "TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = SnsChannel(f"http://127.0.0.1:{silent.getsockname()[1]}", None)
        with pytest.raises(SendError, match=r"(?i)time"):
            sender.send(contact("nurse"), TEXTS)
