"""The judge of the lights itself: each failure is caused once, and what is right is no failure."""

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.truth import beds, due
from tests.truth.beds import Light, Shown, Stay, Verdict, judge

WELL = {"hr": 75, "pr": 75, "rr": 15, "spo2": 97, "temp": 36.8, "sbp": 125, "dbp": 75, "map": 92}
NO = np.nan
ADULT = [
    (40, 50, 120, 140), (40, 50, 120, 140), (6, 8, 30, 35), (85, 90, NO, NO),
    (NO, 35, 39, NO), (80, 90, 160, 200), (NO, NO, NO, NO), (NO, 60, 110, NO),
]  # fmt: skip
T0 = 1_763_812_800_000
STAYS = (Stay("p", "bed-1", 0),)
Part = tuple[int, Mapping[str, float]]


def life(*parts: Part, cadence: int = 1, line: bool = True, steady: Sequence[Part] = ()) -> dict[str, Any]:
    """Rounds after one another; `steady` is the state, where it is not what is shown."""

    def table(told: Sequence[Part]) -> Any:  # noqa: ANN401 - NumPy's own
        return np.array([[{**WELL, **c}[s] for s in WELL] for n, c in told for _ in range(n)], dtype=float)[None]

    shown, state = table(parts), table(steady or parts)
    m = shown.shape[1]
    return {
        "cadence_s": cadence,
        "patients": np.array(["p"]),
        "line": np.array([line]),
        "t": (T0 + 1000 * cadence * np.arange(m))[None],
        "shown": shown,
        "state": state,
        "pulse": np.ones((1, m), bool),
        "heard": np.ones((1, m), bool),
        "limits": np.array([ADULT]),
    }


def alarm(condition: str = "spo2", priority: str = "high", state: str = "active", subject: str = "p") -> Shown:
    return Shown(f"{subject}.{condition}.1", subject, condition, priority, state)


def at(second: float, *alarms: Shown, bed: str = "bed-1", says: str | None = None) -> Light:
    return Light(T0 + round(1000 * second), "gw", bed, alarms, says)


def found(world: dict[str, Any], *lights: Light, stays: Sequence[Stay] = STAYS, struck: Any = None) -> Verdict:  # noqa: ANN401 - a mapping or none
    return judge(world, stays, lights, int(world["t"].max()), struck)


def told(verdict: Verdict) -> dict[str, int]:
    return {name: n for name in ("dark", "late", "gone", "stuck", "wrong_bed") if (n := getattr(verdict, name))}


DESATURATION = ((60, {}), (60, {"spo2": 80}), (120, {}))


def test_a_light_that_comes_on_and_goes_out_in_time_is_right() -> None:
    verdict = found(life(*DESATURATION), at(72, alarm()), at(125))
    assert (told(verdict), verdict.due) == ({}, 2)
    assert verdict.worst_ms == 12_000


def test_a_light_that_stays_off_is_dark() -> None:
    assert told(found(life(*DESATURATION))) == {"dark": 2}


def test_a_lower_priority_than_the_breach_is_dark_for_the_higher() -> None:
    assert told(found(life(*DESATURATION), at(72, alarm(priority="medium")), at(125))) == {"dark": 1}


def test_a_latched_alarm_of_before_hides_no_new_breach() -> None:
    assert told(found(life(*DESATURATION), at(0, alarm(state="latched")))) == {"dark": 2}


def test_another_patients_alarm_lights_nobody() -> None:
    verdict = found(life(*DESATURATION), at(72, alarm(subject="q")), at(125))
    assert told(verdict) == {"dark": 2, "wrong_bed": 1}


def test_a_light_after_its_budget_is_late() -> None:
    verdict = found(life(*DESATURATION), at(90, alarm()), at(125))
    assert told(verdict) == {"late": 2}
    assert verdict.lines[0]["what"] == "late"


def test_too_short_a_breach_is_due_to_nobody() -> None:
    verdict = found(life((60, {}), (8, {"spo2": 80}), (60, {})))
    assert (told(verdict), verdict.due) == ({}, 0)


