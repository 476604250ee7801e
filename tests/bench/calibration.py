"""A fixed piece of work whose time says how fast the machine is at this moment, beside rows that swing with it."""

import json
import time
from typing import Final

import numpy as np

ROUNDS: Final = 200


def machine_ms() -> float:
    """Returns the processor time of the fixed work, ms: interpreter, JSON and NumPy, as a gateway mixes them."""
    rng = np.random.default_rng(1)
    values = rng.normal(size=(64, 8))
    began = time.process_time()
    for _ in range(ROUNDS):
        text = json.dumps(values[0].tolist())
        json.loads(text)
        np.flatnonzero(np.cumsum(values, axis=0) > 1)
        sum(k * k for k in range(400))
    return 1000 * (time.process_time() - began)
