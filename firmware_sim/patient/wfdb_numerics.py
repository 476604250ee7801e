"""WFDB numerics records (PhysioNet's form) as rows of a recording."""

from pathlib import Path
from typing import Final

import numpy as np
import wfdb

from firmware_sim.patient.recording import NAMES, Row, by_sign

_DECIMALS: Final = 2
"""As in a device message. Gain and baseline return a stored zero only to within rounding."""
FASTEST: Final = 4.0
"""Highest rate of numerics, Hz; a faster record is a waveform."""
_OF_WAVES: Final = frozenset(("mV", "uV", "V"))
_KNOWN: Final = frozenset(name for names in NAMES.values() for name in names)


def read_wfdb(path: Path) -> list[Row]:
    """Reads a record of one or more segments by its header.

    Args:
        path: The `.hea` file; the signal files are in the same folder.

    Returns:
        Seconds since the record's start and one value per sign. A sample without any value is a gap, and has no row.

    Raises:
        ValueError: Files are missing or no record, or no signal is a vital sign.
    """
    try:
        record = wfdb.rdrecord(str(path.with_suffix("")))
    except FileNotFoundError as error:
        raise ValueError(f"recording {path}: {error.filename} does not exist") from error
    except (ValueError, IndexError, TypeError) as error:
        raise ValueError(f"recording {path} is no WFDB record: {error}") from error
    names = ["".join(name.split()).replace("%", "").upper() for name in record.sig_name]
    known = [(k, name) for k, name in enumerate(names) if name in _KNOWN]
    waves = [record.sig_name[k] for k, _ in known if record.fs > FASTEST or record.units[k] in _OF_WAVES]
    if waves:
        # A breath's waveform is named as the breath rate is.
        raise ValueError(f"recording {path} has waveforms, no numerics: {', '.join(waves)}")
    if not known:
        raise ValueError(f"recording {path} has no vital sign, only {', '.join(record.sig_name)}")
    values = np.round(record.p_signal, _DECIMALS) + 0.0
    rows = []
    for n in np.flatnonzero(np.isfinite(values[:, [k for k, _ in known]]).any(axis=1)).tolist():
        cells = {name: float(values[n, k]) for k, name in known if np.isfinite(values[n, k])}
        rows.append((n / record.fs, by_sign(cells)))
    return rows
