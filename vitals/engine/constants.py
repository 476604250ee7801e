"""The numbers of the alarm rules, each with its reason."""

from typing import Final

from vitals.signs import FIELDS, INDEX, SIGNS, Sign, Suspect

COUNT: Final = len(SIGNS)
LOST, NEWS2, SENSOR_OFF = range(COUNT, COUNT + 3)
"""Places of the conditions that are not one sign's, after the signs'."""
CONDITIONS: Final = (*FIELDS, "vital-signs-lost", "news2-risk", "sensor-off")

LIVE_MS: Final = 120_000
"""An older reading (event time against log time) is history: it pages nobody. Four times the usual 30 s batch."""
AHEAD_MS: Final = 60_000
"""Event time further ahead of the log than this is a wrong clock; the log's time is taken in its place."""
BLIND_MS: Final = 120_000
"""A patient unseen for longer (and for three cadences) was unwatched: the first breach after it waits for no delay."""
INTERVALS: Final = 3
"""A sign not heard of for this many of its intervals is lost; a pending breach does not span such a gap."""
WITHIN_MS: Final = 60_000
"""A condition is over once its values have been within limits for this long, each holding for one interval."""
SUNK_MS: Final = 600_000
"""A high alarm without a value beyond its extreme bound for this long is medium; a new extreme is then news."""
OFTEN_MS: Final = 60_000
"""Half of the values of this long, of four at least, beyond an extreme bound are as good as all of them."""
OFTEN_LEAST, OFTEN_MOST = 4, 60
"""Values that are looked at; at most 60, which one integer of a snapshot holds."""
WORSE_AFTER_MS: Final = 120_000
"""Whoever has acknowledged is at the bed: so long after it, what grows worse calls nobody."""
WORSE_AGAIN_MS: Final = 600_000
"""The next step of one alarm calls again after this time; two steps at once do not wait."""
LOST_DELAY_MS: Final = 5_000
"""A monitor declares asystole after some 3 to 5 s without a beat."""
SENSOR_OFF_DELAY_MS: Final = 30_000
"""A probe is moved from finger to finger within this time."""
NEWS2_DELAY_MS: Final = 60_000
"""The chart is made for observations taken over a minute, not for a single second's values."""
CUFF_REPEAT_MS: Final = 20_000
"""A cuff cannot inflate and deflate faster: a pressure sent sooner is the same measurement again."""
HANDOVER_MS: Final = 120_000
"""A high alarm that nobody acknowledges passes to the next contact after this time, and again."""
MEDIUM_HANDOVERS: Final = 5
"""A medium one waits so many times as long."""
STALL_MS: Final = 60_000
"""Log time that jumps further than this stood still; timers do not run in a jump."""
LOOK_MS: Final = 5_000
"""How often everybody is asked for."""
UNHEARD_LEAST_MS: Final = 30_000
"""Of a patient at a short cadence so much may be missing before they are not judged."""
SENSOR_WAIT_MS: Final = 180_000
"""Additional wait for one sensor while another measures a pulse: the sensor is probably being moved."""
ON_THE_WAY_MS: Final = 40_000
"""A gateway sends what is calm within 30 s; ten seconds more are the rest of the way."""
NOT_JUDGED, DEVICE_SILENT, GATEWAY_DOWN = "not-judged", "device-silent", "gateway-down"
GATEWAY_CLOCK, UNASSIGNED = "gateway-clock", "unassigned-device"
BY_WARD: Final = frozenset((GATEWAY_DOWN, GATEWAY_CLOCK, UNASSIGNED))
"""What each ward is told of for itself, by an alarm of its own: a gateway may serve several."""
UNMONITORED: Final = frozenset((NOT_JUDGED, DEVICE_SILENT, GATEWAY_DOWN))
"""Technical conditions of which each says that somebody is not monitored."""
GROWING: Final = UNMONITORED | {UNASSIGNED}
"""Technical conditions that escalate to high without an acknowledgement: a patient may be in danger."""
UNANSWERED_MS: Final = 120_000
"""A patient who is not monitored and to whom nobody comes for so long is high (R10)."""
FORGET_MS: Final = 48 * 3_600_000
"""How long a discharged patient's stray readings are recognised, and an ended alarm's counter is kept."""
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
"""Signs whose absence without a word tells of a loss; a thermometer or cuff merely has no new value."""
PULSE: Final = (INDEX["hr"], INDEX["pr"])
SPO2: Final = INDEX["spo2"]
PARTS: Final = ("rr", "spo2", "sbp", "pulse", "temp")
"""The measured inputs of NEWS2, in the order of their times."""


_MEDIUM_DELAY_S: Final = {"hr": 10.0, "pr": 10.0, "rr": 20.0, "spo2": 15.0, "temp": 30.0}
_EXTREME_DELAY_S: Final = {"hr": 5.0, "pr": 5.0, "rr": 15.0, "spo2": 10.0, "temp": 30.0}
MEDIUM_DELAY_MS: Final = tuple(round(1000 * _MEDIUM_DELAY_S.get(sign.field, 15.0)) for sign in SIGNS)
"""How long values stay worse than what was acknowledged before somebody is called again."""
EXTREME_DELAY_MS: Final = tuple(round(1000 * _EXTREME_DELAY_S.get(sign.field, 10.0)) for sign in SIGNS)
"""How long values stay beyond an extreme bound before it is high: an arrhythmia shows in seconds, a breath count
averages over many. At a longer cadence it is one confirming value."""


def step(sign: Sign) -> float:
    """Returns the worsening of an active alarm's value that is worth an update, in the sign's unit."""
    return sign.max_step / 4


STEPS: Final = tuple(step(sign) for sign in SIGNS)
_WORSE_STEP: Final = {"hr": 20.0, "pr": 20.0, "rr": 6.0, "spo2": 4.0, "temp": 1.0, "sbp": 15.0, "map": 10.0}
WORSE_STEP: Final = tuple(_WORSE_STEP.get(sign.field, sign.max_step / 2) for sign in SIGNS)
"""How much worse than the worst value that was acknowledged calls again, in the sign's unit."""
PROBLEM: Final = tuple(INDEX["sbp"] if sign.field == "map" else s for s, sign in enumerate(SIGNS))
"""The problem that each sign belongs to, by its first sign: a systolic and a mean pressure are one."""
MEMBERS: Final = {first: tuple(s for s in range(COUNT) if PROBLEM[s] == first) for first in sorted(set(PROBLEM))}
HAIR: Final = 0.002
"""Less than the last digit of any sign: two values that a monitor shows alike are alike."""
