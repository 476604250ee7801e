"""The scenario of the demo: two wards, 24 beds, four events, and two more and a nurse in an endless one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.demo.faults import Fault, What, cuts

CADENCE_S: Final = 2.0
BEDS: Final = 12
WARDS: Final = {"gw-icu": "icu", "gw-med": "med"}
"""Ward of each gateway."""
CUT_GATEWAY: Final = "gw-med"
NEW_OUTBOX_GATEWAY: Final = "gw-icu"
TOLD_IN_S: Final = 90.0
"""Length of run for which the scenario is written, s; in a shorter one it runs faster."""
DESATURATING: Final = "mon-icu-03"


@dataclass(frozen=True, slots=True)
class Beat:
    """A scenario on one device: start and speed against real time, in a run of `TOLD_IN_S`.

    A speed of 1 is kept in a shorter run, since an event that waits for a real delay of the alarm rules cannot be
    faster.
    """

    device: str
    story: str
    start_s: float
    speed: float


BEATS: Final = (
    Beat("mon-icu-07", "probe-off-and-on", 2, 1),
    Beat(DESATURATING, "desaturation", 2, 24),
    Beat("mon-icu-10", "sepsis", 4, 450),
)
FIRST_MINUTE: Final = (
    Beat("mon-icu-05", "sudden-arrest", 25, 1),
    Beat("mon-icu-09", "transport", 15, 1),
)
"""Further beats of the endless demo: an arrest, and a patient off the monitor, on standby."""
OFF_MONITOR: Final = "mon-icu-09"
CUT_AT_S, CUT_FOR_S = 34.0, 20.0
DEAD_AT_S, DEAD_FOR_S = 40.0, 60.0
"""The gateway that dies in the endless demo: it is stopped, and continues after a minute."""


def pace(duration_s: float | None) -> float:
    """Returns the factor by which the scenario is sped up to fit into a run shorter than `TOLD_IN_S`."""
    return max(1.0, TOLD_IN_S / duration_s) if duration_s else 1.0


def plan(brokers: Mapping[str, str], *, duration_s: float | None, seed: int) -> bytes:
    """Returns the plan of the simulated devices, in the form that `python -m firmware_sim --plan` reads.

    Args:
        brokers: Address of each gateway's broker.
        duration_s: Length of the run, s; None if it is endless.
        seed: Seed of the patients.
    """
    faster = pace(duration_s)
    beats = {beat.device: beat for beat in (*BEATS, *(() if duration_s else FIRST_MINUTE))}
    devices: list[dict[str, Any]] = []
    for gateway, ward in WARDS.items():
        for number in range(1, BEDS + 1):
            device: dict[str, Any] = {"device": f"mon-{ward}-{number:02d}", "broker": brokers[gateway]}
            if beat := beats.get(device["device"]):
                speed = beat.speed if beat.speed == 1 else beat.speed * faster
                device |= {"story": beat.story, "start_s": beat.start_s / faster, "speed": speed}
            devices.append(device)
    # Artefacts are left out: each alarm on the screen belongs to the scenario.
    plan_ = {
        "devices": devices,
        "seed": seed,
        "cadence_s": CADENCE_S,
        "simulator": "2026-11",
        "artefacts": {"scale": 0},
    }
    return json.dumps(plan_, indent=1).encode()


def ordinary_faults(duration_s: float | None) -> tuple[Fault, ...]:
    """Returns the one fault of the scenario: a gateway loses its uplink for 20 s; in an endless demo it is dead."""
    if duration_s is None:
        return (Fault(DEAD_AT_S, What.STALL, f"edge-{CUT_GATEWAY}", DEAD_FOR_S),)
    return cuts(CUT_GATEWAY, CUT_AT_S / pace(duration_s), CUT_FOR_S)
