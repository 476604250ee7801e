"""The whole path with its real parts, from devices to the warehouse and to people."""

from pathlib import Path

import pytest

from infra.demo.report import shortcomings
from infra.demo.run import bounded
from infra.demo.scenario import DESATURATING
from infra.demo.screen import Plain
from infra.demo.settings import DemoSettings
from infra.local.ports import Ports

DURATION_S = 45.0


@pytest.mark.timeout(600)
def test_what_gateways_accept_is_in_the_warehouse_once_and_the_desaturation_reaches_a_person(tmp_path: Path) -> None:
    settings = DemoSettings(duration=DURATION_S, var=tmp_path)
    with Plain() as screen:
        report, messages = bounded(settings, screen, Ports.ephemeral())

    assert shortcomings(report) == []
    assert (report["lost"], report["duplicated"]) == (0, 0)
    # 24 beds, a reading every 2 s: nearly all of what was due has been accepted, and is in every store.
    assert report["accepted"] > 0.8 * 24 * DURATION_S / 2
    assert report["loaded"] == report["archived"] == report["scored"] >= report["accepted"]
    bed = DESATURATING.removeprefix("mon-")
    told = [m for m in messages if f"bed: {bed}" in m.email and "SpO2" in m.email]
    assert told, [m.email for m in messages]
    # An SMS is unencrypted: whoever reads it on a locked screen learns the bed, as the ward's setting is, and no sign.
    assert all(bed in m.sms and "SpO2" not in m.sms for m in told)
