"""AWS's query protocol: form fields to a call of the service, and its result to XML."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree

from infra.local.servers.sns.service import Service
from infra.local.servers.sns.values import ACCOUNT, Attributes, SnsError, Standing, Subscription, error, invalid

NAMESPACE: Final = "http://sns.amazonaws.com/doc/2010-03-31/"
Words = Mapping[str, str]
Given = Mapping[str, "str | list[str] | list[dict[str, str]] | dict[str, str]"]
"""Result of a call, by name: a text, a list of texts or of structures, or a map."""


def words(body: bytes) -> dict[str, str]:
    """Returns a form's fields; the last value counts if a name is repeated."""
    return {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}


def call(service: Service, asked: Words) -> Given:
    """Performs the call that a form names.

    Raises:
        SnsError: The answer is an error.
    """
    action = asked.get("Action", "")
    if action not in ACTIONS:
        raise error("InvalidAction", f"The action {action} is not valid for this endpoint.")
    return ACTIONS[action](service, asked)


def answer(action: str, given: Given) -> bytes:
    """Returns the XML of an answer."""
    root = ElementTree.Element(f"{action}Response", xmlns=NAMESPACE)
    result = ElementTree.SubElement(root, f"{action}Result")
    for name, value in given.items():
        _put(ElementTree.SubElement(result, name), value)
    return _closed(root)


def refusal(refused: SnsError) -> bytes:
    """Returns the XML of an error."""
    root = ElementTree.Element("ErrorResponse", xmlns=NAMESPACE)
    told = ElementTree.SubElement(root, "Error")
    kind = "Receiver" if refused.status >= 500 else "Sender"  # noqa: PLR2004 - HTTP's own
    for name, text in (("Type", kind), ("Code", refused.code), ("Message", refused.message)):
        ElementTree.SubElement(told, name).text = text
    return _closed(root)


def _put(element: ElementTree.Element, value: str | list[str] | list[dict[str, str]] | dict[str, str]) -> None:
    if isinstance(value, str):
        element.text = value
    elif isinstance(value, dict):
        for key, text in value.items():
            entry = ElementTree.SubElement(element, "entry")
            ElementTree.SubElement(entry, "key").text = key
            ElementTree.SubElement(entry, "value").text = text
    else:
        for one in value:
            member = ElementTree.SubElement(element, "member")
            if isinstance(one, str):
                member.text = one
            else:
                for key, text in one.items():
                    ElementTree.SubElement(member, key).text = text


def _closed(root: ElementTree.Element) -> bytes:
    about = ElementTree.SubElement(root, "ResponseMetadata")
    ElementTree.SubElement(about, "RequestId").text = str(uuid.uuid4())
    told: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return told


def _entries(asked: Words, name: str) -> dict[str, str]:
    """Returns a map that a form has as `name.entry.1.key`, `name.entry.1.value`, …."""
    keys = [key for key in asked if re.fullmatch(rf"{name}\.entry\.\d+\.key", key)]
    return {asked[key]: asked.get(key.removesuffix("key") + "value", "") for key in keys}


def _attributes(asked: Words) -> Attributes:
    """Returns a message's attributes; a `String.Array` has several strings."""
    found: dict[str, tuple[str, ...]] = {}
    for key, name in asked.items():
        if not re.fullmatch(r"MessageAttributes\.entry\.\d+\.Name", key):
            continue
        stem = key.removesuffix("Name") + "Value."
        kind, value = asked.get(stem + "DataType", ""), asked.get(stem + "StringValue", "")
        if not kind or not value:
            raise invalid(f"The message attribute '{name}' must contain non-empty message attribute value")
        try:
            several = json.loads(value) if kind == "String.Array" else [value]
        except ValueError:
            raise invalid(f"The message attribute '{name}' is no array") from None
        found[name] = tuple(str(one) for one in several)
    return found


