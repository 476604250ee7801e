"""From a breach at the bedside to SNS's acceptance: `make bench ONLY=path`.

A thousand patients behind four real gateways, a reading every 5 s each, one sudden bradycardia each over ten minutes:
the reading that decides is beyond an extreme bound, so no delay of the alarm rules is in the figure. Every hop is the
real part. PATH_BREACHES and PATH_SECONDS make it shorter.
"""

import os
from typing import Any

from infra.proof.latency import measure
from infra.proof.spread import rank

BREACHES, SECONDS = int(os.environ.get("PATH_BREACHES", "1000")), float(os.environ.get("PATH_SECONDS", "600"))


def rows() -> list[dict[str, Any]]:
    seen = measure(BREACHES, SECONDS)
    totals, hops = seen.traces.totals_ms(), seen.traces.hops_ms()
    shares = ", ".join(f"{hop} {rank(spans, 0.5):.0f}/{rank(spans, 0.99):.0f}" for hop, spans in hops.items())
    note = f"{len(totals)} events of {seen.alarmed} of {seen.breaches} patients at {seen.readings_s:.0f} readings/s"
    busiest = sorted(seen.used.items(), key=lambda item: -item[1])[:6]
    cpu = ", ".join(f"{name} {used / seen.seconds:.2f}" for name, used in busiest)
    return [
        {"name": "path.p50_ms", "value": rank(totals, 0.5), "unit": "ms", "goal": 300, "better": "lower", "note": note},
        {
            "name": "path.p99_ms", "value": rank(totals, 0.99), "unit": "ms", "goal": 1500, "better": "lower",
            "note": f"hop p50/p99: {shares}",
        },
        {
            "name": "path.alarms_missed", "value": seen.breaches - seen.alarmed, "unit": "count", "goal": 0,
            "better": "lower", "note": f"cores used: {cpu}",
        },
    ]  # fmt: skip
