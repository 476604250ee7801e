"""What a gateway's certificate allows: its own topics, under its own name, and nothing else.

The policy is one for the whole fleet. AWS fills in its variables at each request from the thing to which the
certificate is attached, so that a stolen certificate is worth one gateway.
"""

from typing import Any, Final

from vitals.wire import topics

POLICY: Final = "wardwatch-gateway"
THING: Final = "${iot:Connection.Thing.ThingName}"
SLOT: Final = "${iot:Connection.Thing.Attributes[slot]}"


def document(prefix: str) -> dict[str, Any]:
    """Returns the policy document.

    Args:
        prefix: What stands before a resource: `arn:aws:iot:REGION:ACCOUNT`.
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
                # A certificate that is attached to no thing has no name to fill in.
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
