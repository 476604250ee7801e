"""WFDB numerics: a record that wfdb itself has written comes out of the replay as it went in."""

import math
from pathlib import Path

import numpy as np
import pytest
import wfdb

from firmware_sim.patient import replay
from firmware_sim.patient.patient_group import Sample
from firmware_sim.patient.replay import Replay
from vitals.signs import FIELDS, INDEX

NAN = math.nan
# One a minute, as PhysioNet's numerics are: a dropout to zero, a missing cell, two minutes of nothing, a cuff pressure.
SIGNALS = {
    "HR": ("bpm", [62.8, 63.0, 64.0, NAN, NAN, 70.0]),
    "PULSE": ("bpm", [0.0, 61.0, 64.5, NAN, NAN, 0.0]),
    "RESP": ("pm", [12.7, NAN, 13.0, NAN, NAN, 15.0]),
    "%SpO2": ("%", [97.5, 0.0, 96.0, NAN, NAN, 88.0]),
    "ABP Sys": ("mmHg", [120.0, 121.0, 122.0, NAN, NAN, 90.0]),
    "NBP Sys": ("mmHg", [NAN, 131.0, NAN, NAN, NAN, NAN]),
    "CO": ("L/min", [5.0, 5.0, 5.0, 5.0, 5.0, 5.0]),
}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    signal = np.array([values for _, values in SIGNALS.values()]).T
    wfdb.wrsamp(
        "p000042n",
        fs=1 / 60,
        units=[unit for unit, _ in SIGNALS.values()],
        sig_name=list(SIGNALS),
        p_signal=signal,
        fmt=["16"] * len(SIGNALS),
        adc_gain=[100.0] * len(SIGNALS),
        baseline=[0] * len(SIGNALS),
        write_dir=str(tmp_path),
    )
    return tmp_path / "p000042n.hea"


def played(record: Path, speed: float) -> list[Sample]:
    source = Replay("mon", replay.read(record), speed, record.name)
    found = []
    while not math.isinf(source.start_s()):
        found += source.next()
    return found


# wfdb leaves the closing of its header file to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestRecord:
    def test_every_value_comes_back_zeros_as_zeros_and_what_is_missing_as_absent(self, record: Path) -> None:
        rows = [{f: s.values[i] for f, i in INDEX.items()} for s in played(record, 1)]
        none = dict.fromkeys(FIELDS)
        assert rows == [
            none | {"hr": 62.8, "pr": 0.0, "rr": 12.7, "spo2": 97.5, "sbp": 120.0},
            none | {"hr": 63.0, "pr": 61.0, "spo2": 0.0, "sbp": 131.0},
            none | {"hr": 64.0, "pr": 64.5, "rr": 13.0, "spo2": 96.0, "sbp": 122.0},
            none | {"hr": 70.0, "pr": 0.0, "rr": 15.0, "spo2": 88.0, "sbp": 90.0},
        ]

    @pytest.mark.parametrize("speed", [1, 60])
    def test_a_gap_stays_a_gap_at_any_speed(self, record: Path, speed: float) -> None:
        assert [s.at_s * speed for s in played(record, speed)] == pytest.approx([0, 60, 120, 300])

    def test_a_record_without_its_signals_is_refused_by_name(self, record: Path) -> None:
        record.with_suffix(".dat").unlink()
        with pytest.raises(ValueError, match=r"p000042n\.dat does not exist"):
            replay.read(record)

    def test_a_header_that_is_none_is_refused(self, record: Path) -> None:
        record.write_text("no header at all\n")
        with pytest.raises(ValueError, match="no WFDB record"):
            replay.read(record)

    @pytest.mark.parametrize("line", ["p000042n 1 250 6", "p000042n 1 1 6"])
    def test_a_breaths_waveform_is_no_breath_rate(self, record: Path, line: str) -> None:
        record.write_text(f"{line}\np000042n.dat 16 100(0)/mV 16 0 0 0 0 RESP\n")
        with pytest.raises(ValueError, match="waveforms, no numerics: RESP"):
            replay.read(record)

    def test_a_record_of_other_signals_is_refused_with_their_names(self, record: Path) -> None:
        record.write_text("p000042n 1 125 6\np000042n.dat 16 100(0)/mV 16 0 0 0 0 II\n")
        with pytest.raises(ValueError, match="only II"):
            replay.read(record)
