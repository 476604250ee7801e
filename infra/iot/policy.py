"""The policy of gateways' certificates: a gateway's own topics, under its own name, and nothing else.

The whole fleet has one policy. AWS fills in its variables at each request from the thing to which the certificate is
attached, so a stolen certificate gives access as one gateway only.
"""

from typing import Any, Final

from vitals.wire import topics

POLICY: Final = "wardwatch-gateway"
THING: Final = "${iot:Connection.Thing.ThingName}"
SLOT: Final = "${iot:Connection.Thing.Attributes[slot]}"


def document(prefix: str) -> dict[str, Any]:
    """Returns the policy document.

    Args:
        prefix: First part of a resource's ARN: `arn:aws:iot:REGION:ACCOUNT`.
    """
    own = f"gateways/{SLOT}/{THING}"
    up = [f"{prefix}:topic/{own}/{name}" for name in topics.UP]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "iot:Connect",
                "Resource": f"{prefix}:client/{THING}",
                # A certificate that is attached to no thing has no name for the variables.
                "Condition": {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
            },
            {"Effect": "Allow", "Action": "iot:Publish", "Resource": up},
            {
                "Effect": "Allow",
                "Action": "iot:Subscribe",
                "Resource": [f"{prefix}:topicfilter/{own}/{name}" for name in topics.DOWN],
            },
            {
                "Effect": "Allow",
                "Action": "iot:Receive",
                "Resource": [f"{prefix}:topic/{own}/{name}" for name in topics.DOWN],
            },
        ],
    }
