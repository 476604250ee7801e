"""What runs in AWS beside the parts: Lambda functions, the start of a Spark job, the entry of a container."""

import importlib
import json
import os
import subprocess
import sys
import types
import uuid
from collections.abc import Mapping
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.aws.functions import hook
from infra.aws.jobs import run
from infra.iot.__main__ import main as registry

ENTRYPOINT = Path(__file__).resolve().parents[2] / "infra" / "aws" / "entrypoint.sh"


class Answers(types.ModuleType):
    """Lambda's own module `cfnresponse`, which keeps what CloudFormation was told."""

    SUCCESS, FAILED = "SUCCESS", "FAILED"

    def __init__(self) -> None:
        super().__init__("cfnresponse")
        self.told: list[tuple[str, dict[str, str], str, str | None]] = []

    def send(
        self, _event: object, _context: object, status: str, data: dict[str, str], physical: str, *, reason: str | None
    ) -> None:
        self.told.append((status, data, physical, reason))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    module = Answers()
    monkeypatch.setitem(sys.modules, "cfnresponse", module)
    return module


def function(name: str) -> types.ModuleType:
    """A function's module, with the answers of this test."""
    return importlib.reload(importlib.import_module(f"infra.aws.functions.{name}"))


@pytest.fixture
def gateway(moto: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A gateway of this test's own, registered with serial S1 and without certificate."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto["AWS_ENDPOINT_URL"])
    name = f"gw-{uuid.uuid4().hex[:8]}"
    assert registry(["prepare"], moto) == 0
    assert registry(["register", "gateway", name, "--ward", "icu", "--serial", "S1"], moto) == 0
    return name


def asks(name: str, serial: str) -> bool:
    event = {"parameters": {"Gateway": name, "Serial": serial}, "certificateId": "c"}
    return bool(hook.handler(event, None)["allowProvisioning"])


def test_only_a_registered_gateway_with_its_own_serial_gets_a_certificate_and_only_once(gateway: str) -> None:
    assert asks(gateway, "S1")
    assert not asks(gateway, "S2")
    assert not asks("gw-unheard-of", "S1")
    iot = boto3.client("iot")
    iot.update_thing(thingName=gateway, attributePayload={"attributes": {"state": "active"}, "merge": True})
    assert not asks(gateway, "S1")


def test_a_question_without_a_name_is_answered_no(gateway: str) -> None:
    assert gateway
    assert hook.refusal({}, {"thingTypeName": "device"}) is not None
    assert hook.refusal({"Serial": ""}, {"thingTypeName": "gateway", "attributes": {"serial": ""}})


def test_sms_get_their_spending_limit(
    answers: Answers, moto: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto["AWS_ENDPOINT_URL"])
    properties = {"Account": "1", "Attributes": {"MonthlySpendLimit": "50", "DefaultSMSType": "Transactional"}}
    for kind in ("Create", "Delete"):
        function("spending").handler({"RequestType": kind, "ResourceProperties": properties}, None)
    assert answers.told == [("SUCCESS", {}, "sms-1", None)] * 2
    assert boto3.client("sns").get_sms_attributes()["attributes"]["MonthlySpendLimit"] == "50"


class FakeKafka:
    """MSK's control plane, which moto has not: one cluster."""

    def get_bootstrap_brokers(self, *, ClusterArn: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        if ClusterArn != "arn:known":
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "none"}}, "GetBootstrapBrokers")
        return {"BootstrapBrokerStringSaslScram": "b-1:9096,b-2:9096"}


@pytest.mark.parametrize(
    ("cluster", "kind", "addresses"),
    [
        ("arn:known", "Create", "b-1:9096,b-2:9096"),
        ("arn:unknown", "Create", None),
        ("arn:unknown", "Delete", None),
    ],
)
def test_the_brokers_addresses_are_told_and_a_failure_says_why(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, cluster: str, kind: str, addresses: str | None
) -> None:
    module = function("brokers")
    monkeypatch.setattr(module.boto3, "client", lambda _service: FakeKafka())
    module.handler({"RequestType": kind, "ResourceProperties": {"Cluster": cluster}}, None)
    ((status, data, physical, reason),) = answers.told
    failed = (cluster, kind) == ("arn:unknown", "Create")
    assert (status, data.get("Addresses"), physical) == ("FAILED" if failed else "SUCCESS", addresses, cluster)
    assert (reason is not None) is failed


def test_a_spark_job_gets_kafkas_password_from_its_secret(moto: Mapping[str, str]) -> None:
    secrets = boto3.client("secretsmanager", endpoint_url=moto["AWS_ENDPOINT_URL"])
    secret = json.dumps({"username": "wardwatch", "password": "a b"})
    arn = secrets.create_secret(Name=f"AmazonMSK_{uuid.uuid4().hex}", SecretString=secret)["ARN"]
    found = run.settings({"KAFKA_LOGIN": arn}, secrets)
    assert found == {"KAFKA_SASL_USERNAME": "wardwatch", "KAFKA_SASL_PASSWORD": "a b"}


def contain(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs the container's entry with two small parts: `lasting` waits for its end, `failing` ends with 3."""
    (folder / "lasting.py").write_text(
        "import os, pathlib, signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('ended in order', flush=True), sys.exit(0)))\n"
        "key = pathlib.Path(os.environ['UPLINK_KEY'])\n"
        "print(key.read_text(), oct(key.stat().st_mode & 0o777), 'UPLINK_KEY_PEM' in os.environ, flush=True)\n"
        "print('port', os.environ.get('METRICS_PORT'), flush=True)\n"
        "pathlib.Path(os.environ['RUN_FOLDER'], 'ready').touch()\n"
        "signal.pause()\n"
    )
    (folder / "failing.py").write_text(
        "import os, pathlib, threading\n"
        "while not pathlib.Path(os.environ['RUN_FOLDER'], 'ready').exists():\n"
        "    threading.Event().wait(0.02)\n"
        "raise SystemExit(3)\n"
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "PYTHONPATH": str(folder), "RUN_FOLDER": str(folder), "UPLINK_KEY_PEM": "line 1\nline 2"}
    argv = ["/bin/bash", str(ENTRYPOINT), *words]
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own words


def test_parts_of_one_container_end_together_with_the_status_of_the_first(tmp_path: Path) -> None:
    done = contain(tmp_path, "METRICS_PORT=9100", "lasting", "--", "failing")
    assert done.returncode == 3, done.stderr
    assert "ended in order" in done.stdout
    assert "port 9100" in done.stdout


def test_a_pem_secret_becomes_a_file_that_its_part_alone_can_read(tmp_path: Path) -> None:
    done = contain(tmp_path, "lasting", "--", "failing")
    assert "line 1\nline 2\n 0o600 False" in done.stdout
