import math
from pathlib import Path

import pytest

from firmware_sim.patient import replay
from firmware_sim.patient.replay import Replay
from vitals.signs import INDEX

HEADER = "t_s,HR,ABPSys,ABPDias,ABPMean,PULSE,RESP,SpO2,NBPSys,NBPDias,NBPMean\n"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "monitor.csv"
    path.write_text(HEADER + "60,62.8,0.0,0.0,0.0,0.0,12.7,0.0,,,\n120,63,0.0,0.0,0.0,61,13,97.5,118,61,80\n")
    return path


def test_a_recording_starts_at_its_first_row(recording: Path) -> None:
    assert [t_s for t_s, _ in replay.read(recording)] == [0, 60]


def test_zeros_stay_zeros_and_decimals_stay(recording: Path) -> None:
    values = replay.read(recording)[0][1]
    assert [values[INDEX[f]] for f in ("hr", "pr", "spo2", "sbp")] == [62.8, 0, 0, 0]


def test_a_cuff_pressure_stands_in_for_the_line_and_a_sign_without_a_column_is_absent(recording: Path) -> None:
    values = replay.read(recording)[1][1]
    assert [values[INDEX[f]] for f in ("sbp", "dbp", "map", "temp")] == [118, 61, 80, None]


def test_an_empty_cell_is_absent(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(HEADER + "0,,,,,,,,,,\n")
    assert set(replay.read(path)[0][1]) == {None}


def test_speed_shortens_the_gaps_and_the_end_is_the_end(recording: Path) -> None:
    source = Replay("mon", replay.read(recording), 60, "r")
    assert [source.next()[0].at_s for _ in range(2)] == [0, 1]
    assert source.start_s() == math.inf


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t_s,HR\n0,1\n", "lacks the columns"),
        (HEADER, "no rows"),
        (HEADER + "0,x,,,,,,,,,\n", "line 2"),
        (HEADER + "0,1\n", "line 2"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_with_the_place(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "r.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=reason):
        replay.read(path)
