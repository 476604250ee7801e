"""The gateway's decoder judges the simulator's encoder here, and only here: neither imports the other."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim import device_message
from vitals.signs import FIELDS, SIGNS
from vitals.wire import device_reading as gateway
from vitals.wire.vitals_record import WireError

shown = st.tuples(*(st.none() | st.integers(0, 300).map(lambda n, d=sign.decimals: n / 10**d) for sign in SIGNS))


@settings(deadline=None, derandomize=True)
@given(
    boot=st.integers(0, 2**32 - 1),
    seq=st.integers(0, 2**53 - 1),
    t=st.integers(0, 4_000_000_000_000),
    values=shown,
    off=st.sets(st.sampled_from(FIELDS)),
)
def test_the_gateway_reads_what_a_device_meant(
    boot: int, seq: int, t: int, values: tuple[float | None, ...], off: set[str]
) -> None:
    frame = gateway.decode(device_message.encode(boot, seq, t, values, sorted(off)))
    assert (frame.boot, frame.seq, frame.t, frame.values, frame.off) == (boot, seq, t, values, off)


def test_a_frame_is_the_contracts_json() -> None:
    values = (72.0, None, 16.0, 98.0, 36.8, 118.0, 76.0, 90.0)
    assert device_message.encode(3735928559, 1841, 1763812800123, values, ("pr",)) == (
        b'{"boot":3735928559,"seq":1841,"t":1763812800123,"hr":72,"rr":16,"spo2":98,"temp":36.8,'
        b'"sbp":118,"dbp":76,"map":90,"off":["pr"]}'
    )


@pytest.mark.parametrize("seed", range(60))
def test_garbage_is_never_a_frame(seed: int) -> None:
    frame = device_message.encode(1, 2, 3, (72.0, *(None,) * 7))
    with pytest.raises(WireError):
        gateway.decode(device_message.garbage(frame, np.random.default_rng(seed)))
