"""Messages as they are taken in: judged, shown to the engine, counted, and told whether they hurry."""

import logging
from collections.abc import Sequence

from edge.alarm.bedside_alarms import LocalAlarms
from edge.ingest.decode import RAISED, Heard, Intake
from edge.ingest.roster import Book
from edge.ingest.urgency import Triage
from edge.status.report import Reporter
from edge.store.commit import Acceptance
from edge.uplink.side_messages import Tidings
from vitals import breach_codes
from vitals.readings import Readings

log = logging.getLogger(__name__)


class Reception:
    """The way of messages into the gateway.

    Args:
        intake: Makes readings of them.
        triage: Told who is watched.
        local: The local alarms.
        acceptance: Takes what is to be committed.
        reporter: Told who sent, and what was refused.
        tidings: Told what was refused.
    """

    def __init__(  # noqa: PLR0917 - the parts of a gateway, in the order of a message's way
        self,
        intake: Intake,
        triage: Triage,
        local: LocalAlarms,
        acceptance: Acceptance,
        reporter: Reporter,
        tidings: Tidings,
    ) -> None:
        self._intake, self._triage, self._local = intake, triage, local
        self._acceptance, self._reporter, self._tidings = acceptance, reporter, tidings

    def place(self, book: Book) -> None:
        """A roster is in force."""
        self._triage.place(book)
        self._triage.watch(self._local.watched())

    def take(self, heard: Sequence[Heard], book: Book, now: int, clock_s: float) -> None:
        """Takes messages in arrival order.

        Args:
            heard: The messages.
            book: The roster in force.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        taken = self._intake.take(heard, book)
        self._acceptance.take(taken.readings, (item.delivery for item in heard), taken.rejected, clock_s)
        self._reporter.refused(taken.rejected, taken.duplicates)
        self._tidings.refused(taken.rejected)
        if taken.rejected:
            # The bytes stay in the database: they may hold a patient's values.
            data = {"topic": taken.rejected[0].topic, "reason": taken.rejected[0].reason}
            log.warning("%d messages refused, the first of them:", len(taken.rejected), extra={"data": data})
        for refused in taken.rejected:
            if refused.reason.startswith(RAISED):
                device = refused.topic.split("/")[1]
                self._local.pass_over(device, refused.t, now)
        if len(taken.readings):
            self._local.advance(taken.readings, now)
            self._acceptance.urgent |= self._is_urgent(taken.readings)
            self._triage.watch(self._local.watched())
            self._reporter.heard(taken.readings, clock_s)

    def _is_urgent(self, readings: Readings) -> bool:
        """Whether somebody may have to be paged: a value beyond a limit, or a condition pending or active."""
        placed = readings.roster > 0
        if not placed.any():
            return False
        digits = breach_codes.breach(readings.values, readings.bounds())
        beyond = ((digits != breach_codes.WITHIN) & (digits != breach_codes.ABSENT)).any(axis=1)
        if bool((beyond & placed).any()):
            return True
        return self._local.pending({patient for patient in readings.patient.tolist() if patient is not None})
