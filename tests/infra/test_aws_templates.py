"""The CloudFormation templates: valid, safe, in agreement with each other and with the settings of the parts."""

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.aws import checks
from infra.aws.inline_lambda_code import FOLDER, embedded
from infra.aws.submit_emr_job import JOBS, environment, request
from infra.aws.template import Template, imports, load, load_all
from infra.iot.policy import document
from infra.iot.registry import SEARCHABLE
from vitals.runtime.settings import load as load_settings

TEMPLATES = {template.name: template for template in load_all()}
PARTS = {
    "bridge": ("bridge.settings", "Settings"),
    "cloud score": ("cloud.score.job", "Score"),
    "cloud archive": ("cloud.archive.job", "Settings"),
    "cloud watch": ("cloud.settings", "Watch"),
    "cloud console": ("cloud.console.settings", "Console"),
    "cloud notify": ("cloud.settings", "Notify"),
    "cloud load": ("cloud.warehouse.job", "Settings"),
    "cloud compact": ("cloud.lake.compact_job", "Settings"),
    "cloud erase": ("cloud.erase.job", "Erase"),
    "cloud retain": ("cloud.erase.retain_job", "Retain"),
    "cloud topics": ("cloud.kafka.settings", "Topics"),
    "edge": ("edge.settings", "Settings"),
}


def settings_class(part: str) -> type[Any]:
    module, name = PARTS[part]
    found: type[Any] = getattr(importlib.import_module(module), name)
    return found


def names(part: str) -> set[str]:
    return {field.name.upper() for field in dataclasses.fields(settings_class(part))}


def text(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


def test_cfn_lint_finds_nothing() -> None:
    argv = [str(Path(sys.executable).parent / "cfn-lint"), "-r", "eu-west-1", "us-east-1", "--"]
    argv += [str(FOLDER / f"{name}.yaml") for name in TEMPLATES]
    found = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603 - our own words
    assert (found.returncode, found.stdout) == (0, "")


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__)
def test_our_templates_pass(check: Callable[[Template], Iterator[str]]) -> None:
    assert [line for template in TEMPLATES.values() for line in check(template)] == []


READ = "Action: s3:GetObject\n                Resource: "
SMS_LOGGED = "          DeliveryStatusLogging: [{Protocol: sms}]\n          TopicName: !Sub"
BROKEN = [
    (checks.ingress_is_from_somebody, "network", "CidrIp: !Ref HospitalCidr", "CidrIp: 0.0.0.0/0"),
    (checks.nothing_is_public, "warehouse", "PubliclyAccessible: false", "PubliclyAccessible: true"),
    (checks.nothing_is_public, "stream", "PublicAccess: {Type: DISABLED}", "PublicAccess: {Type: OPEN}"),
    (checks.nothing_is_public, "compute", "Scheme: internal", "Scheme: internet-facing"),
    (checks.nothing_is_public, "compute", "AssignPublicIp: DISABLED", "AssignPublicIp: ENABLED"),
    (checks.nothing_is_public, "network", "Type: AWS::EC2::RouteTable", "Type: AWS::EC2::InternetGateway"),
    (checks.nobody_is_everybody, "lake", "Effect: Deny", "Effect: Allow"),
    (checks.effects_exist, "iot", "Effect: Allow", "Effect: Permit"),
    (checks.privileges_are_least, "compute", "Action: [sns:CreateTopic", "Action: ['sns:*'"),
    (checks.privileges_are_least, "warehouse", READ, f"{READ}'*' #"),
    (checks.gateways_stay_among_themselves, "iot", ":client/${!iot:Connection.Thing.ThingName}", ":client/*"),
    (checks.gateways_stay_among_themselves, "iot", '{Bool: {"iot:Connection.Thing.IsAttached": "true"}}', "{}"),
    (checks.gateways_stay_among_themselves, "iot", "Action: iot:Publish", "Action: sns:Publish"),
    (checks.buckets_are_shut, "lake", 'SSEAlgorithm: "aws:kms"', "SSEAlgorithm: AES256"),
    (checks.buckets_are_shut, "lake", "BlockPublicAcls: true", "BlockPublicAcls: false"),
    (checks.buckets_are_shut, "lake", "{Status: Enabled}", "{Status: Suspended}"),
    (checks.buckets_are_shut, "lake", '"aws:SecureTransport": "false"', '"aws:SecureTransport": "true"'),
    (checks.buckets_are_shut, "lake", "LifecycleConfiguration:", "Tags:"),
    (checks.what_rests_is_encrypted, "alerts", "KmsMasterKeyId: !Ref Key", "DisplayName: x"),
    (checks.what_moves_is_encrypted, "stream", "ClientBroker: TLS", "ClientBroker: TLS_PLAINTEXT"),
    (checks.what_moves_is_encrypted, "warehouse", 'ParameterValue: "true"', 'ParameterValue: "false"'),
    (checks.what_moves_is_encrypted, "compute", "Protocol: HTTPS", "Protocol: HTTP"),
    (checks.what_moves_is_encrypted, "compute", "TransitEncryption: ENABLED", "TransitEncryption: DISABLED"),
    (checks.keys_rotate, "lake", "EnableKeyRotation: true", "EnableKeyRotation: false"),
    (checks.what_is_kept_survives_its_stack, "stream", "DeletionPolicy: Retain", "DeletionPolicy: Delete"),
    (checks.releases_exist, "compute", "emr-spark-8.0.0", "emr-7.99.0"),
    (checks.sns_knows_the_protocol, "alerts", "Protocol: email", "Protocol: e-mail"),
    (checks.sns_knows_the_protocol, "alerts", "          TopicName: !Sub", SMS_LOGGED),
    (checks.containers_may_little, "compute", 'User: "10001:10001"', 'User: "0"'),
    (checks.containers_may_little, "compute", "ReadonlyRootFilesystem: true", "ReadonlyRootFilesystem: false"),
    (checks.containers_may_little, "compute", "Drop: [ALL]", "Drop: []"),
    (checks.containers_may_little, "compute", ":${ImageTag}", ":latest"),
    (checks.containers_may_little, "compute", "{Name: CONSOLE_BIND,", "{Name: KAFKA_SASL_PASSWORD,"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "name", "good", "bad"), BROKEN)
