"""Evidence that a message was opened and answered: by a POST from the link's page with the recipient's token."""

from typing import Any

from cloud import ack_links
from tests.console.conftest import Client
from tests.console.stage import KEY, Stage, event
from vitals.contacts import Channel, DeliveryState, Notification


def linked(stage: Stage, contact: str = "nurse-icu") -> tuple[str, Notification]:
    """Returns a link's path, and the record of the message that it was in."""
    alarm = stage.alarm(event(stage.person("p-00001"), "spo2", stage.now(), "SpO2 84 % below 85 %"))
    stage.parts.feed.tick()
    sent = Notification(
        alarm=alarm.id, n=0, patient="p-00001", contact=contact, handover=1, channels=(Channel.SMS,), sns="m-1",
        t=alarm.t, accepted=alarm.t, sms="ICU HIGH alarm",
    )  # fmt: skip
    stage.parts.topics.notifications.append(sent)
    return "/a/" + ack_links.sign_token(KEY, ack_links.AckToken(alarm.id, contact, stage.now() + 60_000)), sent


def states(stage: Stage) -> list[tuple[Any, ...]]:
    return [(n["contact"], n["handover"], n["sns"], n["state"]) for n in stage.written("notifications")]


def test_a_get_is_no_evidence_and_a_post_from_the_page_is(client: Client, stage: Stage) -> None:
    path, _ = linked(stage)
    phone = client()
    asked = phone.get(path)
    assert "/static/opened.js" in asked.text
    assert phone.get(f"{path}/opened").status_code == 405
    assert states(stage) == []
    assert phone.post(f"{path}/opened").status_code == 204
    assert states(stage) == [("nurse-icu", 1, "m-1", "opened")]
    assert phone.post(f"{path}/opened").status_code == 204
    assert len(states(stage)) == 1, "once"
    assert phone.post(path, data={"act": "coming"}).status_code == 200
    assert [state for *_, state in states(stage)] == ["opened", "answered"]


def test_nobody_opens_with_another_token_or_from_another_page(client: Client, stage: Stage) -> None:
    path, _ = linked(stage)
    phone = client()
    assert phone.post(f"{path[:-1]}/opened").status_code == 404
    assert phone.post(f"{path}/opened", headers={"origin": "https://elsewhere.example.org"}).status_code == 403
    other = "/a/" + ack_links.sign_token("x" * 32, ack_links.AckToken("p-1.spo2.1", "nurse-icu", stage.now() + 60_000))
    assert phone.post(f"{other}/opened").status_code == 404
    assert states(stage) == []


def test_without_a_record_of_the_message_the_answer_counts_and_nothing_is_invented(
    client: Client, stage: Stage
) -> None:
    path, _ = linked(stage)
    stage.parts.topics.notifications.clear()
    assert client().post(path, data={"act": "cannot"}).status_code == 200
    assert states(stage) == []
    assert len(stage.written("actions")) == 1


def test_a_later_state_keeps_what_the_first_record_says(client: Client, stage: Stage) -> None:
    path, sent = linked(stage)
    client().post(f"{path}/opened")
    found = stage.parts.topics.notifications[-1]
    assert found.state is DeliveryState.OPENED
    assert not found.first
    assert (found.alarm, found.n, found.t, found.channels) == (sent.alarm, sent.n, sent.t, sent.channels)
    assert found.accepted > sent.accepted
