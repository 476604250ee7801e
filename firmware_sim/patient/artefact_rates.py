"""Rates and lengths of artefacts, as numbers that a plan may change.

The defaults are those of the simulator 2026-11, measured on a recorded ICU patient's monitor numerics (32.3 h at one
sample a minute):

| artefact | counted as | found | default |
|---|---|---|---|
| dropout of the oximeter | runs of zero in SpO2 or PULSE with HR present | 7, median 6 min | 0.22 /h, 360 s |
| dropout of ECG and breathing | runs of zero in HR or RESP with SpO2 present | 1, 1 min | 0.03 /h, 60 s |
| dropout of the whole monitor | runs in which HR and SpO2 are zero together | 6, median 4.5 min | 0.19 /h, 270 s |
| motion | HR and PULSE more than 10 /min apart | 6, mean 1.5 min | 0.19 /h, 90 s |
| spike of breathing | RESP over 6 /min from its 11 min median | 16, 14 of them one sample | 0.50 /h, one reading |
| spike of a rate or SpO2 | HR, PULSE over 15 /min, SpO2 over 4 % away | 6, mostly one sample | 0.19 /h, one reading |
| flat line | HR, PULSE, RESP equal to 0.1 for 5 min | none | 0.03 /h ((0 + 1) / 32 h), 300 s |
| cuff error | pressure over 20 % from the median of seven | 2 of 152 | 0.013 per measurement |

Of 8,084 nurse-charted cuff pressures of 100 patients 10 contradict themselves: a tenth, as nurses leave bad ones out. A
minute's mean hides shorter events, so spikes and motion are lower bounds at 1 s cadence, and a single patient's rates
are uncertain by a factor of about two.

The simulator 2026-12 (`calibration.RECORDED_RATES`) counts again, with the same record and 27 patients at 1 Hz (BIDMC):

- oximeter off, with a heart rate: 7 runs of 1 to 189 min in 32 h; at 1 Hz some seconds, most of them in one patient.
  Used: 0.9 /h, of which 70 % last some 8 s, 24 % 5 min, 6 % 75 min;
- whole monitor: two disconnections of 20 and 22 min in 32 h; start, end and a stray minute made six of two.
  Used: 1.5 a day of 10 to 40 min;
- the device's own report: 90 % with `off`; IEC 60601-2-27 has monitors detect a lead off. Of the others half are
  zeros, half absent (assumed);
- motion: HR and PR over 10 /min apart in 3 % of seconds and 40 % of patients in 8 min, while SpO2 moves by 1 %.
  Used: 2 /h of 25 s, SpO2 by 3 % at most; in the ECG's count 0.5 /h of 20 s;
- arterial lines are not in the recordings. Assumed: a flush and a blood sample each four hours, a damped line in 20 h;
- care is assumed: turning or suction each four hours; all signs shake together. Its size and length are bounded by the
  record: HR over 6 and RR over 3 above the hour's median together for 3 min or more twice in 32 h, RR over 8 above it
  in 9 minutes. Used: some 3 min, HR by 6 to 20, RR by 2.4 to 8 (11.8 such minutes in 32 h).
"""

import msgspec

Mixture = tuple[tuple[float, float], ...]
"""Shares, which add up to 1, and mean lengths in seconds."""


class Rates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rates and mean durations of artefacts; the module's docstring has the sources of the defaults.

    Attributes:
        scale: Factor on all rates; 0 switches artefacts off.
        oximeter_dropout_per_h: No value of `pr` and `spo2`.
        oximeter_dropout_s: Mean length.
        ecg_dropout_per_h: No value of `hr` and `rr`.
        ecg_dropout_s: Mean length.
        monitor_dropout_per_h: No value of all four; as `recorded` no pressure and no temperature either.
        monitor_dropout_s: Mean length.
        motion_per_h: Oximeter and breathing disturbed by movement.
        motion_s: Mean length.
        breath_spike_per_h: One wild `rr`.
        spike_per_h: One wild `hr`, `pr` or `spo2`.
        flat_per_h: A sign that does not change.
        flat_s: Mean length.
        cuff_error_share: Share of cuff measurements that are wrong.
        oximeter_dropout_mixture: Lengths as a mixture in place of the mean.
        ecg_dropout_mixture: The same for the ECG.
        recorded: Artefacts begin at any moment, so one that ends before the next reading is not seen; a disconnection
            lasts 0.4 to 1.6 of its mean; and `off_share` is in force. False: every dropout is of zeros.
        off_share: Share of dropouts that the device reports as `off`; of the others half are zeros, half absent.
        motion_depth: Lowest and highest number of points by which motion lowers `spo2`.
        motion_beats: Lowest and highest number by which it moves `pr`.
        ecg_motion_per_h: ECG disturbed by movement: `hr` and `rr`.
        ecg_motion_s: Mean length.
        line_flush_per_h: Flush of an arterial line: the bag's pressure.
        line_sample_per_h: Blood sample from an arterial line: no pulse in it.
        line_damped_per_h: Damped arterial line: a narrow pulse.
        care_per_h: Turning, suction: all signs shake together.
    """

    scale: float = 1.0
    oximeter_dropout_per_h: float = 0.22
    oximeter_dropout_s: float = 360.0
    ecg_dropout_per_h: float = 0.03
    ecg_dropout_s: float = 60.0
    monitor_dropout_per_h: float = 0.19
    monitor_dropout_s: float = 270.0
    motion_per_h: float = 0.19
    motion_s: float = 90.0
    breath_spike_per_h: float = 0.50
    spike_per_h: float = 0.19
    flat_per_h: float = 0.03
    flat_s: float = 300.0
    cuff_error_share: float = 0.013
    oximeter_dropout_mixture: Mixture = ()
    ecg_dropout_mixture: Mixture = ()
    recorded: bool = False
    off_share: float = 0.0
    motion_depth: tuple[float, float] = (3.0, 14.0)
    motion_beats: tuple[float, float] = (10.0, 60.0)
    ecg_motion_per_h: float = 0.0
    ecg_motion_s: float = 20.0
    line_flush_per_h: float = 0.0
    line_sample_per_h: float = 0.0
    line_damped_per_h: float = 0.0
    care_per_h: float = 0.0

    def __post_init__(self) -> None:
        numbers = [value for f in self.__struct_fields__ if isinstance(value := getattr(self, f), float | int)]
        mixed = [n for m in (self.oximeter_dropout_mixture, self.ecg_dropout_mixture) for pair in m for n in pair]
        if any(number < 0 for number in (*numbers, *mixed, *self.motion_depth, *self.motion_beats)):
            raise ValueError("artefact rates and lengths must not be negative")
        if self.cuff_error_share * self.scale > 1 or self.off_share > 1:
            raise ValueError("off_share and cuff_error_share * scale are shares: at most 1")
