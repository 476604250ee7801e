"""State after a restart: own time, alarms, devices and queues, from the outbox."""

from collections.abc import Callable
from dataclasses import dataclass

from edge.clock.boot_clock import Boot
from edge.clock.gateway_clock import GatewayClock
from edge.downlink import Downlink, kept_roster
from edge.ingest.decode import Ingest
from edge.ingest.dedup import SeenSequences
from edge.metrics import Metrics
from edge.settings import Settings
from edge.status import health
from edge.status.report import Reporter
from edge.store.clock_restore import take_up
from edge.store.commit import CommitQueue
from edge.store.outbox import COUNT, Outbox
from edge.store.snapshot import COSTS, HEARD, MEMORY, kept_state, resumed
from edge.store.unconfirmed import TRIMMED
from edge.uplink.side_messages import SideMessages
from vitals import engine


@dataclass(frozen=True, slots=True)
class Recovered:
    """Parts with a state that survives a restart; the bedside alarms and the roster are the downlink's."""

    clock: GatewayClock
    ingest: Ingest
    reporter: Reporter
    side_messages: SideMessages
    downlink: Downlink
    commits: CommitQueue


def recover(
    settings: Settings,
    outbox: Outbox,
    metrics: Metrics,
    now_ms: Callable[[], int],
    boot: Callable[[int], Boot],
    *,
    clock_s: float,
    settled: bool,
) -> Recovered:
    """Restores the gateway's parts from the outbox.

    Args:
        settings: Settings.
        outbox: Opened outbox.
        metrics: Metrics.
        now_ms: System clock, UTC epoch ms.
        boot: Returns the machine's boot for a given time of that clock.
        clock_s: Monotonic clock, s.
        settled: Whether time synchronisation reports the system clock as set.
    """
    machine, state = now_ms(), kept_state(outbox)
    start = take_up(outbox, state, machine, boot(machine), settled=settled)
    now = start.own
    clock = GatewayClock(now, machine, clock_s, settled=settled, bridge=start.bridge)
    ledger = accepted_so_far(outbox)
    ingest = Ingest(settings.gateway, ledger)
    memory = ingest.recall(outbox.load(MEMORY))
    ingest.rebase(start.by_ms)
    reporter = Reporter(settings, metrics, clock_s)
    devices = reporter.devices
    devices.recall(outbox.load(HEARD) or b"{}", start.by_ms)
    reporter.trimmed = outbox.count(TRIMMED)
    ended = 0
    if state is not None:
        state = engine.rebase(state, start.by_ms)
        ended = state.now

    def own_boot() -> Boot:
        machine = now_ms()
        known = boot(machine)
        return Boot(known.id, known.began + clock.now - machine, bridge=clock.bridge)

    alarms = resumed(outbox, state, kept_roster(settings.gateway, outbox), now, start.times.righted)
    side_messages = SideMessages()
    downlink = Downlink(outbox, alarms, reporter, side_messages, metrics=metrics)
    for row, readings in outbox.journal(outbox.seen(memory)):
        right = start.times.righted(row, readings)
        ingest.replay(right, downlink.assignments)
        devices.replay(right)
    devices.excuse(now, ended)
    reporter.clocks.recall(ingest.clocks())
    commits = CommitQueue(
        settings,
        outbox,
        ledger,
        alarms,
        lambda: {MEMORY: ingest.memory(), HEARD: devices.memory()},
        metrics=metrics,
        boot=own_boot,
        times=start.times,
    )
    commits.hold(held=not clock.stands)
    if outbox.originals:
        reporter.own.judge(health.REPLACED, True, now)
        reporter.own.judge(health.RESCUING, True, now)
    lost = [text for key, text in COSTS.items() if key in outbox.lost]
    reporter.own.judge(health.MEMORY_LOST, bool(lost), now, ", ".join(lost))
    return Recovered(clock, ingest, reporter, side_messages, downlink, commits)


def accepted_so_far(outbox: Outbox) -> SeenSequences:
    """Returns the ledger: the stored runs, and the identities in the journal since."""
    count = outbox.count(COUNT) if outbox.load(COUNT) else None
    ledger = SeenSequences(outbox.accepted(), count, outbox.begun())
    for _, part in outbox.journal(outbox.position):
        for identity in part.identities():
            ledger.add(*identity)
    return ledger
