import msgspec
import numpy as np
import pytest

from firmware_sim.patient.artefact_rates import Rates
from firmware_sim.patient.artefacts import CUFF, KINDS, Artefacts, names
from firmware_sim.patient.calibration import NEWEST, TEXTBOOK, Calibration
from firmware_sim.patient.patient_group import Patient, PatientGroup, Sample
from firmware_sim.patient.scenarios import Course
from firmware_sim.patient.stories import STABLE
from vitals.signs import INDEX, SIGNS


def samples(
    rates: Rates,
    rounds: int,
    *,
    devices: int = 40,
    cadence_s: float = 10.0,
    cuff_s: float = 0.0,
    model: Calibration = TEXTBOOK,
) -> list[Sample]:
    patients = [Patient(str(i), Course(STABLE), cuff_s=cuff_s) for i in range(devices)]
    cohort = PatientGroup(patients, cadence_s, rates, 3, 0, model)
    return [sample for _ in range(rounds) for sample in cohort.next()]


def test_without_artefacts_a_monitor_shows_the_truth() -> None:
    assert all(s.values == s.truth and s.artefacts == () for s in samples(Rates(scale=0), 100))


def test_every_value_that_is_not_the_truth_bears_an_artefacts_name() -> None:
    spoilt = [s for s in samples(Rates(scale=40), 300) if s.values != s.truth]
    assert spoilt
    assert all(s.artefacts for s in spoilt)


def test_artefacts_begin_as_often_and_last_as_long_as_their_rates_say() -> None:
    rates = Rates(
        oximeter_dropout_per_h=2, oximeter_dropout_s=60, ecg_dropout_per_h=0, monitor_dropout_per_h=0,
        motion_per_h=0, breath_spike_per_h=3, spike_per_h=0, flat_per_h=0,
    )  # fmt: skip
    n, cadence_s, rounds = 400, 5.0, 720
    artefacts = Artefacts(rates, n, np.random.default_rng(1))
    quiet, still = np.full((n, len(SIGNS)), 90.0), np.zeros(n, dtype=bool)
    labels = [artefacts.apply(quiet, still, np.full(n, k * cadence_s), cadence_s)[1] for k in range(rounds)]
    hours = n * rounds * cadence_s / 3600
    found = [name for row in labels for flags in row for name in names(flags)]
    spikes, lost_s = found.count("spike-breath"), found.count("dropout-oximeter") * cadence_s
    assert spikes / hours == pytest.approx(3, rel=0.1)
    # A dropout is not counted again while it lasts, and is seen at whole readings.
    assert lost_s / hours == pytest.approx(2 * (60 + cadence_s / 2) * (3600 - 2 * 60) / 3600, rel=0.1)


@pytest.mark.parametrize(
    ("field", "zeroed"), [("oximeter", {"pr", "spo2"}), ("ecg", {"hr", "rr"}), ("monitor", {"hr", "pr", "rr", "spo2"})]
)
def test_a_dropout_is_zero_in_all_signs_of_its_sensor(field: str, zeroed: set[str]) -> None:
    none = {f: 0.0 for f in Rates.__struct_fields__ if f.endswith(("_per_h", "_share"))}
    hit = [s for s in samples(Rates(**none | {f"{field}_dropout_per_h": 30.0}), 60) if s.artefacts]
    assert hit
    assert all({f for f, i in INDEX.items() if s.values[i] == 0} == zeroed for s in hit)


def test_a_wrong_cuff_measurement_spoils_the_pressures_alone_and_keeps_their_order() -> None:
    hit = [s for s in samples(Rates(cuff_error_share=0.5), 200, cuff_s=60) if s.artefacts == (KINDS[CUFF],)]
    assert len(hit) > 50
    for s in hit:
        changed = {f for f, i in INDEX.items() if s.values[i] is not None and s.values[i] != s.truth[i]}
        assert changed == {"sbp", "dbp", "map"}


def test_a_flat_line_holds_its_value() -> None:
    none = {f: 0.0 for f in Rates.__struct_fields__ if f.endswith(("_per_h", "_share"))}
    line = [s for s in samples(Rates(**none | {"flat_per_h": 1e6, "flat_s": 1e9}), 50, devices=1) if s.artefacts]
    still = [
        f for f, i in INDEX.items() if len({s.values[i] for s in line}) == 1 and len({s.truth[i] for s in line}) > 1
    ]
    assert len(still) == 1


def test_an_artefact_never_leaves_the_range_that_a_monitor_can_show() -> None:
    values = np.array([s.values for s in samples(Rates(scale=200, cuff_error_share=0.005), 200)], dtype=np.float64)
    assert values.min() >= 0
    assert (values.max(axis=0) <= [sign.maximum for sign in SIGNS]).all()


def test_negative_rates_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Rates(motion_per_h=-1)


def test_every_kind_happens() -> None:
    rates = msgspec.structs.replace(NEWEST.rates, scale=60)
    devices = (samples(rates, 400, cuff_s=cuff_s, model=NEWEST) for cuff_s in (0.0, 60.0))
    assert {name for made in devices for s in made for name in s.artefacts} == set(KINDS)


def test_motion_slides_the_oximeter_away_and_back_while_the_ecg_stays() -> None:
    none = {f: 0.0 for f in Rates.__struct_fields__ if f.endswith(("_per_h", "_share"))}
    artefacts = Artefacts(Rates(**none | {"motion_per_h": 3600.0, "motion_s": 40.0}), 50, np.random.default_rng(4))
    quiet, still = np.full((50, len(SIGNS)), 90.0), np.zeros(50, dtype=bool)
    shown = [artefacts.apply(quiet, still, np.full(50, float(k)), 1.0) for k in range(3)]
    began, later = (np.abs(values[:, INDEX["pr"]] - 90) for values, *_ in (shown[0], shown[2]))
    assert began.mean() < later.mean()
    assert all((values[:, INDEX["hr"]] == 90).all() for values, *_ in shown)
    artefacts._per_s = 0.0
    for k in range(3, 400):
        values, kinds, _ = artefacts.apply(quiet, still, np.full(50, float(k)), 1.0)
        assert kinds.any(axis=1)[(values != 90).any(axis=1)].all()
    assert (values == 90).all()
