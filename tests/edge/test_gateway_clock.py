"""The gateway's own time, the machine's boot and the notifier's heartbeat, each by itself."""

from pathlib import Path

from edge.alarm.notifier_heartbeat import NotifierHeartbeat
from edge.clock import synchronisation
from edge.clock.boot_clock import this_boot
from edge.clock.gateway_clock import GatewayClock
from vitals.status import ClockOffset

HOUR_MS = 3_600_000


def test_heartbeats_that_a_broker_kept_are_no_sign_of_life_and_a_notifier_whose_clock_was_set_is() -> None:
    alive = NotifierHeartbeat(0.0)
    assert alive.heard(1_000_000, 10.0)
    # Away for ten minutes; what was sent in the first five comes at once.
    assert not any(alive.heard(1_000_000 + 10_000 * k, 611.0) for k in range(1, 30))
    assert alive.lost(611.0)
    assert not alive.heard(400_000, 620.0), "the notifier's clock was set back"
    assert alive.heard(410_000, 630.0)
    assert not alive.lost(631.0)


def test_own_time_runs_evenly_and_takes_up_small_differences_slowly() -> None:
    own = GatewayClock(1_800_000_000_000, 1_800_000_000_000, 0.0, settled=True)
    machine, last = 1_800_000_000_000, own.now
    for second in range(1, 400):
        machine += 1_000 + (900 if second == 5 else 0)
        assert own.turn(machine, float(second), settled=True) == 0
        assert 990 <= own.now - last <= 1_010
        last = own.now
    assert abs(own.now - machine) <= 5


def test_of_the_bridges_answers_the_one_that_was_quickest_counts() -> None:
    own = GatewayClock(1_800_000_000_000, 1_800_000_000_000, 0.0, settled=False)
    own.turn(1_800_000_000_000, 0.0, settled=False)
    moved = []
    for k, late in enumerate([30, 9_000, 20, 8_000, 7_000, 40]):
        clock_s, machine = 3.0 * (k + 1), 1_800_000_000_000 + 3_000 * (k + 1)
        own.sent(machine, clock_s)
        own.told(ClockOffset(60_000 + late, machine + 60_000 + late), machine, clock_s)
        moved.append(own.turn(machine, clock_s, settled=False))
    assert moved[0] == 60_030
    assert all(jump == 0 for jump in moved[1:])
    assert own.known
    assert not own.settled


def test_an_answer_to_a_status_that_was_sent_before_the_clock_was_set_is_understood() -> None:
    own = GatewayClock(1_800_000_000_000, 1_800_000_000_000, 0.0, settled=False)
    own.turn(1_800_000_000_000, 0.0, settled=False)
    own.sent(1_800_000_000_000, 0.0)
    own.turn(1_800_000_000_000 + HOUR_MS + 1_000, 1.0, settled=False)
    assert own.now == 1_800_000_000_000 + HOUR_MS + 1_000
    own.told(ClockOffset(HOUR_MS + 50, 1_800_000_000_000 + HOUR_MS + 50), 1_800_000_000_000 + HOUR_MS + 2_000, 2.0)
    assert own.turn(1_800_000_000_000 + HOUR_MS + 2_000, 2.0, settled=False) == 0, "both say the same"


def test_a_boot_is_known_again_where_the_kernels_id_is_hidden(tmp_path: Path) -> None:
    hidden = tmp_path / "boot_id"
    first = this_boot(1_800_000_000_000, tmp_path, hidden)
    assert this_boot(1_800_000_000_000, tmp_path, hidden).id == first.id
    (tmp_path / "boot").unlink()
    assert this_boot(1_800_000_000_000, tmp_path, hidden).id != first.id, "the runtime directory is gone with the boot"
    assert this_boot(1, None, hidden).id != this_boot(1, None, hidden).id


def test_a_runtime_directory_that_takes_nothing_costs_the_boots_name_and_not_the_gateway(tmp_path: Path) -> None:
    hidden, gone = tmp_path / "boot_id", tmp_path / "gone"
    assert this_boot(1, gone, hidden).id != this_boot(1, gone, hidden).id
    (tmp_path / "boot").touch()
    named = this_boot(1, tmp_path, hidden).id
    assert named, "half a write is no name, or every boot would have the same"
    assert this_boot(1, tmp_path, hidden).id == named


def test_the_clocks_keeper_is_asked_and_not_the_date(tmp_path: Path) -> None:
    heard = tmp_path / "synchronized"
    by_kernel = synchronisation.synchronised(heard)
    heard.touch()
    assert synchronisation.synchronised(heard)
    assert by_kernel in {True, False}
