"""Plan to simulation: builds sources, devices and their seeds."""

from pathlib import Path
from typing import Final

import numpy as np

from firmware_sim.broker import Broker, broker
from firmware_sim.device import Device, Outbox
from firmware_sim.faults import Injector
from firmware_sim.ground_truth_log import GroundTruthLog
from firmware_sim.patient import replay
from firmware_sim.patient.patient_group import Patient, PatientGroup, Source
from firmware_sim.patient.scenarios import Course
from firmware_sim.plan import DevicePlan, Plan

_DAY_MS: Final = 86_400_000


def sources(plan: Plan, now: int) -> list[Source]:
    """Returns the sources of a plan's readings.

    Args:
        plan: The plan.
        now: UTC epoch ms of second 0; its time of day sets the circadian course.

    Raises:
        ValueError: A scenario or a recording cannot be read, or a baseline names no channel.
    """
    day_s = now % _DAY_MS / 1000
    found: list[Source] = [
        replay.Replay(d.device, replay.read(Path(d.replay)), d.replay_speed, Path(d.replay).name)
        for d in plan.devices
        if d.replay is not None
    ]
    for cadence_s, members in _by_cadence(plan).items():
        patients = [
            Patient(
                d.device,
                Course(plan.story(d), d.start_s, d.speed),
                plan.cuff_s if d.cuff_s is None else d.cuff_s,
                d.signs,
                tuple(d.baseline.items()),
            )
            for d in members
        ]
        found.append(PatientGroup(patients, cadence_s, plan.rates(), plan.seed, day_s, plan.model()))
    return found


def _by_cadence(plan: Plan) -> dict[float, list[DevicePlan]]:
    groups: dict[float, list[DevicePlan]] = {}
    for device in plan.devices:
        if device.replay is None:
            groups.setdefault(device.cadence_s or plan.cadence_s, []).append(device)
    return groups


def devices(plan: Plan, ledger: GroundTruthLog, boots: np.random.Generator) -> dict[str, tuple[Device, Broker]]:
    """Returns each device with its broker; `boots` draws boot numbers, and does not use the plan's seed.

    Two runs of one plan must not share an identity: their readings would be dropped as repeats.

    Raises:
        ValueError: A device's certificate cannot be used.
    """
    return {
        d.device: (
            Device(
                d.device,
                Injector((*plan.faults, *d.faults), np.random.default_rng([plan.seed, 3, n])),
                Outbox(plan.outbox),
                ledger,
                boots,
            ),
            broker(d.broker, d.device, plan.tls),
        )
        for n, d in enumerate(plan.devices)
    }
