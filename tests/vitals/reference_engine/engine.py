"""The reference engine: admissions, actions and readings in, alarm events out."""

import math
from collections.abc import Iterable
from typing import Any

from tests.vitals.reference_engine import standby
from tests.vitals.reference_engine.events import Teller
from tests.vitals.reference_engine.patient import Condition, Patient, Reading
from tests.vitals.reference_engine.patient_rules import judge_lost, judge_news2, judge_sensors
from tests.vitals.reference_engine.sign_rules import beyond, judge_repeat, judge_sign
from tests.vitals.reference_engine.sources import PROBLEMS, sources, zeros
from tests.vitals.reference_engine.worsening import judge_worse
from vitals.actions import Act, Action
from vitals.admissions import DeviceAssignment
from vitals.alarm_events import AlarmEvent, AlarmState, Inactivation, Phase
from vitals.engine import constants
from vitals.limits import PROFILES, Limit, LimitSet
from vitals.readings import Readings
from vitals.signs import FIELDS, INDEX, SIGNS, Suspect

CONTINUOUS = {sign.field for sign, yes in zip(SIGNS, constants.CONTINUOUS, strict=True) if yes}


def with_own_diastolic(limits: LimitSet) -> LimitSet:
    """Returns the limits without those of diastolic pressure, unless they differ from those of the profile."""
    usual = [p.limits[INDEX["dbp"]] for p in PROFILES if p.profile == limits.profile]
    if limits.limits[INDEX["dbp"]] not in usual:
        return limits
    changed = [Limit() if f == "dbp" else limit for f, limit in zip(FIELDS, limits.limits, strict=True)]
    return LimitSet(limits.profile, tuple(changed))


