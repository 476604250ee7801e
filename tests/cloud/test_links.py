"""Acknowledge links: only ours open, for one alarm and one contact, until their time is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.ack_links import AckToken, LinkError, LinkExpiredError, sign_token, verify_token

KEY = "an invented key of 32 characters"
T0 = 1_763_812_800_000
ALARMS = ("P-1003.spo2.1763812798123", "P-1004.hr.1763812798123")
CONTACTS = ("nurse", "doctor")
LINK = AckToken(ALARMS[0], CONTACTS[0], T0 + 3_600_000)


def check(token: str, *, key: str = KEY, now: int = T0) -> AckToken:
    return verify_token(key, token, alarms=ALARMS, contacts=CONTACTS, now=now)


@given(st.sampled_from(ALARMS), st.sampled_from(CONTACTS), st.integers(1, 10**8))
def test_a_token_opens_the_alarm_and_contact_that_it_was_made_for(alarm: str, contact: str, seconds: int) -> None:
    link = AckToken(alarm, contact, T0 + 1000 * seconds)
    token = sign_token(KEY, link)
    assert check(token) == link
    assert len(token) == 30


@given(st.integers(0, 29), st.sampled_from("abcXYZ019-_"))
def test_a_token_with_any_character_changed_opens_nothing(place: int, other: str) -> None:
    token = sign_token(KEY, LINK)
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(LinkError):
            check(changed)


@given(st.text(max_size=40))
def test_any_other_text_opens_nothing(text: str) -> None:
    with pytest.raises(LinkError):
        check(text)


def test_a_token_is_over_at_its_time_and_says_so() -> None:
    token = sign_token(KEY, LINK)
    assert check(token, now=LINK.expires - 1) == LINK
    with pytest.raises(LinkExpiredError):
        check(token, now=LINK.expires)


def test_a_token_made_with_another_key_opens_nothing() -> None:
    with pytest.raises(LinkError):
        check(sign_token(KEY[::-1], LINK))


def test_a_token_for_an_alarm_or_contact_that_is_unknown_here_opens_nothing() -> None:
    for link in (AckToken("P-1.hr.1", "nurse", LINK.expires), AckToken(ALARMS[0], "porter", LINK.expires)):
        with pytest.raises(LinkError):
            check(sign_token(KEY, link))


def test_a_token_shows_no_patient_sign_or_contact() -> None:
    token = sign_token(KEY, LINK)
    for secret in ("1003", "spo2", "nurse"):
        assert secret not in token


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="LINK_KEY"):
        sign_token("too short", LINK)
