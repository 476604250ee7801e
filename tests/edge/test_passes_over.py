"""What raises in the gateway costs its own reading: the others are lit and sent, and the bed says so."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from edge.ingest import artefact_filter as artefacts
from edge.ingest import urgency
from tests.edge.conftest import Running
from vitals.engine import evaluate_row as applying
from vitals.signs import INDEX

POISON = 74.0


@pytest.fixture
def gateway(rig: Callable[..., Running], make: SimpleNamespace) -> Running:
    running = rig()
    running.link()
    beds = [make.placement(device=f"dev-{k}", patient=f"p-{k}", bed=f"bed-{k}") for k in (1, 2)]
    running.down("roster", make.roster(*beds))
    running.turn()
    return running


def lit(running: Running, bed: str) -> set[str]:
    shown = running.bedside.shown.get(bed)
    return {alarm["condition"] for alarm in shown["alarms"]} if shown else set()


def both_fall(running: Running, poison_at: int) -> None:
    for k in range(20):
        running.turn(1.0)
        for device in ("dev-1", "dev-2"):
            bad = device == "dev-1" and k == poison_at
            running.device(k, device=device, t=running.clock.now, hr=75.0, spo2=POISON if bad else 75.0)
    running.turn(1.0)


def test_a_reading_at_which_the_engine_raises_is_sent_and_its_bed_says_that_it_was_not_judged(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = applying.worsening.evaluate

    def raises(scribe: object, row: int, r: Any, *args: object, **more: object) -> None:  # noqa: ANN401 - as it comes
        real(scribe, row, r, *args, **more)  # type: ignore[arg-type] # as it came
        if r.values[INDEX["spo2"]] == POISON:
            raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(applying.worsening, "evaluate", raises)
    both_fall(gateway, 6)
    assert lit(gateway, "bed-1") == {"spo2", "not-judged"}
    assert lit(gateway, "bed-2") == {"spo2"}
    assert POISON in gateway.readings().values[:, INDEX["spo2"]]


def test_a_reading_at_which_the_filter_raises_is_refused_and_harms_no_other(
    gateway: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = artefacts.clean

    def raises(history: object, t: object, values: Any, *args: object) -> object:  # noqa: ANN401 - as it comes
        if POISON in values[:, INDEX["spo2"]]:
            raise ZeroDivisionError("nobody thought of it")
        return real(history, t, values, *args)  # type: ignore[arg-type] # as it came

    monkeypatch.setattr(artefacts, "clean", raises)
    both_fall(gateway, 6)
    assert lit(gateway, "bed-1") == {"spo2", "not-judged"}
    assert lit(gateway, "bed-2") == {"spo2"}
    assert any(b"ZeroDivisionError" in payload for name, payload in gateway.above.published if name == "rejected")
    assert gateway.metric("wardwatch_edge_rejected_messages_total", kind="raised") == 1


def test_a_message_at_which_reading_raises_is_refused(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    real = urgency.decode_message

    def raises(delivery: Any) -> object:  # noqa: ANN401 - as it comes
        if b"74.0" in delivery.payload:
            raise ZeroDivisionError("nobody thought of it")
        return real(delivery)

    monkeypatch.setattr(urgency, "decode_message", raises)
    both_fall(gateway, 6)
    assert lit(gateway, "bed-1") == {"spo2", "not-judged"}
    assert lit(gateway, "bed-2") == {"spo2"}


def test_a_message_from_above_that_raises_is_counted(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(type(gateway.gateway._alarms), "act", raises)
    action = {"id": "a", "act": "acknowledge", "patient": "p-1", "t": gateway.clock.now, "by": "n", "alarm": "x"}
    gateway.down("actions", action)
    gateway.turn(1.0)
    assert gateway.metric("wardwatch_edge_invalid_downlinks_total", name="actions") == 1
    both_fall(gateway, 99)
    assert lit(gateway, "bed-1") == {"spo2"}
