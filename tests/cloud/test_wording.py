"""Language and zone of messages and links' pages: complete in each language; times as the ward's clock shows them."""

import re
import string
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud.ack_links import number
from cloud.notify.messages.email_body import email
from cloud.notify.messages.templates import sms, subject
from cloud.settings import Notify
from cloud.wording import Language, Wording, english, german, wording
from tests.cloud.conftest import MakeEvent
from tests.cloud.sms_oracle import one_part
from vitals.admissions import Admission
from vitals.alarm_events import Kind
from vitals.conditions import CATALOGUE
from vitals.contacts import Detail
from vitals.incidents import problem
from vitals.runtime.settings import SettingsError, load
from vitals.signs import FIELDS

URL = "https://wardwatch.example.org/a/T0ken"
CLOUD = Path(__file__).parents[2] / "cloud"
BERLIN = wording("de", "Europe/Berlin")


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_key_is_missing_in_either_language() -> None:
    assert english.TEXTS.keys() == german.TEXTS.keys()
    for key, text in english.TEXTS.items():
        assert placeholders(text) == placeholders(german.TEXTS[key]), key
        assert text.strip(), key
        assert german.TEXTS[key].strip(), key


def test_every_sign_condition_and_problem_has_a_name_in_each_language() -> None:
    problems = {problem(condition, low=low) for condition in (*FIELDS, *CATALOGUE) for low in (True, False)} - {None}
    wanted = {f"sign.{field}" for field in FIELDS} | {f"condition.{name}" for name in CATALOGUE}
    wanted |= {f"problem.{name}" for name in problems}
    for texts in (english.TEXTS, german.TEXTS):
        assert wanted <= texts.keys()


def test_every_text_that_a_message_or_page_asks_for_is_there() -> None:
    asked: set[str] = set()
    for path in (*CLOUD.glob("notify/**/*.py"), *CLOUD.glob("console/pages/*.html"), *CLOUD.glob("console/pages/*.py")):
        asked |= set(re.findall(r'\bwording\("([\w.-]+)"[,)]', path.read_text()))
    assert len(asked) > 50
    assert asked <= english.TEXTS.keys()


def test_a_german_message_has_no_english_word(event: MakeEvent, admission: Callable[..., Admission]) -> None:
    lead = event(value=78.0, limit=85.0, recent=((0, 92.0),))
    told = sms([lead, event("p-2")], URL, Detail.BED_AND_SIGN, BERLIN)
    assert (
        told
        == f"HOCH icu-01 13:00 ICU Sauerstoffsättigung 78 % Alarm {number(lead.id)} und 1 weiterer Alarm in ICU {URL}"
    )
    assert one_part(told)
    body = email([lead], [admission()], [URL], lead.t, wording=BERLIN)
    for part in (
        "HOCH physiologischer Alarm",
        "Sauerstoffsättigung 78 % (Grenze 85)",
        "67 Jahre",
        "Station: icu, Bett: icu-01",
    ):
        assert part in body
    assert "Seit: 22.11.2025 13:00:00 CET" in body
    texts = told + body + subject([lead], wording=BERLIN)
    assert not re.search(r"\b(alarm|HIGH|ward|bed|Since|limit|years|none|of|the)\b", texts.replace(URL, ""))


def test_times_are_of_the_deployments_zone_in_winter_and_summer() -> None:
    summer = round(datetime(2026, 7, 1, 0, 30, tzinfo=UTC).timestamp() * 1000)
    winter = round(datetime(2026, 1, 1, 0, 30, tzinfo=UTC).timestamp() * 1000)
    assert (BERLIN.clock(summer), BERLIN.clock(winter)) == ("02:30", "01:30")
    assert Wording().moment(summer) == "2026-07-01 00:30:00 UTC"
    assert BERLIN.moment(summer) == "01.07.2026 02:30:00 CEST"


@pytest.mark.parametrize(
    ("name", "value"),
    [("MESSAGE_LANGUAGE", "fr"), ("MESSAGE_TIME_ZONE", "Europe/Nowhere"), ("MESSAGE_TIME_ZONE", "../x")],
)
def test_an_unknown_language_or_zone_is_refused_at_the_start(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        load(Notify, {"KAFKA_BOOTSTRAP": "nowhere:1", name: value})


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("detail", Detail)
@pytest.mark.parametrize("kind", Kind)
def test_a_lock_screen_shows_priority_bed_and_time_first(
    event: MakeEvent, language: Language, detail: Detail, kind: Kind
) -> None:
    lead = event(kind=kind, bed="a-bed-with-a-long-name")
    words = Wording(language)
    shown = sms([lead] * 20, URL, detail, words)[:40]
    priority = {Language.EN: "HIGH", Language.DE: "HOCH"}[language]
    bed = "" if detail is Detail.MINIMAL else "a-bed-with-a-lon "
    assert shown.startswith(f"{priority} {bed}12:00 ICU")
    assert one_part(sms([lead] * 20, URL, detail, words))
    assert subject([lead], detail, words).startswith(f"{priority} {bed}12:00, ")
