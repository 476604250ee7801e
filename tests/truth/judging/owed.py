"""All that people have to be told of one patient."""

from collections.abc import Sequence

import numpy as np

from tests.truth.judging.absent import losses, of_circulation, of_silence
from tests.truth.judging.breaches import KINDS, watch
from tests.truth.judging.due import Due, acknowledgements, more_for_lost, one_onset
from tests.truth.judging.life import MEDIUM, Act, Bed
from tests.truth.judging.onsets import Onsets, of_worsening
from tests.truth.judging.points import NONE, Conceded, Point


def of_bed(bed: Bed, acts: Sequence[Act], conceded: Conceded = NONE) -> list[Due]:
    """All that is due of one patient while it can still be seen whether it was told in time.

    Args:
        bed: The patient.
        acts: What people did about this patient.
        conceded: Points to decide as the reference judge does.
    """
    idle = ~bed.pulse
    if Point.SHORT_PULSE not in conceded:
        for loss in losses(bed):
            idle = idle | ((bed.t >= bed.t[loss[0].first]) & (bed.t <= bed.t[loss[-1].last]))
    found: list[Due] = []
    breached = np.zeros(len(bed.t), bool)
    for name in KINDS:
        w = watch(bed, name, idle)
        acks = acknowledgements(acts, name)
        breached[np.searchsorted(bed.t, w.t[w.level >= MEDIUM])] = True
        onsets = Onsets(bed.name, w, acks, conceded).found
        if Point.ITS_TIME in conceded:
            found += [more_for_lost(bed, due) for due in one_onset(onsets)]
        else:
            found += one_onset([more_for_lost(bed, due) for due in onsets])
        found += [more_for_lost(bed, due) for due in of_worsening(bed.name, w, acks)]
    found += of_circulation(bed, breached, conceded)
    found += of_silence(bed, acts, conceded)
    return [due for due in found if due.latest <= bed.t[-1]]
