"""`python -m infra.aws.checks`: rules for our templates that cfn-lint does not check, one function per rule.

Each takes one template and yields findings; a test breaks our own templates and checks that each rule fails.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from infra.aws.template import Template, listed, load_all

# EMR's Spark 4 releases; cfn-lint accepts any text for a label.
# https://docs.aws.amazon.com/emr/latest/EMR-Serverless-UserGuide/release-versions.html
RELEASES: Final = {"emr-spark-8.0.0"}
# SNS, Subscribe, parameter Protocol.
PROTOCOLS: Final = {"http", "https", "email", "email-json", "sms", "sqs", "application", "lambda", "firehose"}
# SNS, DeliveryStatusLogging: SMS is not among them, it is logged by the account's attributes.
LOGGED_PROTOCOLS: Final = {"http/s", "sqs", "lambda", "firehose", "application"}
# AWS's service authorization reference lists no resource for these, or none that exists before they are called.
WITHOUT_RESOURCE: Final = {
    "ecr:GetAuthorizationToken",
    "iot:CreateCertificateFromCsr",
    "iot:ListPrincipalThings",
    "iot:ListThingGroups",
    "iot:ListThings",
    "logs:DescribeLogGroups",
    "sns:CheckIfPhoneNumberIsOptedOut",
    "sns:SetSMSAttributes",
    "sns:SetSubscriptionAttributes",
    "sns:Unsubscribe",
    "sts:GetCallerIdentity",
}
ENCRYPTED: Final = {
    "AWS::Logs::LogGroup": "KmsKeyId",
    "AWS::SNS::Topic": "KmsMasterKeyId",
    "AWS::SQS::Queue": "KmsMasterKeyId",
    "AWS::SecretsManager::Secret": "KmsKeyId",
    "AWS::EFS::FileSystem": "KmsKeyId",
    "AWS::RedshiftServerless::Namespace": "KmsKeyId",
    "AWS::S3::Bucket": "BucketEncryption",
    "AWS::MSK::Cluster": "EncryptionInfo",
    "AWS::ECR::Repository": "EncryptionConfiguration",
}
KEPT: Final = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::MSK::Cluster", "AWS::EFS::FileSystem")
KEPT_TOO: Final = ("AWS::RedshiftServerless::Namespace",)
ANYWHERE: Final = ("0.0.0.0/0", "::/0")
PRIVATE: Final = {
    "AWS::RedshiftServerless::Workgroup": (("PubliclyAccessible",), False),
    "AWS::MSK::Cluster": (("BrokerNodeGroupInfo", "ConnectivityInfo", "PublicAccess", "Type"), "DISABLED"),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": (("Scheme",), "internal"),
    "AWS::ECS::Service": (("NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp"), "DISABLED"),
}
"""By type: path of the property that makes a resource private, and its value."""


def ingress_is_from_somebody(template: Template) -> Iterator[str]:
    """No rule allows access from every address."""
    for name, _, resource in template.resources("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"):
        own = resource["Properties"]
        for rule in [own, *own.get("SecurityGroupIngress", [])]:
            if any(rule.get(key) in ANYWHERE for key in ("CidrIp", "CidrIpv6")):
                yield f"{name} lets in everybody"


def nothing_is_public(template: Template) -> Iterator[str]:
    """No resource that can be public is public, and there is no route to the internet."""
    for name, kind, resource in template.resources():
        if kind in {"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway"}:
            yield f"{name} opens a way to the internet"
        if kind in PRIVATE:
            path, private = PRIVATE[kind]
            if _at(resource["Properties"], path) != private:
                yield f"{name}: {'.'.join(path)} must be {private}"


def nobody_is_everybody(template: Template) -> Iterator[str]:
    """No policy allows something to every principal."""
    for name, _, statement in template.statements():
        principal = statement.get("Principal", {})
        named = listed(principal.get("AWS")) if isinstance(principal, dict) else [principal]
        if statement.get("Effect") == "Allow" and "*" in named:
            yield f"{name} allows everybody {statement.get('Action')}"


def effects_exist(template: Template) -> Iterator[str]:
    """An effect is Allow or Deny; cfn-lint does not check policies of IoT and of resources."""
    for name, _, statement in template.statements():
        if statement.get("Effect") not in {"Allow", "Deny"}:
            yield f"{name} has the effect {statement.get('Effect')!r}"


def privileges_are_least(template: Template) -> Iterator[str]:
    """No action is a wildcard, and a statement names all resources only if AWS defines no narrower one."""
    for name, kind, statement in template.statements():
        if statement.get("Effect") != "Allow" or kind == "AWS::KMS::Key":
            continue
        actions = listed(statement["Action"])
        yield from (f"{name} allows {action}" for action in actions if action == "*" or action.endswith(":*"))
        if "*" in listed(statement.get("Resource", [])):
            yield from (f"{name} allows {action} on everything" for action in set(actions) - WITHOUT_RESOURCE)


def gateways_stay_among_themselves(template: Template) -> Iterator[str]:
    """An IoT policy has only IoT's actions, and a client connects only under the name of its thing."""
    for name, kind, statement in template.statements():
        if kind != "AWS::IoT::Policy":
            continue
        actions, resources = listed(statement["Action"]), listed(statement["Resource"])
        yield from (f"{name}: {action} is no action of IoT" for action in actions if not action.startswith("iot:"))
        texts = [resource["Fn::Sub"] if isinstance(resource, dict) else resource for resource in resources]
        yield from (
            f"{name} allows {text}" for text in texts if text.endswith((":client/*", ":topic/*", ":topicfilter/*"))
        )
        attached = statement.get("Condition", {}).get("Bool", {}).get("iot:Connection.Thing.IsAttached") == "true"
        if "iot:Connect" in actions and not attached and not all("client/claim-" in text for text in texts):
            yield f"{name} lets a certificate connect that is attached to no thing"


