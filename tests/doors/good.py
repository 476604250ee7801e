"""Good messages of each door, about a patient of nobody else's: what is changed in them is wrong alone."""

from typing import Any


def at(t: int) -> dict[str, Any]:
    """Good messages by kind, as of a moment, UTC epoch ms."""
    frame = {"boot": 7, "seq": 1, "t": t, "hr": 72, "spo2": 97, "temp": 36.8, "sbp": 120, "dbp": 70, "off": ["rr"]}
    columns = {
        "patient": ["p1"], "device": ["d1"], "ward": ["w1"], "bed": ["b1"], "boot": [1], "seq": [0], "t": [t],
        "t_gw": [t], "roster": [1], "suspect": [0], "limits": [-1], "hr": [72], "spo2": [97.5],
        "limit_sets": [{"profile": "adult", "hr": [40, 50, None, 140, 10], "spo2": [85, 90, None, None, 15]}],
    }  # fmt: skip
    batch = {"gateway": "gw-1", "outbox": "o", "n": 1, "readings": columns}
    status = {
        "id": "gw-1", "kind": "gateway", "health": "up", "t": t, "version": "1", "outbox": "o", "backlog": 1,
        "backlog_bytes": 1, "backlog_since": t, "accepted": 1, "rejected": 1, "slots": [1],
        "devices": [{"device": "d1", "health": "silent", "t": t, "offset_ms": 5, "off": ["hr"], "patient": "p1"}],
        "alarms": [f"gw-1.outbox-trimmed.{t}", "gw-1.outbox-trimmed.²", "gw-1.outbox-filling.99999999999999999999"],
    }  # fmt: skip
    rejected = [{"topic": "devices/d1/vitals", "reason": "not a frame", "t": t, "payload": "AA==", "readings": 1}]
    action = {
        "id": "a", "act": "acknowledge", "patient": "p1", "t": t, "by": "bela", "alarm": f"p1.hr.{t}", "pause_s": 60,
        "oxygen": True, "consciousness": "V",
    }  # fmt: skip
    chart = action | {"act": "chart"}
    limits = {"extreme_low": 80, "low": 85, "high": 100, "extreme_high": 110, "delay_s": 15}
    admission = {
        "patient": "p1", "version": 1, "name": "Ada Brandt", "born": "1958-03-21", "phone": "+44 1632 960123",
        "address": "1 Elm Road", "ward": "w1", "bed": "b1", "gateway": "gw-1", "devices": ["d1"], "since": t,
        "cadence_s": 1.0, "cuff_s": 60.0, "profile": "adult", "overrides": {"spo2": limits}, "discharged": None,
    }  # fmt: skip
    placement = {key: admission[key] for key in ("patient", "ward", "bed", "since", "cadence_s", "cuff_s", "overrides")}
    roster = {"gateway": "gw-1", "version": 1, "placements": [placement | {"device": "d1"}]}
    contact = {"contact": "nurse", "name": "B. Holt", "start": t, "end": t + 1, "phone": "+441632960001", "step": 0}
    rota = {"ward": "w1", "version": 1, "contacts": [contact | {"email": "b@example.org", "priority": 1}]}
    alarm = {
        "id": f"p1.hr.{t}", "n": 0, "subject": "p1", "condition": "hr", "kind": "physiological", "priority": 3,
        "phase": "start", "state": "active", "start": t, "t": t, "log_t": t, "text": "HR 170 /min above 140",
        "value": 170, "limit": 140, "patient": "p1", "ward": "w1", "bed": "b1", "device": "d1", "gateway": "gw-1",
        "boot": 1, "seq": 0, "recent": [[t, 170.0]],
    }  # fmt: skip
    row = admission | {"overrides": "spo2=80:85::", "devices": "d1;d2", "since": "2026-11-22T07:00Z"}
    scored = columns | {"breach": [0], "news2": [0], "partition": 0, "offset": 1, "timestamp": t}
    return {
        "frame": frame, "columns": columns, "batch": batch, "status": status, "rejected": rejected, "action": action,
        "chart": chart, "admission": admission, "row": row, "roster": roster, "rota": rota, "alarm": alarm,
        "scored": scored, "limit_set": columns["limit_sets"][0],
    }  # fmt: skip