def test_a_breach_that_ends_before_its_budget_does_is_not_judged() -> None:
    verdict = found(life((60, {}), (15, {"spo2": 80}), (60, {})))
    assert (told(verdict), verdict.due, verdict.brief) == ({}, 0, 1)


def test_at_a_slow_cadence_the_second_reading_decides_and_one_cadence_is_allowed() -> None:
    world = life((10, {}), (5, {"spo2": 80}), (10, {}), cadence=30)
    assert told(found(world, at(365, alarm()), at(455))) == {}
    assert told(found(world, at(375, alarm()), at(455))) == {"late": 2}


def test_a_cuff_beyond_an_extreme_is_medium_at_once_and_high_when_confirmed() -> None:
    world = life((60, {}), (300, {"sbp": 60, "map": 80}), (60, {}), line=False)
    verdict = found(world, at(70, alarm("sbp", "medium")), at(150, alarm("sbp")), at(365))
    assert told(verdict) == {"late": 1}


def test_an_arrest_is_high_and_takes_the_place_of_every_other_sign() -> None:
    world = life((60, {}), (60, {"hr": 0, "pr": 0, "spo2": 0, "sbp": 18, "map": 14}), (120, {}))
    world["pulse"][0, 60:120] = False
    verdict = found(world, at(75, alarm("vital-signs-lost")), at(125))
    assert (told(verdict), verdict.due) == ({}, 1)
    assert told(found(world)) == {"dark": 1}


def test_an_active_alarm_that_outlasts_its_breach_is_stuck() -> None:
    verdict = found(life((60, {}), (60, {"spo2": 80}), (300, {})), at(72, alarm()))
    assert told(verdict) == {"stuck": 1}
    assert verdict.lines[0]["alarm"] == "p.spo2.1"


def test_a_latched_alarm_is_not_stuck() -> None:
    lights = (at(72, alarm()), at(125, alarm(state="latched")))
    assert told(found(life((60, {}), (60, {"spo2": 80}), (300, {})), *lights)) == {}


def test_one_alarm_told_again_and_again_is_one_stuck_alarm() -> None:
    lights = [at(72 + 10 * k, alarm()) for k in range(30)]
    assert told(found(life((60, {}), (60, {"spo2": 80}), (300, {})), *lights)) == {"stuck": 1}


def test_an_alarm_that_the_device_shows_beyond_is_borne_out_whatever_the_state_is() -> None:
    parts = ((60, {}), (60, {"spo2": 80}), (300, {"spo2": 89}))
    steady = ((60, {}), (60, {"spo2": 80}), (300, {"spo2": 90}))
    assert told(found(life(*parts, steady=steady), at(72, alarm()))) == {}


def test_where_no_reading_comes_an_alarm_may_stand() -> None:
    world = life((60, {}), (60, {"spo2": 80}), (300, {}))
    world["heard"][0, 125:] = False
    assert told(found(world, at(72, alarm()))) == {}


def test_a_score_is_held_against_its_bed_alone() -> None:
    assert told(found(life((400, {})), at(10, alarm("news2-risk")))) == {}


def test_a_patient_who_lies_elsewhere_is_at_the_wrong_bed() -> None:
    world = life(*DESATURATION)
    lights = (at(72, alarm()), at(125), at(72, alarm(), bed="bed-2"), at(125, bed="bed-2"))
    assert told(found(world, *lights)) == {"wrong_bed": 1}


def test_a_light_that_a_moved_patient_left_behind_is_at_the_wrong_bed() -> None:
    world = life((60, {}), (180, {"spo2": 80}), (60, {}))
    moved = (Stay("p", "bed-1", 0, T0 + 120_000), Stay("p", "bed-2", T0 + 120_000))
    follows = (at(72, alarm()), at(125, alarm(), bed="bed-2"), at(245, bed="bed-2"))
    assert told(found(world, *follows, at(125), stays=moved)) == {}
    assert told(found(world, *follows, stays=moved)) == {"wrong_bed": 1}


def test_an_alarm_of_nobody_who_is_known_is_at_the_wrong_bed() -> None:
    assert told(found(life((100, {})), at(10, alarm(subject="stranger")))) == {"wrong_bed": 1}


