"""The command line, tail, topics and settings."""

import importlib
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from cloud import __main__ as cli
from cloud.cli import tail
from cloud.cli import topics as topics_job
from cloud.kafka import partitions
from cloud.kafka.port import KafkaUnavailableError, Record
from cloud.kafka.settings import Kafka, Topics
from cloud.settings import Notify, Watch
from vitals.alarm_events import AlarmEvent, encode
from vitals.readings import Readings
from vitals.runtime.settings import SettingsError, load
from vitals.wire import topics


def test_an_unknown_job_is_named_and_the_known_ones_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["wach"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("unknown job 'wach'")
    assert all(job in said for job in (*cli.DAEMONS, *cli.COMMANDS))


def test_a_daemon_refuses_arguments_that_it_would_not_heed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["watch", "--fast"]) == 2
    assert "takes no arguments" in capsys.readouterr().err


def test_a_job_loads_only_its_own_libraries() -> None:
    code = "import sys; import cloud.__main__, cloud.notify.job; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    assert "'ray'" not in done.stdout
    assert "'pyspark'" not in done.stdout


def test_a_reading_is_one_line_with_its_breaches_marked(
    reading: Callable[..., Readings], scored: Callable[..., bytes]
) -> None:
    value = scored(3, 9, reading("p-1", 1_763_812_800_000, 78), reading("p-2", 1_763_812_800_500, 97))
    record = Record(topics.SCORED, 3, 0, 1, b"3", value)
    assert len(list(tail.lines(record, None))) == 2
    (line,) = tail.lines(record, "p-1")
    assert line.startswith("2025-11-22T12:00:00.000+00:00 icu icu-01 p-1 mon-icu-01/7/")
    assert "spo2=78!!" in line
    assert "hr=72 " in line


def test_an_event_is_shown_to_those_who_ask_for_its_patient_alone(event: Callable[..., AlarmEvent]) -> None:
    record = Record(topics.ALARMS, 0, 0, 1, b"gw-icu", encode(event(patient="p-1", subject="mon-1")))
    assert len(list(tail.lines(record, "p-1"))) == len(list(tail.lines(record, None))) == 1
    assert not list(tail.lines(record, "p-2"))


def test_bytes_that_are_no_record_are_told_and_passed_over() -> None:
    (line,) = tail.lines(Record(topics.SCORED, 3, 5, 1, b"3", b"{"), None)
    assert line.startswith("vitals.scored[3]@5 cannot be read")


def test_compacted_topics_are_compacted_and_the_others_kept_as_long_as_they_should() -> None:
    by_name = {topic.name: topics_job.config(topic, 3) for topic in topics.TOPICS}
    assert by_name["patients"]["cleanup.policy"] == "compact"
    assert by_name["alarms"]["retention.ms"] == str(30 * 86_400_000)
    assert all(config["min.insync.replicas"] == "2" for config in by_name.values())


def test_what_log_time_is_made_of_is_dated_by_kafka_also_in_topics_that_were_made_before(own_kafka: str) -> None:
    settings = Topics(kafka_bootstrap=own_kafka)
    admin = AdminClient(settings.client())
    made = [NewTopic(topic.name, 16 if topic.by_lane else 1, 1) for topic in topics.TOPICS]
    for done in admin.create_topics(made).values():
        done.result(30.0)
    topics_job.ensure(settings)
    producer, now = Producer(settings.client()), time.time_ns() // 1_000_000

    def stored(topic: str) -> int:
        """Writes with a clock that is a day ahead: of a topic that believes it Kafka refuses that for good."""
        found: list[int] = []
        note = lambda error, message: found.append(0 if error else message.timestamp()[1])  # noqa: E731
        producer.produce(topic, b"{}", b"k", partition=0, timestamp=now + 86_400_000, on_delivery=note)
        producer.flush(30.0)
        return found[0]

    ends = now + 30_000
    for topic in (topics.VITALS, topics.STATUS, topics.ACTIONS, topics.PATIENTS, topics.REJECTED):
        # Settings act a moment after Kafka has taken them.
        while not (t := stored(topic)):
            assert time.time_ns() // 1_000_000 < ends, topic
        assert abs(t - now) < 60_000


def test_creating_topics_twice_changes_nothing(kafka: str) -> None:
    settings = Topics(kafka_bootstrap=kafka)
    topics_job.ensure(settings)
    assert topics_job.ensure(settings) == []


