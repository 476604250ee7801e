"""ADT on the log: acknowledgements, restarts, answers, files, any bytes."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from cloud.admissions.adt.answers import publish
from cloud.admissions.adt.desk import Desk
from cloud.admissions.adt.locations import LocationMap, parse
from cloud.admissions.adt.parse import MAX_BYTES, Reader, RefusedError
from cloud.admissions.adt.records import Answer, Doubt, Question, Trigger, Verdict
from cloud.adt import folder
from cloud.adt.last_signs import OLD_S, LastSigns
from cloud.adt.listener import Listener
from cloud.adt.settings import Adt
from cloud.adt.station import Station
from cloud.alarm.query.answers import PatientNow
from cloud.cli.questions import lines, open_questions
from cloud.console.live.alarm_state import AlarmStateSnapshot, MemoryState
from cloud.kafka.in_memory import MemoryLog, MemoryReader, MemoryWriter
from cloud.kafka.partitioning import Partitioning
from cloud.kafka.port import KafkaUnavailableError
from tests.cloud.adt.counter import MAP, MINUTE, T0, message, pid
from vitals.admissions import Admission
from vitals.hl7.mllp import END, START, Unframer, frame
from vitals.wire import topics

LAYOUT = Partitioning(4, 4)
ICU = "PV1|1|I|ICU^1^1^GH"


def station(log: MemoryLog, sends: dict[str, int] | None = None) -> Station:
    places = LocationMap(row for _, row in parse(MAP.splitlines()).rows)
    made = Station(
        Desk(places, lambda who: (sends or {}).get(who, 0)), Reader(), MemoryReader(log), MemoryWriter(log), LAYOUT
    )
    made.start(T0)
    return made


def present(log: MemoryLog) -> dict[str, str]:
    newest = {}
    for record in log.records(topics.PATIENTS):
        one = msgspec.json.decode(record.value or b"", type=Admission)
        newest[one.patient] = None if one.discharged else one.bed
    return {who: bed for who, bed in newest.items() if bed is not None}


def asked(log: MemoryLog) -> list[Question]:
    return open_questions(log.records(topics.ADT))


def test_a_message_is_accepted_once_both_topics_have_it_and_a_repeat_writes_nothing() -> None:
    log = MemoryLog(lambda: T0)
    made = station(log)
    raw = message("A01", T0, "4711", pid("p-1"), ICU)
    assert b"\rMSA|AA|4711\r" in made.receive(raw, T0)
    assert present(log) == {"p-1": "icu-01"}
    before = len(log.records(topics.ADT)), len(log.records(topics.PATIENTS))
    assert b"\rMSA|AA|4711\r" in made.receive(raw, T0 + MINUTE)
    assert (len(log.records(topics.ADT)), len(log.records(topics.PATIENTS))) == before


def test_a_message_that_the_log_does_not_take_is_not_acknowledged() -> None:
    class Down(MemoryWriter):
        def flush(self, timeout_s: float = 30.0) -> dict[tuple[str, int], int]:
            raise KafkaUnavailableError("no broker")

    log = MemoryLog(lambda: T0)
    made = station(log)
    made.writer = Down(log)
    with pytest.raises(KafkaUnavailableError):
        made.receive(message("A01", T0, "1", pid("p-1"), ICU), T0)


def test_a_crash_between_the_two_topics_is_made_good_by_the_next_start() -> None:
    whole, cut = MemoryLog(lambda: T0), MemoryLog(lambda: T0)
    station(whole).receive(message("A01", T0, "1", pid("p-1"), ICU), T0)
    for record in whole.records(topics.ADT):
        cut.append(record.place, record.key, record.value)
    assert present(cut) == {}
    station(cut)
    assert present(cut) == {"p-1": "icu-01"}


def test_a_restart_knows_repeats_and_open_questions() -> None:
    log = MemoryLog(lambda: T0)
    raw = message("A03", T0, "2", pid("p-1"))
    made = station(log, {"p-1": T0})
    made.receive(message("A01", T0 - MINUTE, "1", pid("p-1"), ICU), T0)
    made.receive(raw, T0)
    again = station(log, {"p-1": T0})
    before = len(log.records(topics.ADT))
    again.receive(raw, T0)
    assert len(log.records(topics.ADT)) == before
    assert [q.doubt for q in asked(log)] == [Doubt.SIGNS_ARRIVE]


def test_an_answer_on_its_topic_is_obeyed_also_if_it_came_while_nothing_ran() -> None:
    for running in (True, False):
        log = MemoryLog(lambda: T0)
        made = station(log, {"p-1": T0})
        made.receive(message("A01", T0 - MINUTE, "1", pid("p-1"), ICU), T0)
        made.receive(message("A03", T0, "2", pid("p-1")), T0)
        (question,) = asked(log)
        publish(MemoryWriter(log), Answer(question=question.id, verdict=Verdict.YES, by="bela", t=T0))
        if running:
            made.step(T0)
        else:
            station(log, {"p-1": T0})
        assert (present(log), asked(log)) == ({}, [])


def test_a_monitor_that_falls_silent_lets_a_transfer_go_without_a_further_message() -> None:
    log, sends = MemoryLog(lambda: T0), {"p-1": T0}
    made = station(log, sends)
    made.receive(message("A01", T0 - MINUTE, "1", pid("p-1"), ICU), T0)
    made.receive(message("A02", T0, "2", pid("p-1"), "PV1|1|I|ICU^1^2^GH"), T0)
    made.step(T0 + MINUTE)
    assert present(log) == {"p-1": "icu-01"}
    made.step(T0 + 2 * MINUTE)
    assert present(log) == {"p-1": "icu-02"}


def test_an_erased_patients_file_is_forgotten() -> None:
    log = MemoryLog(lambda: T0)
    made = station(log)
    made.receive(message("A01", T0, "1", pid("p-1"), ICU), T0)
    log.append((topics.ADT, 0), b"p-1", None)
    made.step(T0)
    assert "p-1" not in made.desk.census.files


def test_a_refused_message_is_on_the_list_until_a_person_has_seen_it() -> None:
    log = MemoryLog(lambda: T0)
    made = station(log)
    answer = made.receive(message("A01", T0, "9", "PID|1||||Ford"), T0)
    assert b"\rMSA|AE|9|the message has no patient id\r" in answer
    (question,) = asked(log)
    assert question.text == "Message 9: the message has no patient id"
    assert question.id in "\n".join(lines(asked(log)))
    publish(MemoryWriter(log), Answer(question=question.id, verdict=Verdict.NO, by="bela", t=T0))
    made.step(T0)
    assert asked(log) == []
    assert b"MSA|AR|" in made.receive(b"hello", T0)


def test_any_bytes_are_movements_or_a_refusal_with_its_reason() -> None:
    rng = random.Random(25)  # noqa: S311 - a test's seed
    whole = message("A40", T0, "1", pid("p-1", "Ford\\T\\Co^Ann"), "MRG|p-2^^^GH^MR", ICU)
    taken = refused = 0
    for _ in range(3000):
        raw = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(raw))
            raw[at : at + rng.choice((0, 1, 1, 9, 40))] = rng.randbytes(rng.choice((0, 1, 1, 7)))
            raw = raw or bytearray(b"x")
        try:
            Reader().read(bytes(raw), T0)
            taken += 1
        except RefusedError as error:
            refused += bool(str(error))
    assert taken + refused == 3000
    assert taken > 300
    assert refused > 300
    with pytest.raises(RefusedError, match="bytes"):
        Reader().read(whole + b"X" * MAX_BYTES, T0)
    assert Reader().read(message("A31", T0, "1", pid("p-1")), T0) == ()


def test_times_ids_and_delimiters_of_a_message_are_read_as_the_standard_has_them() -> None:
    text = message("A01", T0, "1", "PID|1||77^^^OTHER^PI~p-1^^^GH^MR||F\\S\\x^Ann", ICU).decode()
    (one,) = Reader().read(text.replace("+0000", "+0130").encode(), T0)
    assert (one.trigger, one.patient, one.name) == (Trigger.ADMIT, "p-1", "Ann F^x")
    assert one.t == T0 - 90 * MINUTE
    (other,) = Reader(authority="OTHER").read(text.replace("\r", "\r\n").encode(), T0)
    assert other.patient == "77"
    (ahead,) = Reader().read(message("A01", T0 + 10**10, "1", pid("p-1"), ICU), T0)
    assert ahead.t == T0 + 5 * MINUTE


@contextmanager
def listening(made: Station, failed: threading.Event) -> Iterator[Listener]:
    listener = Listener(("127.0.0.1", 0), lambda raw: made.receive(raw, T0), failed.set)
    try:
        yield listener
    finally:
        listener.close()


def exchange(port: int, *chunks: bytes) -> list[bytes]:
    unframer, found = Unframer(), list[bytes]()
    with socket.create_connection(("127.0.0.1", port), 10) as sender:
        for chunk in chunks:
            sender.sendall(chunk)
        while received := sender.recv(65536):
            found += unframer.feed(received)
            if len(found) == b"".join(chunks).count(END):
                return found
    return found


def test_a_sender_gets_an_acknowledgement_for_each_frame_however_it_is_cut() -> None:
    log, failed = MemoryLog(lambda: T0), threading.Event()
    stream = frame(message("A01", T0, "1", pid("p-1"), ICU)) + frame(b"MSH|^~\\&|X")
    with listening(station(log), failed) as listener:
        answers = exchange(listener.port, stream[:50], stream[50:])
        # Bytes outside a frame end the connection, and no other.
        assert exchange(listener.port, b"GET / HTTP/1.1\r\n\r\n") == []
        assert b"MSA|AA|1" in exchange(listener.port, stream[: stream.index(END) + 2])[0]
    assert b"MSA|AA|1" in answers[0]
    assert b"MSA|AR|" in answers[1]
    assert not failed.is_set()


def test_a_sender_whose_message_is_not_stored_is_cut_off_and_the_job_told() -> None:
    class Down(MemoryWriter):
        def flush(self, timeout_s: float = 30.0) -> dict[tuple[str, int], int]:
            raise KafkaUnavailableError("no broker")

    log, failed = MemoryLog(lambda: T0), threading.Event()
    made = station(log)
    made.writer = Down(log)
    with listening(made, failed) as listener:
        assert exchange(listener.port, frame(message("A01", T0, "1", pid("p-1"), ICU))) == []
        assert failed.wait(10)


def test_files_with_frames_batches_or_plain_messages_are_read_once_and_move(tmp_path: Path) -> None:
    log = MemoryLog(lambda: T0)
    made = station(log)
    one, two = (message("A01", T0, str(n), pid(f"p-{n}"), f"PV1|1|I|ICU^1^{n}^GH") for n in (1, 2))
    (tmp_path / "a.hl7").write_bytes(b"FHS|^~\\&\rBHS|^~\\&\r" + one + two.replace(b"\r", b"\r\n") + b"BTS|2\rFTS|1\r")
    (tmp_path / "b.hl7").write_bytes(START + message("A03", T0, "3", pid("p-2")) + END)
    (tmp_path / "c.hl7").write_bytes(b"nothing of that kind")
    (tmp_path / "d.part").write_bytes(one)
    assert folder.take(tmp_path, lambda raw: made.receive(raw, T0)) == 3
    assert present(log) == {"p-1": "icu-01"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.part", "done", "refused"]
    assert (tmp_path / "done" / "a.hl7.ack").read_bytes().count(b"MSA|AA") == 2
    assert (tmp_path / "refused" / "c.hl7").exists()


def test_the_time_of_a_last_sign_is_unknown_while_the_alarm_engine_is_silent() -> None:
    clock = [100.0]
    state = MemoryState(AlarmStateSnapshot({"p-1": PatientNow("p-1", "icu", T0, {})}, (), T0))
    signs = LastSigns(state, lambda: clock[0])
    assert signs("p-1") is None
    signs.look()
    assert (signs("p-1"), signs("p-2")) == (T0, 0)
    state.down = "gone"
    clock[0] += OLD_S + 1
    signs.look()
    assert signs("p-1") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"adt_listen": "2575"},
        {"adt_listen": "0.0.0.0:2575"},
        {"adt_listen": ""},
        {"adt_tls_cert": Path("x")},
        {"adt_tls_ca": Path("x")},
        {"adt_time_zone": "Mars/Olympus"},
    ],
)
def test_settings_that_would_lose_or_expose_messages_are_refused(wrong: dict[str, object]) -> None:
    usual: dict[str, object] = {"kafka_bootstrap": "x:1", "adt_locations": Path("map.csv")}
    Adt(**usual)  # type: ignore[arg-type] # built by name
    with pytest.raises(ValueError, match="ADT_"):
        Adt(**(usual | wrong))  # type: ignore[arg-type] # see above
