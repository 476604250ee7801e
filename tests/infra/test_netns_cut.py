"""Across real network hosts, in short: `make faults ONLY=network` has the long story."""

import pytest

from tests.faults.faults_network import play


@pytest.mark.long
@pytest.mark.timeout(600)
def test_latency_loss_a_cut_uplink_and_a_partition_between_hosts_lose_no_reading() -> None:
    seen = play(6, 2, "short")
    assert seen["accepted"] > 60
    assert seen["waiting_batches"] > 0
    assert seen["lost_packets"] > 0
    assert (seen["lost"], seen["backlog_left"], seen["drained"]) == (0, 0, True)
