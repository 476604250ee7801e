"""The numbers of the alarm rules, each with its reason."""

from typing import Final

from vitals.signs import FIELDS, INDEX, SIGNS, Sign, Suspect

COUNT: Final = len(SIGNS)
LOST, NEWS2, SENSOR_OFF = range(COUNT, COUNT + 3)
"""Indices of the conditions that are not of one sign, after those of the signs."""
CONDITIONS: Final = (*FIELDS, "vital-signs-lost", "news2-risk", "sensor-off")

LIVE_MS: Final = 120_000
"""Age (log time minus event time) beyond which a reading is history and pages no one: four usual batches of 30 s."""
AHEAD_MS: Final = 60_000
"""Event time further ahead of log time than this is a wrong clock; log time replaces it."""
BLIND_MS: Final = 120_000
"""Time without a reading, and `INTERVALS` cadences at least, after which the delay of NEWS2 starts again."""
INTERVALS: Final = 3
"""A continuous sign without a report for more of its intervals is lost; a pending breach does not span such a gap."""
WITHIN_MS: Final = 60_000
"""A condition ends once its values have been within limits for this long, each of them for one interval (R3)."""
SUNK_MS: Final = 600_000
"""A high alarm without a value beyond its extreme limit for this long becomes medium; the next one escalates (R4)."""
OFTEN_MS: Final = 60_000
"""Half of the values in this time, of four at least, beyond an extreme limit count like all of them (R2)."""
OFTEN_LOST_MS: Final = 30_000
"""Values before a longer time without any are not compared (R2)."""
OFTEN_LEAST, OFTEN_MOST = 4, 60
"""Fewest and most values that are compared; one integer of a snapshot holds 60."""
WORSE_AFTER_MS: Final = 120_000
"""Time after an acknowledgement in which worsening does not escalate: the person is at the bed (R9)."""
WORSE_AGAIN_MS: Final = 600_000
"""The next worsening of one alarm escalates after this time; two steps at once do not wait (R9)."""
LOST_DELAY_MS: Final = 10_000
"""Time for which pulse and saturation are lost before it is high; at a longer cadence it is the second reading (R8)."""
OXIMETER_MEDIUM_MS, OXIMETER_HIGH_MS = 30_000, 120_000
"""The same for a patient without a heart rate by ECG so far: a probe that slips shows no less than an arrest (R8)."""
NEAR_MS: Final = 300_000
"""A loss so soon after a breach is no sensor that fell off (R8)."""
DUE_SHARE: Final = 0.9
"""Share of a sign's interval after which a reading without it lacks it: devices of one patient send by turns."""
CUFF_WAIT_MS: Final = 900_000
"""A cuff's first value beyond a limit is medium after this time without a repeat (R2)."""
PULSATILE_MAP, PULSATILE_WIDTH = 45.0, 10.0
"""Least mean pressure of a line, and least difference of systolic and diastolic, mmHg, of a circulation (Q2)."""
SENSOR_OFF_DELAY_MS: Final = 30_000
"""A probe is moved from finger to finger within this time."""
NEWS2_DELAY_MS: Final = 60_000
"""The chart is made for observations over a minute, not for a single second's values."""
CUFF_REPEAT_MS: Final = 20_000
"""A cuff cannot inflate and deflate faster: a pressure sent sooner is the same measurement again."""
HANDOVER_MS: Final = 120_000
"""A high alarm that is not acknowledged passes to the next contact after this time, and again (R7)."""
MEDIUM_HANDOVERS: Final = 5
"""A medium alarm passes on after this many times as long."""
STALL_MS: Final = 60_000
"""A longer jump of log time means that the log stood still; timers do not run in it."""
LOOK_MS: Final = 5_000
"""Interval of the check for *not judged*."""
UNHEARD_LEAST_MS: Final = 30_000
"""Shortest time without a reading, at a short cadence, before a patient is not judged (R10)."""
SENSOR_WAIT_MS: Final = 900_000
"""Time for which one sensor that does not measure is low priority while another one measures a pulse."""
ON_THE_WAY_MS: Final = 40_000
"""A gateway sends readings without a breach within 30 s; the other ten are for the rest of the path."""
NOT_JUDGED, DEVICE_SILENT, GATEWAY_DOWN = "not-judged", "device-silent", "gateway-down"
GATEWAY_CLOCK, UNASSIGNED, GATEWAY_UNSTABLE = "gateway-clock", "unassigned-device", "gateway-unstable"
BY_WARD: Final = frozenset((GATEWAY_DOWN, GATEWAY_CLOCK, UNASSIGNED, GATEWAY_UNSTABLE))
"""Conditions with one alarm for each ward, because a gateway may serve several wards."""
UNMONITORED: Final = frozenset((NOT_JUDGED, DEVICE_SILENT, GATEWAY_DOWN))
"""Technical conditions that mean that a patient is not monitored."""
GROWING: Final = UNMONITORED | {UNASSIGNED}
"""Technical conditions that escalate to high without an acknowledgement: a patient may be in danger."""
UNANSWERED_MS: Final = 120_000
"""Time after which an unacknowledged alarm of a patient without monitoring becomes high (R10)."""
LOUD_MS: Final = 300_000
"""Time after an unacknowledged high alarm of a patient in which no standby begins (Q3)."""
SETTLE_MS: Final = 60_000
"""Time after the begin of a standby in which values do not end it: the sensors are being removed."""
RENEWALS: Final = 2
"""Most renewals of a standby, each by another person than the last (Q3)."""
FORGET_MS: Final = 48 * 3_600_000
"""Time for which a discharged patient's later readings are recognised, and an ended alarm's counter is kept."""
FRESH_MS: Final = 600_000
"""NEWS2 input of a continuous sign counts for this long, or two of its intervals if these are longer."""
FRESH_SPOT_MS: Final = 6 * 3_600_000
"""Temperature and consciousness are observations of 4- to 6-hourly rounds."""

