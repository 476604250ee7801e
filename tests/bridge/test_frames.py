import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.mqtt import packets
from bridge.mqtt.packets import FrameError, Message, Receipt


def publish(topic: bytes, payload: bytes, mid: int | None, properties: bytes = b"") -> bytes:
    """A PUBLISH as a broker sends it (OASIS MQTT 5.0, 3.3)."""
    body = len(topic).to_bytes(2, "big") + topic + (b"" if mid is None else mid.to_bytes(2, "big"))
    body += bytes((len(properties),)) + properties + payload
    size, head = len(body), bytearray((0x30 if mid is None else 0x3A,))
    while True:
        size, digit = divmod(size, 128)
        head.append(digit | (128 if size else 0))
        if not size:
            return bytes(head) + body


ANSWER = bytes((0xD0, 0))
"""PINGRESP, which is paho's."""
messages = st.tuples(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=300),
    st.one_of(st.none(), st.integers(1, 0xFFFF)),
    st.binary(max_size=20),
)


@given(st.lists(messages, max_size=6), st.integers(1, 50))
def test_messages_come_out_whole_however_the_stream_is_cut_and_the_rest_is_pahos(
    sent: list[tuple[str, bytes, int | None, bytes]], size: int
) -> None:
    stream = b"".join(publish(topic.encode(), payload, mid, more) + ANSWER for topic, payload, mid, more in sent)
    found, others, rest = [], b"", b""
    for at in range(0, len(stream), size):
        new, more, rest = packets.split(rest + stream[at : at + size], 7)
        found += new
        others += more
    assert found == [Message(topic, payload, Receipt(7, mid) if mid else None) for topic, payload, mid, _ in sent]
    assert others == ANSWER * len(sent)
    assert rest == b""


@given(st.text(min_size=1, max_size=50), st.binary(max_size=400))
def test_what_is_published_is_what_a_receiver_reads(topic: str, payload: bytes) -> None:
    assert packets.split(packets.publish(topic.encode(), payload), 1) == ([Message(topic, payload)], b"", b"")


def test_an_acknowledgement_names_its_message() -> None:
    assert packets.puback(0x1234) == bytes((0x40, 2, 0x12, 0x34))


def test_a_topic_that_is_not_utf_8_is_a_message_without_a_name_that_can_still_be_acknowledged() -> None:
    (message,), _, _ = packets.split(publish(b"gateways/\xff", b"x", 9), 1)
    assert message == Message("", b"x", Receipt(1, 9))


@given(st.binary(max_size=100))
def test_any_bytes_are_split_or_end_the_connection(data: bytes) -> None:
    try:
        found, others, rest = packets.split(data, 1)
    except FrameError:
        return
    assert sum(len(m.payload) for m in found) + len(others) + len(rest) <= len(data)


@pytest.mark.parametrize(
    "data", [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\x7f", b"\x32\x02\x00\x09", b"\x30\x03\x00\x00\x05"]
)
def test_a_length_that_cannot_be_ends_the_connection(data: bytes) -> None:
    with pytest.raises(FrameError):
        packets.split(data, 1)
