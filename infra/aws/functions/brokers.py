"""Returns the brokers' addresses to CloudFormation, since AWS::MSK::Cluster has no attribute for them."""

from typing import Any

import boto3
import cfnresponse
from botocore.exceptions import ClientError


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401 - Lambda's own
    """Answers a custom resource whose property `Cluster` is the cluster's ARN."""
    cluster = event["ResourceProperties"]["Cluster"]
    data, status, reason = {}, cfnresponse.SUCCESS, None
    if event["RequestType"] != "Delete":
        try:
            told = boto3.client("kafka").get_bootstrap_brokers(ClusterArn=cluster)
            data["Addresses"] = told["BootstrapBrokerStringSaslScram"]
        except (ClientError, KeyError) as error:
            status, reason = cfnresponse.FAILED, f"{cluster} tells no brokers for SCRAM: {error}"
    cfnresponse.send(event, context, status, data, cluster, reason=reason)
