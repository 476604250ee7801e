"""The demo refuses settings that contradict each other."""

import pytest

from infra.demo.settings import DemoSettings
from vitals.runtime.settings import SettingsError, load


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"LIFE": "kept"}, "LIFE needs DURATION"),
        ({"REPORT": "report.json"}, "REPORT needs DURATION"),
        ({"FAULTS": "1"}, "FAULTS needs DURATION"),
    ],
)
def test_what_only_a_bounded_demo_has_needs_a_duration(environ: dict[str, str], said: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=said):
        load(DemoSettings, environ)
