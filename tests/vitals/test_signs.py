"""Signs: one table, in an order that never changes; and a new sign is one entry in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edge
import vitals
from vitals.signs import FIELDS, INDEX, SIGNS, SUSPECT_BITS, Sign, Suspect

ETCO2 = (
    '    Sign("etco2", "end-tidal CO2", "mm[Hg]", ("19889-5",), 0, 150, True, True, 0, "capnograph", 20),\n)\nFIELDS'
)
USE = """
import json
import numpy as np
from edge.ingest import artefact_filter as artefacts
from vitals import engine, limits, readings
from vitals.limits import Limit, profile, with_overrides
from vitals.breach_codes import breach, pack, unpack
from vitals.signs import FIELDS, INDEX, SIGNS, SUSPECT_BITS, Suspect
from vitals.wire import device_reading, uplink_batch, vitals_record

assert FIELDS[-1] == "etco2" and len(FIELDS) == 9
frame = device_reading.decode(json.dumps({"boot": 1, "seq": 0, "t": 1, "etco2": 60, "off": ["hr"]}).encode())
assert frame.values[INDEX["etco2"]] == 60

column = INDEX["etco2"]
history = np.full((1, artefacts.COLUMNS, 9), np.nan)
seen = [(40, Suspect.NONE), (0, Suspect.DROPOUT), (900, Suspect.IMPLAUSIBLE), (41, Suspect.NONE)]
for k, (sent, code) in enumerate(seen):
    values = np.full((1, 9), np.nan)
    values[0, column] = sent
    t, off, adult = np.array([1_763_812_800_000 + 1000 * k]), np.zeros((1, 9), dtype=bool), np.array([0])
    values, codes, history = artefacts.clean(history, t, values, off, adult)
    assert codes[0, column] == code, (sent, codes)

own = with_overrides(profile("adult"), {"etco2": Limit(15, 25, 50, 70, 10)})
assert limits.from_wire(own.wire()) == own

def reading(k, value, code=0):
    values = np.full((1, len(SIGNS)), np.nan)
    values[0, INDEX["etco2"]] = value
    values[0, INDEX["hr"]] = 75
    one = lambda x: np.array([x], dtype=np.int64)
    text = lambda x: readings.text([x])
    t = 1_763_812_800_000 + 1000 * k
    return readings.Readings(text("p1"), text("d"), text("g"), text("w"), text("b"), one(1), one(k), one(t), one(t),
                             one(1), one(code << (SUSPECT_BITS * INDEX["etco2"])), one(-1), values, (own,))

digits = breach(reading(0, 60).values, own.array())
assert unpack(pack(digits), 9)[0, INDEX["etco2"]] == 3

batch = uplink_batch.decode(uplink_batch.encode(uplink_batch.Batch("g", "o", 1, reading(0, 60, int(Suspect.SPIKE)))))
assert batch.readings.values[0, INDEX["etco2"]] == 60
assert batch.readings.suspect_digits()[0, INDEX["etco2"]] == Suspect.SPIKE
assert vitals_record.decode_vitals(vitals_record.encode_vitals(reading(0, 60))).limit_sets == (own,)
assert not readings.problems(reading(0, 60, int(Suspect.SPIKE)))

state, told = engine.empty(), []
for k in range(20):
    batch = readings.concat([reading(k, 60)] * 1)
    told += engine.advance(state, batch, int(batch.t[0]))[1]
assert [(e.condition, e.text) for e in told] == [("etco2", "ETCO2 60 mmHg above 50 mmHg")], told
state = engine.restore(engine.snapshot(state))
assert [e.condition for e in engine.active(state)] == ["etco2"]
many = readings.concat([reading(20 + k, 40) for k in range(60)])
assert [e.phase.value for e in engine.advance(state, many, int(many.t[-1]))[1]] == ["end"]
print("etco2 flows")
"""


def test_a_new_sign_is_one_entry_and_is_then_decoded_filtered_scored_alarmed_and_encoded(tmp_path: Path) -> None:
    package = tmp_path / "vitals"
    for part in (vitals, edge):
        source = Path(str(part.__file__)).parent
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    signs = package / "signs.py"
    table = signs.read_text()
    assert table.count(")\nFIELDS") == 1
    signs.write_text(table.replace(")\nFIELDS", ETCO2))
    done = subprocess.run(  # noqa: S603 - this test's own program
        [sys.executable, "-c", USE], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("etco2 flows", "")


def test_the_digit_order_never_changes() -> None:
    assert FIELDS[:8] == ("hr", "pr", "rr", "spo2", "temp", "sbp", "dbp", "map")
    assert [INDEX[field] for field in FIELDS] == list(range(len(FIELDS)))


def test_suspect_codes_fit_their_bits_and_never_change() -> None:
    assert {code.name: code.value for code in Suspect} == {
        "NONE": 0,
        "IMPLAUSIBLE": 1,
        "DROPOUT": 2,
        "SENSOR_OFF": 3,
        "RATE_OF_CHANGE": 4,
        "SPIKE": 5,
        "FLAT_LINE": 6,
        "PRESSURE_INCONSISTENT": 7,
        "CLOCK": 8,
        "CONTRADICTED": 9,
    }
    assert max(Suspect) < 1 << SUSPECT_BITS


def test_every_sign_has_a_code_a_unit_and_a_plausible_range() -> None:
    assert all(sign.loinc and sign.unit and sign.minimum < sign.maximum and sign.max_step > 0 for sign in SIGNS)


@pytest.mark.parametrize(("field", "minimum", "message"), [("no name", 0, "not an identifier"), ("x", 10, "not below")])
def test_a_sign_that_makes_no_sense_is_refused(field: str, minimum: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sign(field, "x", "1", (), minimum, 5, False, False, 0, "s", 1)