class Oracle(Teller):
    """Commands, the order of readings, and the order of the rules; the rules are in the other modules."""

    def place(self, placements: Iterable[DeviceAssignment], now: int) -> list[AlarmEvent]:
        """Applies admissions (`vitals.engine.commands`)."""
        self.tick(now)
        cadence: dict[str, int] = {}
        for p in placements:
            patient = self.patients.setdefault(p.patient, Patient())
            left = self.left.pop(p.patient, None)
            if left is not None:
                patient.seen, patient.newest = left, dict.fromkeys(FIELDS, left)
            cadence[p.patient] = max(cadence.get(p.patient, 0), round(p.cadence_s * 1000))
            patient.cadence_ms, patient.cuff_ms = cadence[p.patient], round(p.cuff_s * 1000)
            patient.ward, patient.scale2 = p.ward, p.scale2
            if standby.holds(patient.spans) and patient.bed not in ("", p.bed):
                patient.spans[-1].over = standby.WHY_BACK
            patient.bed = p.bed
            if patient.placed_oxygen != p.oxygen:
                patient.oxygen = patient.placed_oxygen = p.oxygen
            patient.scored = p.profile in constants.NEWS2_PROFILES and p.news2
            if not patient.scored:
                self.end_at_once(patient.conditions.pop("news2-risk", None))
        self.mark()
        return self.events

    def discharge(self, name: str, now: int) -> list[AlarmEvent]:
        """Ends the patient's alarms (`vitals.engine.commands`)."""
        self.tick(now)
        patient = self.patients.get(name, Patient())
        for latched in patient.latched.values():
            self.end_at_once(latched)
        for condition in constants.CONDITIONS:
            self.end_at_once(patient.conditions.get(condition))
        self.left[name] = self.now
        self.patients.pop(name, None)
        self.books.pop(name, None)
        return self.events

    def end_at_once(self, c: Condition | None) -> None:
        """Ends an alarm, latched or not, for a reason that is not the patient's state."""
        if c is not None:
            self.tell(c, Phase.END, t=self.now, state=AlarmState.INACTIVE)

    def act(self, action: Action, now: int) -> list[AlarmEvent]:
        """Applies an action: acknowledgement, audio pause or charting (`vitals.engine.commands`)."""
        self.tick(now)
        if action.act is Act.CHART:
            self.chart(action)
        elif action.act is Act.NOT_ACTIONABLE:
            pass
        elif action.incident and action.shown:
            self.acknowledge_incident(action)
        else:
            self.act_on_one(action)
        self.mark()
        return self.events

    def acknowledge_incident(self, action: Action) -> None:
        """Acknowledges each alarm of the incident that had not risen after what the person saw."""
        patient = self.patients.get(action.patient, Patient())
        own = [of.get(name) for of in (patient.conditions, patient.latched) for name in constants.CONDITIONS]
        for c in own:
            alarm = None if c is None else c.alarm
            if c is None or alarm is None or alarm.incident != action.incident or c.acknowledged():
                continue
            if alarm.raised <= action.shown:
                self.acknowledge(patient, c, action)

    def acknowledge(self, patient: Patient, c: Condition, action: Action) -> None:
        """Acknowledges one alarm; a latched one ends."""
        done: dict[str, Any] = {"inactivation": Inactivation.ACKNOWLEDGED, "by": action.by}
        if c.alarm is not None and c.alarm.state is AlarmState.LATCHED:
            self.tell(c, Phase.END, t=action.t, state=AlarmState.INACTIVE, **done)
        else:
            patient.acknowledged(c.name, self.now)
            self.tell(c, Phase.UPDATE, t=action.t, **done)

    def act_on_one(self, action: Action) -> None:
        """Acknowledges or pauses one alarm."""
        patient = self.patients.get(action.patient, Patient())
        if action.act in (Act.STANDBY, Act.STANDBY_END):
            if action.bed == patient.bed:
                standby.act(patient.spans, action, self.now, refused=self.loud(action.patient, patient))
            return
        mine = [*patient.latched.values(), *patient.conditions.values()]
        for c in [*mine, *self.by_device(action.patient)]:
            if c.alarm is None or c.alarm.id != action.alarm or c.acknowledged():
                continue
            if action.act in (Act.COMING, Act.CANNOT):
                self.answered(c, action)
            elif action.act is Act.ACKNOWLEDGE:
                self.acknowledge(patient, c, action)
            elif c.alarm.state is not AlarmState.LATCHED:
                patient.acknowledged(c.name, self.now)
                c.paused_until = self.now + action.pause_s * 1000
                paused: dict[str, Any] = {"inactivation": Inactivation.AUDIO_PAUSED, "paused_until": c.paused_until}
                self.tell(c, Phase.UPDATE, t=action.t, by=action.by, **paused)

    def loud(self, name: str, patient: Patient) -> bool:
        """Returns whether a high alarm of the patient waits for a person, or did within five minutes."""
        mine = [*patient.latched.values(), *patient.conditions.values()]
        open_ = [c.alarm for c in mine if c.alarm is not None]
        lately = patient.loud_at is not None and self.now - patient.loud_at < 5 * standby.MINUTE
        return (
            lately
            or any(standby.loud(a) and a.start <= self.now for a in open_)
            or standby.lately_loud(self.watch, name, self.now)
        )

    def by_device(self, device: str) -> list[Condition]:
        """Returns the conditions with an alarm of this device."""
        every = [c for p in self.patients.values() for c in p.conditions.values()]
        return [c for c in every if c.alarm is not None and c.alarm.subject == device != c.alarm.patient]

    def chart(self, action: Action) -> None:
        """Records oxygen and consciousness, and evaluates NEWS2 at once."""
        if action.patient in self.left:
            return
        patient = self.patients.setdefault(action.patient, Patient())
        if action.consciousness is not None and (patient.mind is None or action.t // 1000 >= patient.mind[1] // 1000):
            patient.mind = action.consciousness, action.t
        if action.oxygen is not None:
            patient.oxygen = action.oxygen
        about = {"patient": action.patient, "ward": patient.ward}
        judge_news2(self, patient, Reading(action.t, {}, {}, {}, live=True, about=about), charted=True)

    def advance(self, readings: Readings, now: int) -> list[AlarmEvent]:
        """Evaluates readings one by one in arrival order; unassigned ones and those of discharged patients are ignored.

        An impossible value (-999, 255) is a loss, like the monitor's zero.
        """
        self.tick(now)
        codes = readings.suspect_digits()
        limit_sets = [*map(with_own_diastolic, (*PROFILES, *reversed(readings.limit_sets)))]
        for i in range(len(readings)):
            name = readings.patient[i]
            if name is None or name in self.left:
                continue
            known = name in self.patients
            patient = self.patients.setdefault(name, Patient())
            about = {k: getattr(readings, k)[i] for k in ("patient", "ward", "bed", "device", "gateway")}
            about |= {"boot": int(readings.boot[i]), "seq": int(readings.seq[i])}
            if not known:
                patient.ward = about["ward"]
            said = dict(zip(FIELDS, codes[i].tolist(), strict=True))
            impossible = [f for f in FIELDS if said[f] == Suspect.IMPLAUSIBLE]
            finite = {f: float(v) for f, v in zip(FIELDS, readings.values[i], strict=True) if math.isfinite(v)}
            finite = {f: v for f, v in finite.items() if f not in impossible}
            reading = Reading(
                t=int(readings.t[i]),
                values=finite,
                codes=said | dict.fromkeys(impossible, Suspect.DROPOUT),
                limits=dict(zip(FIELDS, limit_sets[int(readings.limits[i])].limits, strict=True)),
                live=False,
                about=about,
            )
            if self.in_order(patient, reading):
                self.judge(patient, reading)
        return self.events

    def in_order(self, patient: Patient, r: Reading) -> bool:
        """Removes late parts of the reading; returns whether it has an effect (`vitals.engine.rules.late_readings`)."""
        raw, device = r.t, str(r.about["device"])
        if raw - self.now > constants.AHEAD_MS:
            r.t = max(self.now, patient.seen + 1)
            if raw <= patient.ahead.get(device, 0):
                return False
            patient.ahead[device] = raw
        else:
            said = [f for f in FIELDS if f in r.values or r.codes[f] in (Suspect.DROPOUT, Suspect.SENSOR_OFF)]
            late = [f for f in said if r.t <= patient.newest.get(f, 0)]
            for f in late:
                r.values.pop(f, None)
                r.codes[f] = Suspect.NONE
            if (said and said == late) or (not said and r.t <= patient.seen):
                return False
            if patient.ahead and max(patient.ahead.values()) <= self.now:
                patient.ahead.clear()
        r.live = self.now - r.t <= constants.LIVE_MS
        return True

    def judge(self, patient: Patient, r: Reading) -> None:
        """Runs the rules in the order of `vitals.engine.evaluate_row`."""
        r.blind = patient.seen > 0 and r.t - patient.seen > max(constants.BLIND_MS, 3 * patient.cadence_ms)
        before = dict(patient.newest)
        for f in FIELDS:
            self.hear(patient, r, f)
        counted = zeros(patient, r)
        r.values |= dict.fromkeys(counted, 0.0)
        decides = sources(patient, r)
        for name, f in decides.items():
            known = [before[member] for member in PROBLEMS[name] if member in before]
            last = max((patient.measured.get(member, 0) for member in PROBLEMS[name]), default=0)
            if r.t - last > patient.interval(name) + 30_000:
                patient.condition(name).extremes = []
            judge_sign(self, patient, r, SIGNS[INDEX[f]], r.t - max(known) if known else 0)
        for f in counted:
            del r.values[f]
        well = set(r.values) - patient.gone - patient.off
        patient.measured |= dict.fromkeys(well, r.t)
        judge_repeat(self, patient, r)
        judge_worse(self, patient, r, decides)
        breach = any(beyond(value, r.limits[f])[0] for f, value in r.values.items())
        if breach or any(c.holds for name, c in patient.conditions.items() if name in FIELDS):
            patient.breached = r.t
        standby.hear(patient.spans, r, patient.cadence_ms, self.now)
        judge_lost(self, patient, r)
        judge_news2(self, patient, r, charted=False)
        judge_sensors(self, patient, r)
        patient.seen = max(patient.seen, r.t)
        self.mark()

    def hear(self, patient: Patient, r: Reading, f: str) -> None:
        """Records the reading's report of a sign (`vitals.engine.evaluate_row.PatientRow.hear`)."""
        if f in r.values:
            patient.had.add(f)
            patient.off.discard(f)
            if r.trusted(f):
                patient.gone.discard(f)
        elif r.codes[f] == Suspect.DROPOUT:
            patient.gone.add(f)
            patient.off.discard(f)
        elif r.codes[f] == Suspect.SENSOR_OFF:
            patient.off.add(f)
            patient.gone.discard(f)
            r.off_word = True
        else:
            overdue = r.t > patient.seen and r.t - patient.newest.get(f, 0) > 3 * patient.interval(f)
            if f in CONTINUOUS and f in patient.had and f not in patient.off and overdue:
                patient.gone.add(f)
            return
        patient.newest[f] = r.t
