"""Pre-provisioning hook of AWS IoT: decides whether a gateway gets a certificate by fleet provisioning.

It accepts a gateway only if `python -m infra.iot` has registered it with this serial number, it has no certificate yet,
and it is not retired. A claim certificate stolen from an image is therefore useless on its own.
"""

from typing import Any

import boto3
from botocore.exceptions import ClientError


def refusal(parameters: dict[str, str], thing: dict[str, Any]) -> str | None:
    """Returns the reason for which a gateway gets no certificate, or None.

    Args:
        parameters: The gateway's own claims: `Gateway` and `Serial`.
        thing: The registry's entry of that name.
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
    """Answers AWS IoT's request; refuses on anything unexpected."""
    parameters = event.get("parameters", {})
    name = parameters.get("Gateway", "")
    try:
        reason = refusal(parameters, boto3.client("iot").describe_thing(thingName=name))
    except ClientError as error:
        reason = f"is not in the registry: {error.response['Error']['Code']}"
    print(f"{name!r} {reason or 'is expected'}, certificate {event.get('certificateId')}")  # noqa: T201 - Lambda's log
    return {"allowProvisioning": reason is None}
