"""When a device counts as silent."""

from edge.ingest.roster import AssignmentTable
from edge.status.health import Devices
from vitals.admissions import DeviceAssignment, Roster
from vitals.status import Health

NOW = 1_800_000_000_000


def test_a_device_that_was_just_admitted_has_three_cadences_to_speak() -> None:
    devices = Devices()
    placement = DeviceAssignment(device="dev-1", patient="p-1", ward="W", bed="W-1", since=NOW, cadence_s=2.0)
    empty = AssignmentTable(Roster(gateway="gw-1", version=1, placements=()))
    admitted = AssignmentTable(Roster(gateway="gw-1", version=2, placements=(placement,)))
    devices.status(empty, {}, NOW)
    # An hour later somebody is admitted: to be silent, the monitor must first have had its time.
    later = NOW + 3_600_000
    assert [d.health for d in devices.status(admitted, {}, later)] == [Health.UP]
    assert [d.health for d in devices.status(admitted, {}, later + 6000)] == [Health.UP]
    assert [d.health for d in devices.status(admitted, {}, later + 6001)] == [Health.SILENT]
