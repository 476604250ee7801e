"""An SMS is one part in the alphabet in which it is sent: of two parts the second may be late, alone or missing."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud.ack_links import number
from cloud.notify.messages import sms_part
from cloud.notify.messages.templates import Links, sms
from tests.cloud.conftest import MakeEvent
from tests.cloud.sms_oracle import BASIC, EXTENSION, one_part

KEY = "an invented key of 32 characters"
CONSOLE = "https://wardwatch.hospital.example.org"
T0 = 1_763_812_800_000
TEXTS = st.one_of(
    st.text(max_size=200),
    st.text(st.sampled_from(sorted(BASIC | EXTENSION)), max_size=200),
    st.text(st.sampled_from("ŁódźOIT abc€{}"), max_size=200),
)


@given(TEXTS)
@example("a" * 160)
@example("a" * 161)
@example("€" * 80)
@example("€" * 80 + "a")
@example("ж" * 70)
@example("ж" * 71)
@example("😀" * 35)
@example("😀" * 35 + "a")
def test_a_text_is_counted_in_the_alphabet_in_which_it_is_sent(text: str) -> None:
    assert sms_part.one(text) == one_part(text)


@given(ward=TEXTS, tails=st.lists(TEXTS, min_size=1, max_size=4), head=TEXTS)
def test_whatever_the_ward_and_the_texts_an_sms_is_one_part(ward: str, tails: list[str], head: str) -> None:
    assert one_part(sms_part.fitted(ward, tails, head))


@pytest.mark.parametrize(
    ("ward", "told"),
    [
        ("Łódź-OIT", "LODZ-OIT"),
        ("Çukurova", "ÇUKUROVA"),
        ("Neuro İ", "NEURO I"),
        ("Ångström", "ÅNGSTRÖM"),
        ("ΘΩ", "ΘΩ"),
    ],
)
def test_a_ward_outside_the_alphabet_is_spelled_in_it_and_the_link_stays_whole(
    event: MakeEvent, ward: str, told: str
) -> None:
    lead = event(ward=ward)
    url = Links(CONSOLE, KEY).to(lead.id, "nurse", T0)
    text = sms([lead], url)
    assert text == f"HIGH icu-01 12:00 {told} alarm {number(lead.id)} {url}"
    assert one_part(text)


def test_a_ward_without_any_letter_of_the_alphabet_is_told_as_it_is_with_the_alarms_number(event: MakeEvent) -> None:
    lead = event(ward="реанимация")
    text = sms([lead], Links(CONSOLE, KEY).to(lead.id, "nurse", T0))
    assert text == f"HIGH icu-01 12:00 РЕАНИМАЦИЯ alarm {number(lead.id)}"
    assert one_part(text)