def test_contacts_duties_and_beds_are_loaded_from_files_and_a_contact_is_removed(
    kafka: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    one, ward = f"n-{uuid.uuid4().hex[:8]}", f"w-{uuid.uuid4().hex[:8]}"
    times = "2025-01-01T00:00:00+00:00,2045-01-01T00:00:00+00:00"
    files = {
        "contacts": f"contact,name,phone\n{one},Bela Holt,+441632960001\n",
        "duty": f"ward,contact,start,end,role\n{ward},{one},{times},charge\n",
        "beds": f"ward,bed,nurse,start,end\n{ward},{ward}-01,{one},{times}\n",
    }
    environ = {"KAFKA_BOOTSTRAP": kafka}

    def run(command: str, *words: str) -> int:
        module: str = cli.COMMANDS[command][0]
        done: int = importlib.import_module(module).run(words, environ)
        return done

    for command, text in files.items():
        path = tmp_path / f"{command}.csv"
        path.write_text(text)
        assert run(command, str(path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 contacts",
        "1 duties on 1 wards",
        "1 assignments on 1 wards",
    ]
    claim = tmp_path / "claim.csv"
    claim.write_text(f"ward,contact,name,start,end,phone\nx{ward},{one},Eve,{times},+441632960002\n")
    assert run("duty", str(claim)) == 1
    assert "an admin of all wards may change" in capsys.readouterr().err
    assert run("contacts", "--leave", one) == 0
    assert capsys.readouterr().out == f"{one} has left; on the rota of {ward}\n"
    assert run("contacts", "--leave", one) == 1


def test_topics_of_another_number_of_partitions_are_refused_and_none_is_changed(kafka: str) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    before = partitions.found(Kafka(kafka_bootstrap=kafka))
    wrong = Topics(kafka_bootstrap=kafka, lanes=32, partitions=32)
    with pytest.raises(
        KafkaUnavailableError, match=r"PARTITIONS=32, but vitals has 16, .*set PARTITIONS=16.*docs/deploy\.md"
    ):
        topics_job.ensure(wrong)
    assert partitions.found(wrong) == before


def test_topics_that_disagree_with_each_other_are_told_without_a_number_that_would_be_wrong() -> None:
    settings = Kafka(kafka_bootstrap="k:1", lanes=32, partitions=32)
    partitions.agree({}, settings)
    partitions.agree({topics.VITALS: 32, topics.CONTACTS: 1, "somebody-elses": 7}, settings)
    with pytest.raises(KafkaUnavailableError, match="vitals has 16, alarms has 8") as told:
        partitions.agree({topics.VITALS: 16, topics.ALARMS: 8}, settings)
    assert "set PARTITIONS" not in str(told.value)


@pytest.mark.parametrize(
    "words",
    [
        ("watch",),
        ("notify",),
        ("discharge", "p-1"),
        ("act", "chart", "--patient", "p-1", "--by", "nurse", "--oxygen", "yes"),
        ("canary", "gw-icu"),
    ],
    ids=lambda words: words[0],
)
def test_nothing_works_on_topics_of_another_number_of_partitions(
    kafka: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    topics_job.ensure(Topics(kafka_bootstrap=kafka))
    mine = {"KAFKA_BOOTSTRAP": kafka, "LANES": "8", "PARTITIONS": "8", "WATCH_SNAPSHOTS": tmp_path.as_uri()}
    argv = [sys.executable, "-m", "cloud", *words]
    done = subprocess.run(argv, env=os.environ | mine, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own words
    assert done.returncode != 0
    assert "PARTITIONS=8, but vitals has 16" in done.stderr
    assert "set PARTITIONS=16" in done.stderr


@pytest.mark.parametrize(
    ("kind", "environ", "complaint"),
    [
        (Kafka, {}, "KAFKA_BOOTSTRAP is not set"),
        (Kafka, {"KAFKA_BOOTSTRAP": "x", "PARTITIONS": "17"}, "PARTITIONS=17 must be 1 to LANES=16"),
        (Kafka, {"KAFKA_BOOTSTRAP": "x", "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_SASL_MECHANISM"),
        (Watch, {"KAFKA_BOOTSTRAP": "x"}, "WATCH_SNAPSHOTS is not set"),
        (Watch, {"KAFKA_BOOTSTRAP": "x", "WATCH_SNAPSHOTS": "file:///x", "WATCH_SHARDS": "0"}, "WATCH_SHARDS=0"),
        (Notify, {"KAFKA_BOOTSTRAP": "x", "NOTIFY_ATTEMPTS": "0"}, "NOTIFY_ATTEMPTS"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(kind: type, environ: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        load(kind, environ)
