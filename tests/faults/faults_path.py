"""A hundred faults on the whole path, and what they cost: `make faults ONLY=path`, some 45 minutes; needs root.

2,000 readings a second for 30 minutes, most from synthetic gateways, some from simulated monitors behind two real ones;
100 faults at random moments over all tiers (`tests/faults/path/plan.py`). What dies is started again as systemd and
ECS do. Then everything is counted by ledger: docs/reliability.md tells how to read it.

`FAULTS_SHARE=0.1` does a tenth of it (at least three minutes and ten faults), `FAULTS_MINUTES` sets the length alone,
`FAULTS_SEED` draws another storm. The plan is printed and, with all that was found, kept in `var/faults-path.json`,
what the lights at the beds showed in `var/faults-beds.jsonl`; `LIFE=folder` keeps all of which
`python -m tests.truth.real folder` makes a judge's files.
"""

import dataclasses
import json
import os
import signal
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from cloud.settings import Kafka
from infra.demo.faults import Fault
from infra.demo.supervisor import Supervisor
from infra.local.servers.sns import part as sns
from infra.local.topic_observer import PARTITIONS, Observer
from tests.bench.path import run_files
from tests.bench.path.percentiles import rank
from tests.faults.path import bedside
from tests.faults.path import plan as plans
from tests.faults.path import verdict as verdicts
from tests.faults.path.ledgers import Warehouse, outbox, reached
from tests.faults.path.lights import Recorder
from tests.faults.path.sight import Sight
from tests.faults.path.stage import DEVICE_CADENCE_S, HANDOVER_S, RATE, Standing, standing
from tests.faults.path.storm import Storm, say, until
from tests.faults.path.strikes import Strikes
from tests.faults.path.truth import Truth, truth
from tests.truth.beds import Verdict
from vitals.runtime.daemon import now_ms

SHARE: Final = float(os.environ.get("FAULTS_SHARE", "1"))
SEED: Final = int(os.environ.get("FAULTS_SEED", "10"))
MINUTES: Final = float(os.environ.get("FAULTS_MINUTES", str(max(3.0, 30 * SHARE))))
COUNT: Final = max(10, round(100 * SHARE))
KEPT: Final = Path("var/faults-path.json")
LIFE: Final = os.environ.get("LIFE", "")


@dataclass(frozen=True, slots=True)
class Found:
    """What a storm found.

    Attributes:
        readings: Counted by identity.
        alarms: Against the engine on the log.
        messages: Notifications.
        recoveries: Of every fault.
        delays_ms: Of every alarm, faults or not.
        breaches: Synthetic patients with a breach in the log.
        silent: Of these, without an alarm, by the log or by the topic.
        faults: Planned.
        beds: The lights at the real gateways' beds.
        unreached: Messages that SNS accepted and no device had.
    """

    readings: verdicts.Counted
    alarms: verdicts.Alarms
    messages: verdicts.Messages
    recoveries: list[verdicts.Recovery]
    delays_ms: list[float]
    breaches: int
    silent: tuple[int, int]
    faults: int
    beds: Verdict
    unreached: int


def judge(storm: Storm, due: Truth, faults: int, beds: Verdict) -> Found:
    """Holds the ledgers against one another."""
    recoveries = storm.recoveries()
    told, records = storm.seen.asked(lambda sight: (list(sight.alarms), list(sight.notifications)))
    stack, plan = storm.standing.stage.stack, storm.standing.plan
    readings = verdicts.real(storm.accepted, storm.warehouse.real())
    readings += verdicts.synthetic(plan, storm.standing.load.told().sent, storm.warehouse.synthetic())
    busy = [(one.struck.began, one.until) for one in recoveries]
    accepted = {record.sns for record in records if record.sns is not None}
    alarmed = [{event.patient for event in events} for events in (due.due, told)]
    return Found(
        readings=readings,
        alarms=verdicts.alarms(due.due, told, busy),
        messages=verdicts.messages(told, records, outbox(stack.env(), say)),
        recoveries=recoveries,
        delays_ms=[event.told - event.t for event in told],
        breaches=len(due.low),
        silent=(len(due.low - alarmed[0]), len(due.low - alarmed[1])),
        faults=faults,
        beds=beds,
        unreached=len(accepted - reached(sns.endpoint(stack.ports.sns))),
    )


def measure() -> Found:
    """Runs the storm.

    Raises:
        PartError: The path did not come up.
    """
    duration_s = MINUTES * 60
    faults = plans.storm(SEED, duration_s, COUNT)
    # Asked to end, it ends everything in order: a file system is mounted, which nobody else takes away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(plans.told(SEED, faults))
    say(f"seed {SEED}, {len(faults)} faults in {duration_s:.0f} s at {RATE} readings/s:")
    for fault in faults:
        say(f"  {fault.at_s:7.1f} s  {fault}")
    with (
        tempfile.TemporaryDirectory(prefix="wardwatch-storm-", ignore_cleanup_errors=True) as folder,
        standing(Path(folder), SEED, duration_s) as stands,
    ):
        return _stormed(stands, faults, duration_s)


