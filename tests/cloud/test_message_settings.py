"""What a message says is the ward's setting: an SMS is unencrypted, and a locked screen shows it."""

import io
from collections.abc import Callable

import msgspec
import pytest

from cloud.ack_links import number
from cloud.cli import rota
from cloud.duty.records import kind_of
from cloud.kafka.in_memory import MemoryReader, MemoryWriter
from cloud.notify.messages.email_body import email
from cloud.notify.messages.templates import sms, subject
from tests.cloud.conftest import MakeEvent
from tests.cloud.station import Station
from tests.cloud.test_notify_outage import MakeContact
from vitals.admissions import Admission
from vitals.bounds import decoded
from vitals.contacts import Detail, Messages, Rota

URL = "https://wardwatch.example.org/a/T0ken"


def test_a_minimal_message_has_ward_priority_time_and_link_alone(event: MakeEvent) -> None:
    lead = event(ward="icu", bed="bed-7", value=78.0)
    assert sms([lead], URL, Detail.MINIMAL) == f"HIGH 12:00 ICU alarm {number(lead.id)} {URL}"
    assert "bed-7" not in subject([lead], Detail.MINIMAL)


def test_a_message_has_the_bed_by_default_and_the_sign_where_the_ward_wants_it(event: MakeEvent) -> None:
    lead = event(ward="icu", bed="bed-7", value=78.0)
    assert sms([lead], URL) == f"HIGH bed-7 12:00 ICU alarm {number(lead.id)} {URL}"
    told = sms([lead], URL, Detail.BED_AND_SIGN)
    assert told == f"HIGH bed-7 12:00 ICU oxygen saturation 78 % alarm {number(lead.id)} {URL}"


@pytest.mark.parametrize("text", Detail)
def test_an_email_without_the_patients_data_has_no_more_than_the_wards_sms(
    event: MakeEvent, admission: Callable[..., Admission], text: Detail
) -> None:
    setting = Messages(text=text, email_patient=False)
    body = email([event(bed="bed-7", value=78.0)], [admission()], [URL], 0, settings=[setting])
    assert not [secret for secret in ("Ada", "Brandt", "+44", "Rowan", "p-1") if secret in body]
    assert ("bed-7" in body) is (text is not Detail.MINIMAL)
    assert ("78" in body) is (text is Detail.BED_AND_SIGN)
    assert URL in body


def test_the_notifier_follows_each_wards_setting(station: Station, event: MakeEvent, contact: MakeContact) -> None:
    both = contact("nurse", email="nurse@example.org")
    station.enter(
        Rota(ward="icu", version=1, contacts=(both,), messages=Messages(text=Detail.MINIMAL, email_patient=False))
    )
    notifier = station.start()
    station.alarm(event(bed="bed-7"))
    station.settle(notifier)
    [text] = [text for _, text in station.phones.got]
    assert "bed-7" not in text
    station.enter(Rota(ward="icu", version=2, contacts=(both,), messages=Messages(text=Detail.BED_AND_SIGN)))
    station.alarm(event("p-2", bed="bed-8"))
    station.settle(notifier)
    assert "bed-8" in station.phones.got[-1][1]


def test_a_rota_of_before_the_setting_opens_with_the_default_and_a_new_rota_keeps_the_setting(
    station: Station, contact: MakeContact
) -> None:
    old = msgspec.json.encode({"ward": "icu", "version": 1, "contacts": [], "proof": True})
    opened = decoded(old, kind_of(b"icu"))
    assert isinstance(opened, Rota)
    assert opened.messages == Messages(text=Detail.BED, link=Detail.BED_AND_SIGN, email_patient=True)
    wanted = Messages(text=Detail.MINIMAL, link=Detail.BED, email_patient=False)
    rows = [("icu", contact("nurse"))]
    log, out = station.log, io.StringIO()
    for messages in (wanted, None):
        reader, writer = MemoryReader(log), MemoryWriter(log)
        rota.change(reader, writer, rows, station.now, whole=True, out=out, messages=messages)
    kept = decoded(log.records("contacts")[-1].value or b"", Rota)
    assert kept.messages == wanted


def test_the_command_takes_the_setting_in_words_and_refuses_others(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ("bed", "bed,bed,all", "name,bed,none"):
        with pytest.raises(SystemExit):
            rota.run(["rota.csv", "--messages", words], {})
        assert "--messages" in capsys.readouterr().err
