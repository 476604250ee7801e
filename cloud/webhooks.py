"""Webhooks of a deployment, by name."""


def webhook_urls(entries: tuple[str, ...]) -> dict[str, str]:
    """Returns the address of each webhook, by name.

    Args:
        entries: `name=https://…`, or `name=mllps://…` for HL7; http and mllp only on this machine.

    Raises:
        ValueError: An entry is not of that form.
    """
    found: dict[str, str] = {}
    for entry in entries:
        name, _, url = entry.partition("=")
        local = url.startswith(tuple(f"{s}://{h}:" for s in ("http", "mllp") for h in ("127.0.0.1", "localhost")))
        if not name or not (url.startswith(("https://", "mllps://")) or local):
            raise ValueError(f"NOTIFY_WEBHOOKS: the entry of {name!a} is not name=https://… or mllps://…")
        found[name] = url
    return found