def _texts(asked: Words) -> dict[str, str]:
    message = asked.get("Message", "")
    if asked.get("MessageStructure") != "json":
        return {"default": message}
    try:
        texts = json.loads(message)
    except ValueError:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(texts, dict) or "default" not in texts:
        raise invalid("Message Structure - No default entry in JSON message body")
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _create_topic(service: Service, asked: Words) -> Given:
    return {"TopicArn": service.create_topic(asked.get("Name", ""))}


def _subscribe(service: Service, asked: Words) -> Given:
    arn = service.subscribe(
        asked.get("TopicArn", ""),
        asked.get("Protocol", ""),
        asked.get("Endpoint", ""),
        _entries(asked, "Attributes"),
        always_arn=asked.get("ReturnSubscriptionArn") == "true",
    )
    return {"SubscriptionArn": arn}


def _delete_topic(service: Service, asked: Words) -> Given:
    service.delete_topic(asked.get("TopicArn", ""))
    return {}


def _unsubscribe(service: Service, asked: Words) -> Given:
    service.unsubscribe(asked.get("SubscriptionArn", ""))
    return {}


def _confirm(service: Service, asked: Words) -> Given:
    return {"SubscriptionArn": service.confirm(asked.get("TopicArn", ""), asked.get("Token", ""))}


def _list(service: Service, asked: Words) -> Given:
    page, token = service.subscriptions(asked.get("TopicArn", ""), asked.get("NextToken", ""))
    listed: Given = {"Subscriptions": [_told(subscription) for subscription in page]}
    return {**listed, **({"NextToken": token} if token else {})}


def _told(subscription: Subscription) -> dict[str, str]:
    return {
        "TopicArn": subscription.topic,
        "Protocol": subscription.protocol,
        "SubscriptionArn": subscription.listed,
        "Owner": ACCOUNT,
        "Endpoint": subscription.endpoint,
    }


def _get_attributes(service: Service, asked: Words) -> Given:
    found = service.subscription(asked.get("SubscriptionArn", ""))
    told = {
        **_told(found),
        "SubscriptionArn": found.arn,
        "PendingConfirmation": str(found.standing is not Standing.CONFIRMED).lower(),
    }
    return {"Attributes": {**told, **found.attributes}}


def _set_attributes(service: Service, asked: Words) -> Given:
    name, value = asked.get("AttributeName", ""), asked.get("AttributeValue", "")
    service.set_attribute(asked.get("SubscriptionArn", ""), name, value)
    return {}


def _publish(service: Service, asked: Words) -> Given:
    topic, number = asked.get("TopicArn") or asked.get("TargetArn"), asked.get("PhoneNumber")
    if bool(topic) == bool(number):
        raise invalid("TopicArn or PhoneNumber Reason: exactly one of them is needed")
    texts = _texts(asked)
    if number:
        return {"MessageId": service.text(number, texts.get("sms", texts["default"]))}
    return {"MessageId": service.publish(topic or "", texts, asked.get("Subject", ""), _attributes(asked))}


def _is_opted_out(service: Service, asked: Words) -> Given:
    return {"isOptedOut": str(asked.get("phoneNumber") in service.opted_out()).lower()}


def _opted_out(service: Service, _: Words) -> Given:
    return {"phoneNumbers": service.opted_out()}


ACTIONS: Final[Mapping[str, Callable[[Service, Words], Given]]] = {
    "CheckIfPhoneNumberIsOptedOut": _is_opted_out,
    "ConfirmSubscription": _confirm,
    "CreateTopic": _create_topic,
    "DeleteTopic": _delete_topic,
    "GetSubscriptionAttributes": _get_attributes,
    "ListPhoneNumbersOptedOut": _opted_out,
    "ListSubscriptionsByTopic": _list,
    "Publish": _publish,
    "SetSubscriptionAttributes": _set_attributes,
    "Subscribe": _subscribe,
    "Unsubscribe": _unsubscribe,
}