def test_each_check_fails_on_a_broken_template(
    check: Callable[[Template], Iterator[str]], name: str, good: str, bad: str
) -> None:
    assert good in text(name)
    assert list(check(load(text(name).replace(good, bad), name)))


def test_every_check_is_seen_to_fail() -> None:
    assert {check for check, *_ in BROKEN} == set(checks.CHECKS)


def exports(template: Template) -> set[str]:
    told = [output.get("Export") for output in template.body.get("Outputs", {}).values()]
    return {entry["Name"]["Fn::Sub"] for entry in told if entry}


def test_each_import_is_exported_by_a_stack_that_is_deployed_before() -> None:
    order = ["network", "stream", "lake", "iot", "alerts", "warehouse", "compute"]
    assert set(order) == set(TEMPLATES)
    known: set[str] = set()
    for name in order:
        assert set(imports(TEMPLATES[name].body)) <= known
        known |= exports(TEMPLATES[name])


def snake(output: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", output).upper()


def test_an_output_is_a_setting_or_is_what_another_stack_or_job_takes() -> None:
    settings = {name for part in PARTS for name in names(part)}
    taken = {name for template in TEMPLATES.values() for name in imports(template.body)}
    asked: set[str] = set()

    class Asked(dict[str, str]):
        def __missing__(self, key: str) -> str:
            asked.add(key)
            return "s3://bucket/lake"

    for job in JOBS:
        request(job, Asked(), "${Deployment}")
    for template in TEMPLATES.values():
        for output, told in template.body.get("Outputs", {}).items():
            export = told.get("Export", {}).get("Name", {}).get("Fn::Sub")
            assert snake(output) in settings or export in taken | asked, (template.name, output)


def containers() -> Iterator[tuple[str, set[str], set[str]]]:
    """Part, the settings that its container is given, and which of these are secrets."""
    for _, _, task in TEMPLATES["compute"].resources("AWS::ECS::TaskDefinition"):
        (container,) = task["Properties"]["ContainerDefinitions"]
        secrets = {entry["Name"].removesuffix("_PEM") for entry in container["Secrets"]}
        given = {entry["Name"] for entry in container["Environment"]} | secrets
        for words in " ".join(container["Command"]).split(" -- "):
            own = {word.partition("=")[0] for word in words.split() if "=" in word}
            yield " ".join(word for word in words.split() if "=" not in word), given | own, secrets


WARD = ("cloud watch", "cloud console")
"""These two share a container, and so an environment."""


def test_every_service_is_given_all_that_it_needs_and_nothing_that_nobody_reads() -> None:
    for part, given, _ in containers():
        needed = {f.name.upper() for f in dataclasses.fields(settings_class(part)) if f.default is dataclasses.MISSING}
        expected = {"KAFKA_BOOTSTRAP", "KAFKA_SASL_PASSWORD", "LINK_KEY", "RAY_AUTH_TOKEN", "UPLINK_KEY"}
        assert needed | names(part) & expected <= given, part
        readers = WARD if part in WARD else (part,)
        assert given <= {name for reader in readers for name in names(reader)}, part


def test_the_services_are_those_that_the_design_names() -> None:
    assert {part for part, _, _ in containers()} == {
        "bridge", "cloud watch", "cloud console", "cloud notify", "cloud load", "cloud compact", "cloud erase",
        "cloud retain",
    }  # fmt: skip


def test_who_keeps_house_in_the_lake_may_list_and_delete_versions_and_nobody_else_may() -> None:
    may: dict[str, set[str]] = {}
    for template in TEMPLATES.values():
        for name, _, role in template.resources("AWS::IAM::Role"):
            for policy in role["Properties"].get("Policies", ()):
                for statement in policy["PolicyDocument"]["Statement"]:
                    action = statement["Action"]
                    may.setdefault(name, set()).update([action] if isinstance(action, str) else action)
    versions = {"s3:ListBucketVersions", "s3:DeleteObjectVersion"}
    assert {name: actions & versions for name, actions in may.items() if actions & versions} == {"HouseRole": versions}
    tasks = {name: task["Properties"] for name, _, task in TEMPLATES["compute"].resources("AWS::ECS::TaskDefinition")}
    keepers = {name for name, task in tasks.items() if task["TaskRoleArn"] == {"Fn::GetAtt": ["HouseRole", "Arn"]}}
    assert keepers == {"CompactTask", "EraseTask", "RetainTask"}


def schedules() -> dict[str, str]:
    """Task of each schedule, and how often it runs."""
    found = (own["Properties"] for _, _, own in TEMPLATES["compute"].resources("AWS::Scheduler::Schedule"))
    return {o["Target"]["EcsParameters"]["TaskDefinitionArn"]["Ref"]: o["ScheduleExpression"] for o in found}


def test_the_lake_is_compacted_every_hour_once() -> None:
    assert schedules()["CompactTask"] == "rate(1 hour)"
    (_, given, _) = next(one for one in containers() if one[0] == "cloud compact")
    assert "COMPACT_ONCE" in given


def test_age_ends_the_lakes_data_by_retain_every_day_and_by_no_rule_of_the_bucket() -> None:
    assert schedules()["RetainTask"] == "rate(1 day)"
    (_, given, _) = next(one for one in containers() if one[0] == "cloud retain")
    assert "LAKE_KEEP_DAYS" in given
    ((_, _, lake),) = [one for one in TEMPLATES["lake"].resources("AWS::S3::Bucket") if one[0] == "Lake"]
    rules = lake["Properties"]["LifecycleConfiguration"]["Rules"]
    assert {rule["Prefix"] for rule in rules if "ExpirationInDays" in rule} == {"snapshots/"}
    (role,) = [own for name, _, own in TEMPLATES["compute"].resources("AWS::IAM::Role") if name == "ScheduleRole"]
    (statement, _) = role["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    assert {one["Ref"] for one in statement["Resource"]} == set(schedules())


def test_what_is_secret_arrives_as_a_secret() -> None:
    for part, given, secrets in containers():
        confidential = {name for name in given if re.search(r"PASSWORD|_KEY$|TOKEN|WAREHOUSE$|NOTIFY_DEFAULTS", name)}
        assert confidential <= secrets, part


class Exports(dict[str, str]):
    """What the stacks export, each by a value of its own."""

    def __missing__(self, key: str) -> str:
        return {"wardwatch-partitions": "16", "wardwatch-lake": "s3://bucket/lake"}.get(key, f"the-{key}")


@pytest.mark.parametrize("job", sorted(JOBS))
def test_a_spark_job_is_given_settings_that_it_reads(job: str) -> None:
    given = environment(job, Exports(), "wardwatch")
    assert given.keys() - {"KAFKA_LOGIN"} <= names(f"cloud {job}")
    secret = {"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}
    load_settings(settings_class(f"cloud {job}"), {**given, **secret})


def test_the_managed_spark_is_asked_for_micro_batches_and_a_connector_of_its_version() -> None:
    asked = request("score", Exports(), "wardwatch")
    assert asked["mode"] == "STREAMING"
    parameters = asked["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    assert "SCORE_TRIGGER=micro-batch" in parameters
    assert "spark-sql-kafka-0-10_2.13-4.0.2.jar" in parameters
    assert "PASSWORD" not in json.dumps(asked)


def test_the_gateways_policy_is_the_registrys() -> None:
    (policy,) = (r for n, _, r in TEMPLATES["iot"].resources("AWS::IoT::Policy") if n == "GatewayPolicy")
    written = json.dumps(policy["Properties"]["PolicyDocument"])
    written = re.sub(r'\{"Fn::Sub": ("[^"]+")\}', r"\1", written).replace("${!", "${")
    assert json.loads(written) == document("arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}")


def test_the_thing_types_are_the_registrys() -> None:
    types = [r["Properties"] for _, _, r in TEMPLATES["iot"].resources("AWS::IoT::ThingType")]
    made = {t["ThingTypeName"]: t["ThingTypeProperties"]["SearchableAttributes"] for t in types}
    assert made == SEARCHABLE


def test_the_functions_in_the_templates_are_the_files() -> None:
    assert [name for name in TEMPLATES if embedded(text(name)) != text(name)] == []
    assert sum("def handler" in text(name) for name in TEMPLATES) == 3


def test_the_image_runs_as_nobody_and_from_a_certain_base() -> None:
    lines = (FOLDER / "Containerfile").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    bases = [line for line in lines if line.startswith("FROM")]
    assert all(re.search(r":\d+\.\d+\.\d+-slim", base) for base in bases)
    assert not [line for line in lines if line.startswith("ADD")]
    assert "--frozen" in " ".join(lines)
