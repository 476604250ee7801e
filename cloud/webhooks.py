"""Webhooks of a deployment, by name."""


def webhook_urls(entries: tuple[str, ...]) -> dict[str, str]:
    """Returns the address of each webhook, by name.

    Args:
        entries: `name=https://…`; http only on this machine.

    Raises:
        ValueError: An entry is not of that form.
    """
    found: dict[str, str] = {}
    for entry in entries:
        name, _, url = entry.partition("=")
        local = url.startswith(("http://127.0.0.1:", "http://localhost:"))
        if not name or not (url.startswith("https://") or local):
            raise ValueError(f"NOTIFY_WEBHOOKS: the entry of {name!a} is not name=https://…")
        found[name] = url
    return found
