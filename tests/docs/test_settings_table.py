"""The settings that the documentation lists and the code's are the same."""

import importlib
from pathlib import Path
from typing import Final

from vitals.runtime.settings import documented

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
BEGIN, END = "<!-- settings: a test holds this table against the code -->", "<!-- end of settings -->"
PARTS: Final = {
    "edge": ("edge.settings", "Settings"),
    "bridge": ("bridge.settings", "Settings"),
    "cloud topics": ("cloud.kafka.settings", "Topics"),
    "cloud score": ("cloud.score.job", "Score"),
    "cloud archive": ("cloud.archive.archive", "Settings"),
    "cloud load": ("cloud.warehouse.job", "Settings"),
    "cloud watch": ("cloud.settings", "Watch"),
    "cloud notify": ("cloud.settings", "Notify"),
    "cloud console": ("cloud.console.settings", "Console"),
    "cloud adt": ("cloud.adt.settings", "Adt"),
    "cloud compact": ("cloud.lake.compact_job", "Settings"),
    "cloud replay": ("cloud.replay.job", "Replay"),
    "cloud erase": ("cloud.erase.job", "Erase"),
    "cloud retain": ("cloud.erase.retain_job", "Retain"),
    "cloud dashboards": ("cloud.dashboards.job", "Settings"),
    "infra.local": ("infra.local.settings", "LocalSettings"),
    "infra.demo": ("infra.demo.settings", "DemoSettings"),
}


def table() -> str:
    """Returns the table as the README must have it: one row per setting, with the parts that read it."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for part, (module, name) in PARTS.items():
        for setting, (default, meaning) in documented(getattr(importlib.import_module(module), name)).items():
            rows.setdefault((setting, default, meaning), []).append(part)
    lines = ["| Setting | Default | Read by | Meaning |", "|---|---|---|---|"]
    for (setting, default, meaning), parts in sorted(rows.items()):
        default_cell = f"`{default}`" if default else ""
        lines.append(f"| `{setting}` | {default_cell} | {', '.join(parts)} | {meaning[0].upper()}{meaning[1:]} |")
    return "\n".join(lines).replace("{", "\\{")


def test_the_page_of_settings_is_the_codes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = text[text.index(BEGIN) + len(BEGIN) : text.index(END)].strip()
    assert shown == table(), f"{PAGE.name} must have this table between its two markers:\n{table()}"
