"""Path of device messages: decode and filter, alarm, count, and decide whether their commit and batch are urgent."""

import logging
from collections.abc import Sequence

from edge.alarm.bedside_alarms import BedsideAlarms
from edge.alarm.unassigned_devices import UnassignedDevices
from edge.ingest.decode import RAISED, DecodedMessage, Ingest
from edge.ingest.roster import AssignmentTable
from edge.ingest.urgency import UrgencyCheck
from edge.status.report import Reporter
from edge.store.commit import CommitQueue
from edge.uplink.side_messages import SideMessages

log = logging.getLogger(__name__)


class Pipeline:
    """Passes device messages to all parts of the gateway.

    Args:
        ingest: Decodes and filters messages.
        urgency: Receives the roster and the values that the alarms await.
        local: Bedside alarms.
        commits: Queue of the next commit.
        reporter: Counts readings and rejected messages.
        side_messages: Reports rejected messages to the cloud.
        unassigned: Evaluates unassigned devices.
    """

    def __init__(  # noqa: PLR0917 - the parts of a gateway, in the order of a message's way
        self,
        ingest: Ingest,
        urgency: UrgencyCheck,
        local: BedsideAlarms,
        commits: CommitQueue,
        reporter: Reporter,
        side_messages: SideMessages,
        unassigned: UnassignedDevices,
    ) -> None:
        self._ingest, self._urgency, self._alarms = ingest, urgency, local
        self._commits, self._reporter, self._side_messages = commits, reporter, side_messages
        self._unassigned = unassigned

    def place(self, assignments: AssignmentTable) -> None:
        """Applies a new roster."""
        self._urgency.place(assignments)
        self._urgency.watch(self._alarms.awaited())

    def take(self, heard: Sequence[DecodedMessage], assignments: AssignmentTable, now: int, clock_s: float) -> None:
        """Processes messages in arrival order.

        Args:
            heard: Decoded messages.
            assignments: Roster in force.
            now: UTC epoch ms.
            clock_s: Monotonic clock, s.
        """
        taken = self._ingest.take(heard, assignments)
        self._commits.take(taken.readings, (item.delivery for item in heard), taken.rejected, clock_s)
        self._reporter.refused(taken.rejected, taken.duplicates)
        self._side_messages.refused(taken.rejected)
        if taken.rejected:
            # The payload stays in the database: it may hold a patient's values.
            data = {"topic": taken.rejected[0].topic, "reason": taken.rejected[0].reason}
            log.warning("%d messages rejected, the first of them:", len(taken.rejected), extra={"data": data})
        for refused in taken.rejected:
            if refused.reason.startswith(RAISED):
                device = refused.topic.split("/")[1]
                self._alarms.pass_over(device, refused.t, now)
        if len(taken.readings):
            # The cloud's engine needs the readings up to one that begins or changes an alarm here; the others can wait.
            self._commits.urgent |= self._alarms.advance(taken.readings, now)
            self._unassigned.take(taken.readings, assignments, now)
            self._commits.watched |= self._alarms.pending(set(filter(None, taken.readings.patient.tolist())))
            self._urgency.watch(self._alarms.awaited())
            self._reporter.heard(taken.readings, clock_s)