def buckets_are_shut(template: Template) -> Iterator[str]:
    """A bucket is encrypted by KMS, versioned, blocked to the public, and refuses requests without TLS."""
    refused = {
        resource["Properties"]["Bucket"]["Ref"]
        for _, _, resource in template.resources("AWS::S3::BucketPolicy")
        if any(_denies_plain(statement) for statement in resource["Properties"]["PolicyDocument"]["Statement"])
    }
    for name, _, resource in template.resources("AWS::S3::Bucket"):
        own = resource["Properties"]
        rules = own.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        if rules[0].get("ServerSideEncryptionByDefault", {}).get("SSEAlgorithm") != "aws:kms":
            yield f"{name} is not encrypted by KMS"
        block = own.get("PublicAccessBlockConfiguration", {})
        if sum(value is True for value in block.values()) != 4:  # noqa: PLR2004 - the four that there are
            yield f"{name} does not block the public"
        if own.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield f"{name} keeps no versions"
        if "LifecycleConfiguration" not in own:
            yield f"{name} keeps everything for ever"
        if name not in refused:
            yield f"{name} takes requests without TLS"


def what_rests_is_encrypted(template: Template) -> Iterator[str]:
    """Every resource that stores data names a key."""
    for name, kind, resource in template.resources(*ENCRYPTED):
        if not resource["Properties"].get(ENCRYPTED[kind]):
            yield f"{name} has no {ENCRYPTED[kind]}"


def what_moves_is_encrypted(template: Template) -> Iterator[str]:
    """Kafka, warehouse, files and page accept only TLS."""
    tls: dict[str, tuple[tuple[str, ...], object]] = {
        "AWS::MSK::Cluster": (("EncryptionInfo", "EncryptionInTransit"), {"ClientBroker": "TLS", "InCluster": True}),
        "AWS::ElasticLoadBalancingV2::Listener": (("Protocol",), "HTTPS"),
    }
    for name, kind, resource in template.resources(*tls):
        path, wanted = tls[kind]
        if _at(resource["Properties"], path) != wanted:
            yield f"{name}: {'.'.join(path)} must be {wanted}"
    for name, _, resource in template.resources("AWS::RedshiftServerless::Workgroup"):
        if {"ParameterKey": "require_ssl", "ParameterValue": "true"} not in resource["Properties"]["ConfigParameters"]:
            yield f"{name} takes connections without TLS"
    for name, _, resource in template.resources("AWS::ECS::TaskDefinition"):
        for volume in resource["Properties"].get("Volumes", []):
            if volume.get("EFSVolumeConfiguration", {}).get("TransitEncryption", "ENABLED") != "ENABLED":
                yield f"{name} reads its files without TLS"