def test_equipment_is_no_patient() -> None:
    assert told(found(life((100, {})), at(10, alarm("device-silent", subject="mon-1")))) == {}


def test_a_message_that_names_another_bed_is_at_the_wrong_bed() -> None:
    assert told(found(life((100, {})), at(10, says="bed-2"))) == {"wrong_bed": 1}


def test_what_is_over_before_its_own_gateway_is_whole_again_is_not_judged_and_is_counted() -> None:
    struck = {"bed-1": [(T0 + 70_000, T0 + 125_000)]}
    verdict = found(life(*DESATURATION), struck=struck)
    assert (told(verdict), verdict.hindered) == ({}, 2)
    assert told(found(life(*DESATURATION), struck={"bed-2": struck["bed-1"]})) == {"dark": 2}


def test_a_light_owes_what_is_so_once_its_gateway_is_whole_again() -> None:
    struck = {"bed-1": [(T0 + 70_000, T0 + 95_000)]}
    assert told(found(life(*DESATURATION), struck=struck)) == {"dark": 2}
    assert told(found(life(*DESATURATION), at(94, alarm()), at(125), struck=struck)) == {}
    assert told(found(life(*DESATURATION), at(100, alarm()), at(125), struck=struck)) == {"late": 2}


def test_a_light_that_goes_dark_again_while_the_breach_goes_on_is_gone() -> None:
    world = life((60, {}), (180, {"spo2": 80}), (60, {}))
    assert told(found(world, at(72, alarm()), at(120), at(125, alarm()), at(245))) == {}
    assert told(found(world, at(72, alarm()), at(120), at(140, alarm()), at(245))) == {"gone": 2}
    assert told(found(world, at(72, alarm()), at(120))) == {"gone": 2}
    struck = {"bed-1": [(T0 + 118_000, T0 + 138_000)]}
    assert told(found(world, at(72, alarm()), at(120), at(140, alarm()), at(245), struck=struck)) == {}


def test_an_alarm_is_stuck_by_what_came_while_its_gateway_was_whole() -> None:
    world = life((60, {}), (60, {"spo2": 80}), (300, {}))
    assert told(found(world, at(72, alarm()), at(230), struck={"bed-1": [(T0 + 140_000, T0 + 190_000)]})) == {}
    assert told(found(world, at(72, alarm()), at(260), struck={"bed-1": [(T0 + 140_000, T0 + 190_000)]})) == {
        "stuck": 1
    }


def test_a_patient_who_moves_takes_the_breach_along() -> None:
    world = life((60, {}), (180, {"spo2": 80}), (60, {}))
    moved = (Stay("p", "bed-1", 0, T0 + 120_000), Stay("p", "bed-2", T0 + 120_000, told=T0 + 110_000))
    first = (at(72, alarm()), at(115))
    assert told(found(world, *first, at(115, alarm(), bed="bed-2"), at(245, bed="bed-2"), stays=moved)) == {}
    assert told(found(world, *first, stays=moved)) == {"dark": 2}
    assert told(found(world, *first, at(90, alarm(), bed="bed-2"), at(245, bed="bed-2"), stays=moved)) == {
        "wrong_bed": 1
    }


def test_a_reading_that_was_lost_gives_thirty_seconds_more() -> None:
    world = life((60, {}), (90, {"spo2": 80}), (60, {}))
    world["heard"][0, 65] = False
    assert told(found(world, at(110, alarm()), at(155))) == {}
    assert told(found(world, at(125, alarm()), at(155))) == {"late": 2}


def test_nothing_that_was_heard_owes_nothing() -> None:
    world = life(*DESATURATION)
    world["heard"][:] = False
    assert found(world).due == 0


@pytest.mark.parametrize("module", [beds, due])
def test_the_judge_imports_nothing_of_the_product(module: Any) -> None:  # noqa: ANN401 - a module
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    names |= {alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    parts = {name.split(".")[0] for name in names}
    assert not parts & {"vitals", "edge", "bridge", "cloud", "infra", "firmware_sim"}
