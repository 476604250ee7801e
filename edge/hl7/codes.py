"""Codes of vital signs and units in OBX-3 and OBX-6, as sent by monitors.

MDC is IEEE 11073-10101, by reference id and by number. Some manufacturers use its numbers differently, so the reference
id decides. MDIL are Philips' own codes, EHC Edan's. Sources are public messages and manuals (docs/devices.md).
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple


class SignCode(NamedTuple):
    """Sign of a code.

    Attributes:
        field: Field of the sign, as in `vitals.signs`.
        rank: Preference among codes of one sign, 0 first; a line's pressures have `LINE`.
    """

    field: str
    rank: int


LINE: Final = 0
_CODING: Final = 3
"""Components of a coding: code, reference id or text, system."""
_OWN_NUMBERS: Final = "EHC"
"""System with numbers of its own."""
PRESSURES: Final = frozenset(("sbp", "dbp", "map"))
_BY_PREFERENCE: Final[dict[str, tuple[str, ...]]] = {
    "hr": (
        "MDC_ECG_HEART_RATE 147842 MDC_ECG_CARD_BEAT_RATE 8867-4 0002-4182 EHC:131072",
        "MDC_ECG_CARD_BEAT_RATE_BTB MDC_HEART_RATE",
    ),
    "pr": (
        "MDC_PULS_OXIM_PULS_RATE 149530 8889-8 0002-4822 EHC:327681",
        "MDC_BLD_PULS_RATE_INV 149522 MDC_PULS_RATE 149514",
        "MDC_PULS_RATE_NON_INV 149546 EHC:393219",
    ),
    "rr": (
        "MDC_RESP_RATE 151562 MDC_TTHOR_RESP_RATE 151578 9279-1 0002-500a",
        "MDC_CO2_RESP_RATE 151594 MDC_AWAY_RESP_RATE 151570 0002-5012",
        "MDC_VENT_RESP_RATE 151586",
    ),
    "spo2": (
        "MDC_PULS_OXIM_SAT_O2 150456 2708-6 59408-5 0002-4bb8 EHC:327680",
        "MDC_SAT_O2 150316",
    ),
    "temp": (
        "MDC_TEMP_CORE 150368 MDC_TEMP_ESOPH 150372 MDC_TEMP_BLD 150356 MDC_TEMP_RECT 188420",
        "MDC_TEMP 150344 MDC_TEMP_BODY 150364 MDC_TEMP_TYMP 150392 MDC_TEMP_ORAL 188424 8310-5 EHC:524288",
        "MDC_TEMP_AXIL 188496 0002-f0c7 0002-f0c8 EHC:458752",
    ),
    "sbp": (
        "MDC_PRESS_BLD_ART_ABP_SYS 150037 MDC_PRESS_BLD_ART_SYS 150033 0002-4a11 0002-4a15",
        "MDC_PRESS_BLD_NONINV_SYS 150021 MDC_PRESS_CUFF_SYS 150301 MDC_PRESS_BLD_SYS 150017 "
        "8480-6 0002-4a05 EHC:393216",
    ),
    "dbp": (
        "MDC_PRESS_BLD_ART_ABP_DIA 150038 MDC_PRESS_BLD_ART_DIA 150034 0002-4a12 0002-4a16",
        "MDC_PRESS_BLD_NONINV_DIA 150022 MDC_PRESS_CUFF_DIA 150302 MDC_PRESS_BLD_DIA 150018 "
        "8462-4 0002-4a06 EHC:393217",
    ),
    "map": (
        "MDC_PRESS_BLD_ART_ABP_MEAN 150039 MDC_PRESS_BLD_ART_MEAN 150035 0002-4a13 0002-4a17",
        "MDC_PRESS_BLD_NONINV_MEAN 150023 MDC_PRESS_CUFF_MEAN 150303 MDC_PRESS_BLD_MEAN 150019 "
        "8478-0 0002-4a07 EHC:393218",
    ),
}
_CODES: Final = {
    code.upper(): SignCode(field, rank)
    for field, groups in _BY_PREFERENCE.items()
    for rank, group in enumerate(groups)
    for code in group.split()
}


class CodeError(ValueError):
    """A code with components of different signs."""


def sign(parts: Sequence[str]) -> SignCode | None:
    """Returns the sign of OBX-3, None if it is of none.

    Args:
        parts: Components: code, reference id, system, then the alternate ones.

    Raises:
        CodeError: Reference ids of two signs are in it, or reference id and number contradict each other.
    """
    keys = [key for k in range(0, len(parts), _CODING) for key in _keys(parts[k : k + _CODING])]
    found = [code for key in keys if (code := _CODES.get(key)) is not None]
    named = [key for key in keys if key.startswith("MDC_")]
    # A reference id of another measurement outranks a number: some numbers are used twice.
    if not found or (named and _CODES.keys().isdisjoint(named)):
        return None
    if len({code.field for code in found}) > 1:
        raise CodeError(f"code {'^'.join(parts[:3])} names two signs: {' and '.join(sorted({c.field for c in found}))}")
    return min(found, key=lambda code: code.rank)


def _keys(coding: Sequence[str]) -> list[str]:
    own = f"{_OWN_NUMBERS}:" if coding[2:] and coding[2].strip().upper() == _OWN_NUMBERS else ""
    return [own + part.strip().upper() for part in coding[:2] if part.strip()]


def _same(value: float) -> float:
    return value


def _fahrenheit(value: float) -> float:
    return round((value - 32) / 1.8, 2)


def _kilopascal(value: float) -> float:
    return round(value * 7.500_617, 1)


Convert = Callable[[float], float]
_RATE: Final[dict[str, Convert]] = {
    **dict.fromkeys(("/min", "1/min", "min-1", "bpm", "b/min", "rpm", "brpm"), _same),
    **dict.fromkeys(("beats/min", "beat/min", "{beats}/min", "{beat}/min"), _same),
    **dict.fromkeys(("breaths/min", "{breaths}/min", "{breath}/min", "resp/min"), _same),
    **dict.fromkeys(("mdc_dim_beat_per_min", "mdc_dim_resp_per_min", "mdc_dim_per_min"), _same),
    **dict.fromkeys(("264864", "264928", "264672"), _same),
}
_PERCENT: Final[dict[str, Convert]] = dict.fromkeys(("%", "percent", "mdc_dim_percent", "262688"), _same)
_PRESSURE: Final[dict[str, Convert]] = {
    **dict.fromkeys(("mmhg", "mm[hg]", "mm hg", "mdc_dim_mmhg", "266016"), _same),
    **dict.fromkeys(("kpa", "mdc_dim_kilo_pascal", "265987"), _kilopascal),
}
_DEGREES: Final[dict[str, Convert]] = {
    **dict.fromkeys(("cel", "c", "°c", "degc", "deg c", "mdc_dim_degc", "268192"), _same),
    **dict.fromkeys(("[degf]", "f", "°f", "degf", "deg f", "mdc_dim_fahr", "266560"), _fahrenheit),
}
_UNITS: Final[dict[str, dict[str, Convert]]] = {
    **dict.fromkeys(("hr", "pr", "rr"), _RATE),
    **dict.fromkeys(PRESSURES, _PRESSURE),
    "spo2": _PERCENT,
    "temp": _DEGREES,
}
_WAVES: Final = frozenset(
    ("mv", "uv", "v", "ohm", "mdc_dim_milli_volt", "mdc_dim_micro_volt", "mdc_dim_x_volt", "mdc_dim_x_ohm")
)


class WaveformError(ValueError):
    """A value that is a sample of a waveform, and not a number of a sign."""


def unit(field: str, parts: Sequence[str]) -> Convert | None:
    """Returns the conversion to the sign's unit, None if the unit is unknown; no unit is the sign's own.

    Raises:
        WaveformError: The unit is that of a waveform.
    """
    words = [word for part in parts if (word := part.strip().lower())]
    if any(word in _WAVES for word in words):
        raise WaveformError(f"{field} in {'^'.join(parts)}: a waveform, and no value per minute")
    if not any(word not in {"mdc", "ucum"} for word in words):
        return _same
    return next((convert for word in words if (convert := _UNITS[field].get(word)) is not None), None)