def _stormed(stands: Standing, faults: tuple[Fault, ...], duration_s: float) -> Found:
    stage = stands.stage
    warehouse = Warehouse(stage.stack.warehouse_url(), SEED)
    brokers = {gateway: stage.stack.device_broker_url(gateway) for gateway in plans.GATEWAYS}
    strikes = Strikes(stage.stack, stage.specs["watch"].env["WATCH_SNAPSHOTS"], threading.Event().wait, SEED)
    with (
        Observer(stage.bootstrap, PARTITIONS, Sight(plans.GATEWAYS)) as seen,
        Supervisor(stage.stack.processes, list(stage.specs.values()), stands.cables, say, strikes.ways()) as supervisor,
        Recorder(brokers, KEPT.with_name("faults-beds.jsonl"), now_ms) as recorder,
    ):
        began = now_ms()
        storm = Storm(stands, seen, supervisor, warehouse)
        until(lambda: len(seen.asked(lambda sight: sight.notifications)) > 0, "the first notification")
        storm.blow(faults, duration_s)
        ends = now_ms()
        say("draining")
        storm.drain()
        say("quiet; running the engine over the log")
        due = truth(Kafka(kafka_bootstrap=stage.bootstrap), HANDOVER_S, say)
        beds = bedside.judged(stands, tuple(recorder.lights), tuple(supervisor.struck), began, ends)
        found = judge(storm, due, len(faults), beds)
        keep(found, faults, due)
        if LIFE:
            keep_life(Path(LIFE), stands)
        return found


def keep_life(folder: Path, stands: Standing) -> None:
    """Keeps what the storm was to the patients of the real gateways; there is one nurse a ward."""
    stage = stands.stage
    run_files.keep(
        folder,
        bootstrap=stage.bootstrap,
        ledger=stands.ledger,
        roster=stands.roster,
        cadence_s=DEVICE_CADENCE_S,
        alone=True,
        sns=sns.endpoint(stage.stack.ports.sns),
    )


def keep(found: Found, faults: tuple[Fault, ...], due: Truth) -> None:
    """Writes the plan and all that was found."""
    whole = json.loads(plans.told(SEED, faults)) | {
        "readings": dataclasses.asdict(found.readings),
        "alarms": dataclasses.asdict(found.alarms),
        "messages": dataclasses.asdict(found.messages),
        "judged": due.readings,
        "beds": dataclasses.asdict(found.beds),
        "unreached": found.unreached,
        "recoveries": [
            {"fault": str(one.struck.fault), "at_s": one.struck.fault.at_s, "back_s": dict(one.back_s)}
            for one in found.recoveries
        ],
    }
    KEPT.write_text(json.dumps(whole, indent=1) + "\n")


def rows() -> list[dict[str, Any]]:
    """Returns the rows of `faults.json`."""
    found = measure()
    readings, alarms, messages = found.readings, found.alarms, found.messages
    storm = f"{found.faults} faults in {MINUTES:g} min at {RATE} readings/s, seed {SEED}"
    named = "; ".join(alarms.names) or "against the engine, run over topic vitals"
    unhealed = [one for one in found.recoveries if len(one.back_s) < max(len(r.back_s) for r in found.recoveries)]
    hushed = f"{found.breaches} synthetic patients with a breach; of {found.silent[0]} it came too late to page"
    return [
        row("lost", readings.lost, 0, f"of {readings.accepted:,} readings that gateways accepted; {storm}"),
        row("doubled", readings.doubled, 0, "rows of the warehouse beyond one a reading"),
        row("foreign", readings.foreign, 0, "rows that no gateway sent"),
        row("alarms_missed", alarms.missed, 0, f"of {alarms.due} that began or grew; {named}"),
        row("alarms_doubled", alarms.doubled, 0, "events of one id and number that are there again"),
        row("alarms_invented", alarms.invented, 0, f"told, and not due; {alarms.moved} began within 10 s of the due"),
        row("alarms_late", alarms.late, 0, f"of {alarms.quiet} in quiet, over 10 s; the worst {alarms.worst_ms} ms"),
        row("breaches_silent", found.silent[1] - found.silent[0], 0, hushed),
        row(
            "untold",
            messages.untold,
            0,
            f"of {messages.due} to tell people of; {messages.failed} are on record as failed",
        ),
        row("told_twice", messages.doubled, 0, "records of one message that are there again"),
        row("told_window", messages.window, None, "sent twice: no answer of SNS in time, or a kill before the record"),
        row("unreached", found.unreached, 0, "accepted by SNS, everybody confirmed, and on nobody's device"),
        *bedside.rows(found.beds),
        row("faults_not_done", found.faults - len(found.recoveries), 0, "planned, and not carried out"),
        row("faults_not_healed", len(unhealed), 0, "; ".join(str(one.struck.fault) for one in unhealed[:5])),
        row("alarm_p50_ms", rank(found.delays_ms, 0.5), None, "reading to alarm, faults and all", "ms"),
        row("alarm_max_s", max(found.delays_ms, default=0) / 1000, None, "the same, the longest", "s"),
        *back(found.recoveries),
    ]


def back(recoveries: list[verdicts.Recovery]) -> list[dict[str, Any]]:
    """Returns rows of how long each kind of fault was felt after its end."""
    kinds = sorted({one.struck.fault.what for one in recoveries})
    found = []
    for kind in kinds:
        mine = sorted((one for one in recoveries if one.struck.fault.what is kind and one.back_s), key=_longest)
        if mine:
            worst = mine[-1]
            place = max(worst.back_s, key=lambda name: worst.back_s[name])
            spans = [_longest(one) for one in mine]
            note = f"median {median(spans):.1f} of {len(spans)}; {worst.struck.fault}, {place}"
            found.append(row(f"back_{kind.value}_s", spans[-1], None, note, "s"))
    return found


def _longest(one: verdicts.Recovery) -> float:
    return max(one.back_s.values())


def row(name: str, value: float, goal: float | None, note: str, unit: str = "count") -> dict[str, Any]:
    """One row; less is better."""
    return {"name": f"path.{name}", "value": value, "unit": unit, "goal": goal, "better": "lower", "note": note}


if __name__ == "__main__":
    for line in rows():
        say(str(line))
