"""Asked by AWS IoT before a gateway gets its certificate by fleet provisioning: is it one that we expect?

Only a gateway that `python -m infra.iot` has registered, with the serial number written down there, that has no
certificate yet and is not retired. Whoever steals the claim certificate from an image gains nothing without one.
"""

from typing import Any

import boto3
from botocore.exceptions import ClientError


def refusal(parameters: dict[str, str], thing: dict[str, Any]) -> str | None:
    """Returns why a gateway gets no certificate, or None.

    Args:
        parameters: What it says of itself: `Gateway` and `Serial`.
        thing: What the registry says of a thing of that name.
    """
    written = thing.get("attributes", {})
    if thing.get("thingTypeName") != "gateway":
        return "is registered as no gateway"
    if not written.get("serial") or written["serial"] != parameters.get("Serial"):
        return "has another serial number than the registered one"
    if written.get("state"):
        return f"has had its certificate: its state is {written['state']}"
    return None


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:  # noqa: ANN401 - Lambda's own
    """Answers AWS IoT's question; anything unexpected is a no."""
    parameters = event.get("parameters", {})
    name = parameters.get("Gateway", "")
    try:
        reason = refusal(parameters, boto3.client("iot").describe_thing(thingName=name))
    except ClientError as error:
        reason = f"is not in the registry: {error.response['Error']['Code']}"
    print(f"{name!r} {reason or 'is expected'}, certificate {event.get('certificateId')}")  # noqa: T201 - Lambda's log
    return {"allowProvisioning": reason is None}
