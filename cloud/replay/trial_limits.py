"""A trial: limits and delays to try, from a TOML file, laid over those that were in force.

```toml
[profile.adult.spo2]        # for everybody on this profile whose own limits do not say otherwise
low = 88
delay_s = 20

[profile.all.hr]            # for every profile
high = 130
extreme_high = "none"       # no such bound

[patient.p-00017.rr]        # for one patient, above everything else
high = 34
```

What is not named stays as it was in force for each reading.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from vitals.limits import PROFILE_INDEX, PROFILES, Limit, LimitSet, profile, with_overrides
from vitals.signs import FIELDS, INDEX

ALL: Final = "all"
NO_BOUND: Final = "none"
BOUNDS: Final = ("extreme_low", "low", "high", "extreme_high")
KEYS: Final = (*BOUNDS, "delay_s")
Change = Mapping[str, float | None]
"""What changes of one sign's limit, by key."""
Changes = Mapping[str, Change]
"""By sign."""


class TrialError(ValueError):
    """A trial file that cannot be used; the message says where and what to write."""


@dataclass(frozen=True)
class Trial:
    """What to try.

    Attributes:
        profiles: By name of a profile, or `all`.
        patients: By patient id.
    """

    profiles: Mapping[str, Changes] = field(default_factory=dict)
    patients: Mapping[str, Changes] = field(default_factory=dict)

    def of(self, limits: LimitSet, patient: str | None) -> LimitSet:
        """Returns the limits to try on a reading.

        Args:
            limits: Those that were in force.
            patient: Whose reading it is.

        Raises:
            TrialError: Together they contradict each other.
        """
        own = self._own(limits)
        changed = {}
        for name, limit in zip(FIELDS, limits.limits, strict=True):
            tried = limit
            for key in (ALL, limits.profile):
                if name not in own:
                    tried = _changed(tried, self.profiles.get(key, {}).get(name, {}), f"profile.{key}.{name}")
            if patient is not None and patient in self.patients:
                tried = _changed(tried, self.patients[patient].get(name, {}), f"patient.{patient}.{name}")
            changed[name] = tried
        return with_overrides(limits, changed)

    @staticmethod
    def _own(limits: LimitSet) -> set[str]:
        """Signs whose limits somebody has set for this patient."""
        if limits.profile not in PROFILE_INDEX:
            return set()
        usual = profile(limits.profile).limits
        return {name for name, a, b in zip(FIELDS, limits.limits, usual, strict=True) if a != b}

    def told(self) -> list[tuple[str, str, dict[str, tuple[float | None, float | None]]]]:
        """Returns what changes, for a person: who, sign, and per key the profile's value and the one to try."""
        rows = []
        for name, changes in self.profiles.items():
            # What all profiles have now differs between them.
            base = None if name == ALL else profile(name).limits
            who = "every profile" if base is None else f"profile {name}"
            for sign, change in changes.items():
                rows.append((who, sign, _pairs(change, base[INDEX[sign]] if base else None)))
        for name, changes in self.patients.items():
            rows += [(f"patient {name}", sign, _pairs(change, None)) for sign, change in changes.items()]
        return rows


def _pairs(change: Change, before: Limit | None) -> dict[str, tuple[float | None, float | None]]:
    return {key: (None if before is None else getattr(before, key), value) for key, value in change.items()}


def _changed(limit: Limit, change: Change, where: str) -> Limit:
    if not change:
        return limit
    try:
        return msgspec.structs.replace(limit, **change)
    except ValueError as error:
        raise TrialError(
            f"[{where}]: over the limits that were in force, {error}; change the other bound too"
        ) from error


def read(text: str) -> Trial:
    """Reads a trial file.

    Raises:
        TrialError: It is no TOML, or names a profile, sign or key that there is not, or a value that is none.
    """
    try:
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TrialError(f"not TOML: {error}") from error
    _known(told, ("profile", "patient"), "", "table")
    profiles = _table(told.get("profile", {}), "profile")
    _known(profiles, (*PROFILE_INDEX, ALL), "profile.", "profile")
    patients = _table(told.get("patient", {}), "patient")
    trial = Trial(
        {name: _changes(value, f"profile.{name}") for name, value in profiles.items()},
        {name: _changes(value, f"patient.{name}") for name, value in patients.items()},
    )
    if not trial.profiles and not trial.patients:
        raise TrialError("nothing to try: write a table such as [profile.adult.spo2] with low, high, delay_s, …")
    for base in PROFILES:
        trial.of(base, None)
    for patient in trial.patients:
        _fits_some(trial, patient)
    return trial


def _fits_some(trial: Trial, patient: str) -> None:
    """Whose profile is not known here: a patient's limits must make sense over one of them."""
    problems = []
    for base in PROFILES:
        try:
            trial.of(base, patient)
        except TrialError as error:
            problems.append(error)
    if len(problems) == len(PROFILES):
        raise problems[0]


def _changes(value: Any, where: str) -> Changes:  # noqa: ANN401 - TOML is anything
    signs = _table(value, where)
    _known(signs, FIELDS, f"{where}.", "sign")
    return {sign: _change(_table(change, f"{where}.{sign}"), f"{where}.{sign}") for sign, change in signs.items()}


def _change(values: Mapping[str, Any], where: str) -> Change:
    _known(values, KEYS, f"{where}: ", "key")
    found: dict[str, float | None] = {}
    for key, value in values.items():
        if value == NO_BOUND and key in BOUNDS:
            found[key] = None
        elif isinstance(value, bool) or not isinstance(value, int | float):
            more = ' or "none"' if key in BOUNDS else ""
            raise TrialError(f"[{where}] {key} = {value!r}: must be a number{more}")
        else:
            found[key] = float(value)
    return found


def _table(value: Any, where: str) -> Mapping[str, Any]:  # noqa: ANN401 - TOML is anything
    if not isinstance(value, dict):
        raise TrialError(f"{where} = {value!r}: must be a table, such as [{where}.…]")
    return value


def _known(found: Mapping[str, Any], known: tuple[str, ...], where: str, kind: str) -> None:
    for name in found:
        if name not in known:
            raise TrialError(f"{where}{name}: there is no such {kind}; there are {', '.join(known)}")
