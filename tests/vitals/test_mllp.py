"""MLLP frames and acknowledgements, as bytes."""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitals.hl7 import header, mllp

MESSAGES = st.lists(st.binary(min_size=1, max_size=60).filter(lambda m: b"\x1c\r" not in m and m[-1:] != b"\x1c"))


@given(MESSAGES, st.lists(st.integers(1, 9), min_size=1))
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(messages: list[bytes], cuts: list[int]) -> None:
    stream, unframer, found, k = b"\r\n".join(map(mllp.frame, messages)), mllp.Unframer(), [], 0
    while stream:
        size = cuts[k % len(cuts)]
        found += unframer.feed(stream[:size])
        stream, k = stream[size:], k + 1
    assert found == messages


@pytest.mark.parametrize("stream", [b"GET / HTTP/1.1\r\n", b"\x0b" + b"x" * 101, b"\x0b" + b"x" * 101 + b"\x1c\r"])
def test_what_is_no_mllp_ends_the_stream(stream: bytes) -> None:
    with pytest.raises(mllp.MllpError):
        mllp.Unframer(100).feed(stream)


def test_messages_before_the_damage_are_returned_first() -> None:
    unframer = mllp.Unframer()
    assert unframer.feed(b"\x0bone\x1c\rtwo") == [b"one"]
    with pytest.raises(mllp.MllpError, match="0x74"):
        unframer.feed(b"")


def test_an_acknowledgement_has_the_senders_delimiters_and_control_id_and_a_readable_reason() -> None:
    asked = header.read(b"MSH$%~\\&$mon%0123$ward$wardwatch$here$20260101$$ORU%R01$c-7$P$2.4\rPID$1\r")
    answer = hl7.parse(
        header.acknowledgement(asked, header.Code.ERROR, 1_767_225_600_000, "50 % of $5\rMSA$AA").decode()
    )
    assert str(answer["MSH"][0][9]) == "ACK%R01"
    assert [str(answer["MSH"][0][k]) for k in (3, 4, 5, 6, 7)] == [
        "wardwatch",
        "here",
        "mon%0123",
        "ward",
        "20260101000000+0000",
    ]
    assert [str(part) for part in answer["MSA"][0]] == ["MSA", "AE", "c-7", r"50 \S\ of \F\5 MSA\F\AA"]
    assert hl7.parse(header.acknowledgement(asked, header.Code.ACCEPT, 1).decode())["MSA"][0][1] == ["AA"]


@pytest.mark.parametrize("message", [b"", b"MSH", b"MSH|^~\\&", b"PID|1|2|3|4|5", b"MSH|||||||||", b"MSHA^~\\&Axxxxx"])
def test_a_message_without_a_header_is_refused_with_its_reason(message: bytes) -> None:
    with pytest.raises(header.HeaderError):
        header.read(message)
    assert b"MSA|AR||no header" in header.acknowledgement(header.Header(), header.Code.REJECT, 1, "no header")
