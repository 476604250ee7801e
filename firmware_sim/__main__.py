"""`python -m firmware_sim`: simulated bedside devices on a gateway's broker."""

import argparse
import math
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from firmware_sim import build, faults, plan
from firmware_sim.faults import Fault
from firmware_sim.ground_truth_log import GroundTruthLog
from firmware_sim.patient import stories
from firmware_sim.patient.calibration import CALIBRATIONS, NEWEST
from firmware_sim.plan import DevicePlan, Plan
from firmware_sim.simulation import DRAIN_S, Clock, Simulation
from vitals.runtime.daemon import log_json, now_ms, stop_on_signals

_BROKER: Final = "mqtt://127.0.0.1:1883"


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m firmware_sim", description=__doc__, allow_abbrev=False)
    parser.add_argument("--plan", type=Path, help="plan (.json or .toml): devices, brokers, stories, faults")
    parser.add_argument("--ward", action="append", default=[], metavar="WARD=COUNT@BROKER",
                        help="devices mon-WARD-01 … on a broker; may be repeated")  # fmt: skip
    parser.add_argument("--devices", type=int, help="so many devices, mon-sim-0001 …, on --broker")
    parser.add_argument("--broker", default=_BROKER, help=f"broker for --devices and --replay ({_BROKER})")
    parser.add_argument("--story", action="append", default=[], metavar="[DEVICE:]STORY[@START_S[xSPEED]]",
                        help=f"a story file, or one of {', '.join(stories.NAMED)}")  # fmt: skip
    parser.add_argument("--faults", action="append", default=[], metavar="[DEVICE:]KIND[=RATE][@AT_S][+FOR_S][~BY_S]",
                        help=f"comma-separated; KIND of {', '.join(k.value for k in faults.FaultKind)}")  # fmt: skip
    parser.add_argument("--ca", help="certificate authority of mqtts:// brokers (the system's)")
    parser.add_argument("--cert", help="client certificate for mqtts://; {device} stands for the device id")
    parser.add_argument("--key", help="its key; {device} as above")
    parser.add_argument("--replay", type=Path, metavar="RECORDING",
                        help="recorded monitor (.csv, or a WFDB .hea), played by device mon-replay-01")  # fmt: skip
    parser.add_argument("--speed", type=float, default=1.0, help="recorded seconds per second, for --replay (1)")
    parser.add_argument("--cadence", type=float, help="seconds between readings (30, or the plan's)")
    parser.add_argument("--cuff", type=float, help="seconds between cuff pressures, 0 for arterial lines (0)")
    parser.add_argument("--artefacts", type=float, help="factor on the measured artefact rates, 0 for none (1)")
    parser.add_argument("--simulator", help=f"parameter set: {', '.join(CALIBRATIONS)} ({NEWEST.name}, or the plan's)")
    parser.add_argument("--seed", type=int, help="seed of all but the boot numbers (1, or the plan's)")
    parser.add_argument("--ledger", type=Path, help="where to append the ledger (JSON lines)")
    parser.add_argument("--duration", type=float, default=math.inf, help="seconds; without it until stopped")
    parser.add_argument(
        "--drain", type=float, default=DRAIN_S, help=f"seconds to wait for acknowledgements ({DRAIN_S:g})"
    )
    parser.add_argument("--print-plan", action="store_true", help="print the plan that these arguments make, and exit")
    return parser


def _devices(arguments: argparse.Namespace) -> tuple[DevicePlan, ...]:
    devices = [device for word in arguments.ward for device in plan.ward(word)]
    devices += [
        DevicePlan(device=f"mon-sim-{n:04d}", broker=arguments.broker) for n in range(1, (arguments.devices or 0) + 1)
    ]
    if arguments.replay is not None:
        devices.append(
            DevicePlan(
                device="mon-replay-01",
                broker=arguments.broker,
                replay=str(arguments.replay),
                replay_speed=arguments.speed,
            )
        )
    return tuple(devices)


def _fault_words(words: list[str]) -> dict[str, tuple[Fault, ...]]:
    found: dict[str, tuple[Fault, ...]] = {}
    for word in (part for argument in words for part in argument.split(",") if part):
        device, _, rest = word.rpartition(":")
        found[device] = (*found.get(device, ()), faults.parse(rest))
    return found


def _plan(arguments: argparse.Namespace) -> Plan:
    """Returns the plan: the file's, overridden by the flags."""
    made = plan.load(arguments.plan) if arguments.plan is not None else None
    devices = (*(made.devices if made is not None else ()), *_devices(arguments))
    if not devices:
        raise ValueError("there are no devices: give --plan, --ward, --devices or --replay")
    devices = plan.with_stories(devices, arguments.story)
    made = Plan(devices=devices) if made is None else msgspec.structs.replace(made, devices=devices)
    given = {
        "seed": arguments.seed,
        "simulator": arguments.simulator,
        "cadence_s": arguments.cadence,
        "cuff_s": arguments.cuff,
    }
    if arguments.artefacts is not None:
        given["artefacts"] = made.artefacts | {"scale": arguments.artefacts}
    files = {key: getattr(arguments, key) for key in ("ca", "cert", "key") if getattr(arguments, key) is not None}
    if files:
        given["tls"] = msgspec.structs.replace(made.tls, **files)
    made = msgspec.structs.replace(made, **{key: value for key, value in given.items() if value is not None})
    return plan.with_faults(made, _fault_words(arguments.faults))


def main(argv: list[str]) -> int:
    """Runs the simulator; returns 0 if every reading was acknowledged, or dropped and logged as dropped."""
    arguments = _arguments().parse_args(argv)
    log_json("firmware_sim")
    try:
        made = _plan(arguments)
        if arguments.print_plan:
            sys.stdout.write(plan.dump(made).decode() + "\n")
            return 0
        sources = build.sources(made, now_ms())
        ledger = GroundTruthLog(arguments.ledger)
        devices = build.devices(made, ledger, np.random.default_rng())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"firmware_sim: {error}\n")
        return 2
    stop = stop_on_signals()
    with ledger:
        ledger.run(seed=made.seed, devices=[device.device for device in made.devices], now=now_ms())
        fleet = Simulation(devices, sources, ledger, Clock(time.monotonic, now_ms), made.seed)
        summary = fleet.run(stop, arguments.duration, arguments.drain)
    sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    return 1 if summary.pending else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