NEWS2_PROFILES: Final = frozenset({"adult", "copd", "home"})
"""NEWS2 is not for patients under 16 years: no paediatric band is scored."""
TRUSTED: Final = (int(Suspect.NONE), int(Suspect.CLOCK))
"""A doubted clock does not make a value doubtful: its event time is the gateway's."""
CUFF: Final = tuple(sign.sensor == "cuff" for sign in SIGNS)
CONTINUOUS: Final = tuple(sign.sensor in {"ecg", "oximeter", "impedance"} for sign in SIGNS)
"""Signs whose absence, even without a report, means a loss; a thermometer or cuff merely has no new value."""
HR, PR, SBP, DBP, MAP = (INDEX[field] for field in ("hr", "pr", "sbp", "dbp", "map"))
PULSE: Final = (HR, PR, INDEX["spo2"])
"""Signs that are measured only of a pulse or a beat; without any of them circulation may be lost."""
VANISHING: Final = (INDEX["rr"], INDEX["spo2"])
"""A zero of these signs counts as a value beyond the extreme limit if it follows two such values."""
PARTS: Final = ("rr", "spo2", "sbp", "pulse", "temp")
"""The measured inputs of NEWS2, in the order of their times."""


_MEDIUM_DELAY_S: Final = {"hr": 10.0, "pr": 10.0, "rr": 20.0, "spo2": 15.0, "temp": 30.0}
_EXTREME_DELAY_S: Final = {"hr": 5.0, "pr": 5.0, "rr": 15.0, "spo2": 10.0, "temp": 30.0}
MEDIUM_DELAY_MS: Final = tuple(round(1000 * _MEDIUM_DELAY_S.get(sign.field, 15.0)) for sign in SIGNS)
"""Time for which values are worse than acknowledged before the alarm escalates (R9)."""
EXTREME_DELAY_MS: Final = tuple(round(1000 * _EXTREME_DELAY_S.get(sign.field, 10.0)) for sign in SIGNS)
"""Time for which values are beyond an extreme limit before the alarm is high: an arrhythmia shows in seconds, a breath
count averages over many. At a longer cadence it is one confirming value (R2)."""


def step(sign: Sign) -> float:
    """Returns the worsening of an active alarm's value that is worth an update, in the sign's unit."""
    return sign.max_step / 4


STEPS: Final = tuple(step(sign) for sign in SIGNS)
_WORSE_STEP: Final = {"hr": 20.0, "pr": 20.0, "rr": 6.0, "spo2": 4.0, "temp": 1.0, "sbp": 15.0, "map": 10.0}
WORSE_STEP: Final = tuple(_WORSE_STEP.get(sign.field, sign.max_step / 2) for sign in SIGNS)
"""Worsening beyond the worst acknowledged value that escalates, in the sign's unit (R9)."""
PROBLEM: Final = tuple({PR: HR, MAP: SBP}.get(s, s) for s in range(COUNT))
"""Problem of each sign, named by its first sign: heart and pulse rate are one, systolic and mean pressure too (R1)."""
MEMBERS: Final = {first: tuple(s for s in range(COUNT) if PROBLEM[s] == first) for first in sorted(set(PROBLEM))}
HAIR: Final = 0.002
"""Less than the last digit of any sign: two values that a monitor shows alike are alike."""