def keys_rotate(template: Template) -> Iterator[str]:
    """A key is renewed every year."""
    for name, _, resource in template.resources("AWS::KMS::Key"):
        if resource["Properties"].get("EnableKeyRotation") is not True:
            yield f"{name} is never renewed"


def what_is_kept_survives_its_stack(template: Template) -> Iterator[str]:
    """A stack that is deleted by mistake keeps its data."""
    for name, _, resource in template.resources(*KEPT, *KEPT_TOO):
        if {resource.get("DeletionPolicy"), resource.get("UpdateReplacePolicy")} != {"Retain"}:
            yield f"{name} is deleted with its stack"


def releases_exist(template: Template) -> Iterator[str]:
    """The release label is one that EMR has."""
    for name, _, resource in template.resources("AWS::EMRServerless::Application"):
        label = resource["Properties"]["ReleaseLabel"]
        if isinstance(label, dict):
            parameter = template.body["Parameters"][label["Ref"]]
            labels = {parameter["Default"], *parameter.get("AllowedValues", ["any"])}
        else:
            labels = {label}
        yield from (f"{name}: EMR has no release {unknown}" for unknown in labels - RELEASES)


def sns_knows_the_protocol(template: Template) -> Iterator[str]:
    """A subscription's protocol is one of SNS's, and its delivery log is one that SNS offers."""
    for name, kind, resource in template.resources("AWS::SNS::Topic", "AWS::SNS::Subscription"):
        own = resource["Properties"]
        subscriptions = own.get("Subscription", []) if kind == "AWS::SNS::Topic" else [own]
        for protocol in {subscription["Protocol"] for subscription in subscriptions} - PROTOCOLS:
            yield f"{name}: SNS has no protocol {protocol}"
        for protocol in {entry["Protocol"] for entry in own.get("DeliveryStatusLogging", [])} - LOGGED_PROTOCOLS:
            yield f"{name}: SNS logs no delivery by {protocol}"


def containers_may_little(template: Template) -> Iterator[str]:
    """A container has no root user, capability or writable root, a fixed image, and no secret in its environment."""
    for name, _, resource in template.resources("AWS::ECS::TaskDefinition"):
        for container in resource["Properties"]["ContainerDefinitions"]:
            if str(container.get("User", "0")).split(":")[0] in {"0", "root"}:
                yield f"{name} runs as root"
            if container.get("ReadonlyRootFilesystem") is not True:
                yield f"{name} may write everywhere"
            if container.get("LinuxParameters", {}).get("Capabilities", {}).get("Drop") != ["ALL"]:
                yield f"{name} keeps capabilities"
            if container.get("Privileged") or str(container["Image"]).rstrip("}'").endswith(":latest"):
                yield f"{name} is privileged, or of whatever image is latest"
            secret = [
                e["Name"] for e in container.get("Environment", []) if e["Name"].endswith(("PASSWORD", "KEY", "TOKEN"))
            ]
            yield from (f"{name} shows {word} to whoever may look at tasks" for word in secret)


CHECKS: Final[tuple[Callable[[Template], Iterator[str]], ...]] = (
    ingress_is_from_somebody,
    nothing_is_public,
    nobody_is_everybody,
    effects_exist,
    privileges_are_least,
    gateways_stay_among_themselves,
    buckets_are_shut,
    what_rests_is_encrypted,
    what_moves_is_encrypted,
    keys_rotate,
    what_is_kept_survives_its_stack,
    releases_exist,
    sns_knows_the_protocol,
    containers_may_little,
)


def main() -> int:
    """Prints the findings in our templates; returns 1 if there is any."""
    found = [f"{t.name}.yaml: {line}" for t in load_all() for check in CHECKS for line in check(t)]
    sys.stderr.writelines(f"{line}\n" for line in found)
    return int(bool(found))


def _at(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any part of a template
    for key in path:
        value = value.get(key, {})
    return value


def _denies_plain(statement: dict[str, Any]) -> bool:
    plain = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport") == "false"
    return (
        bool(plain)
        and statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Action"] == "s3:*"
    )


if __name__ == "__main__":
    sys.exit(main())
