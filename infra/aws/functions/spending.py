"""Sets type and spending limit of SMS: account attributes of SNS, for which CloudFormation has no resource type."""

from typing import Any

import boto3
import cfnresponse
from botocore.exceptions import ClientError


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ANN401 - Lambda's own
    """Answers a custom resource with the properties `Attributes` and `Account`; its deletion changes nothing."""
    properties = event["ResourceProperties"]
    status, reason = cfnresponse.SUCCESS, None
    if event["RequestType"] != "Delete":
        try:
            boto3.client("sns").set_sms_attributes(attributes=properties["Attributes"])
        except ClientError as error:
            status, reason = cfnresponse.FAILED, f"SNS refuses {properties['Attributes']}: {error}"
    cfnresponse.send(event, context, status, {}, f"sms-{properties['Account']}", reason=reason)
