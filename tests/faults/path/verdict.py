"""What a storm did: ledgers against ledgers. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from infra.demo.reconciliation import Identity
from infra.demo.supervisor import Struck
from tests.faults.path.sight import Raised
from tests.load.plan import Plan
from vitals.contacts import Notification

LATE_MS: Final = 10_000
"""From measurement to topic `alarms`, while no fault is at work and none is being recovered from. A quiet second
reading waits up to the gateway's batch of 5 s, so that is in it."""
NEAR_MS: Final = 10_000
"""An alarm whose reading bore a time ahead of the log begins at the log's time, which depends on how the readings were
read; it is the same alarm within this."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Warehouse rows of one synthetic device: how many, how many different, greatest sequence number."""

    rows: int
    distinct: int
    last: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Readings.

    Attributes:
        accepted: By the gateways, real and synthetic.
        lost: Accepted, and not in the warehouse.
        doubled: Rows beyond one per reading.
        foreign: Rows that nobody accepted.
    """

    accepted: int
    lost: int
    doubled: int
    foreign: int

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(
            self.accepted + other.accepted,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.foreign + other.foreign,
        )


def real(accepted: set[Identity], warehouse: Counter[Identity]) -> Counted:
    """Counts the real gateways' readings.

    A gateway whose card is full passes readings on without a ledger of them: they are no foreign ones.
    """
    return Counted(
        accepted=len(accepted),
        lost=len(accepted - warehouse.keys()),
        doubled=warehouse.total() - len(warehouse),
        foreign=0,
    )


def synthetic(plan: Plan, batches: int, warehouse: Mapping[str, Rows]) -> Counted:
    """Counts the synthetic gateways' readings: each sends its batches in turn, one reading per patient in each.

    Args:
        plan: What was sent.
        batches: How many batches were made in all.
        warehouse: Rows by device.
    """
    lost = doubled = foreign = 0
    nothing = Rows(0, 0, -1)
    known: set[str] = set()
    for gateway in range(plan.gateways):
        due = batches // plan.gateways + (gateway < batches % plan.gateways)
        for bed in range(gateway * plan.per_gateway, (gateway + 1) * plan.per_gateway):
            device = f"{plan.name}-d{bed}"
            known.add(device)
            found = warehouse.get(device, nothing)
            beyond = max(0, found.last - due + 1)
            lost += max(0, due - (found.distinct - beyond))
            doubled += found.rows - found.distinct
            foreign += beyond
    foreign += sum(rows.rows for device, rows in warehouse.items() if device not in known)
    return Counted(batches * plan.per_gateway, lost, doubled, foreign)


@dataclass(frozen=True, slots=True)
class Alarms:
    """What became of the alarms.

    Attributes:
        due: Starts and escalations that the engine gives on the log.
        missed: Of these, not in topic `alarms`.
        doubled: Events that are there more than once.
        invented: There, and not given by the engine.
        moved: There with a beginning that differs by less than `NEAR_MS`.
        late: Told more than `LATE_MS` after their reading, in quiet.
        quiet: Alarms in quiet.
        worst_ms: The longest delay in quiet; 0 without any.
        names: Ids of missed, doubled and invented ones, some of each.
        tardy: Late ones: id, UTC epoch ms of the reading, ms until it was told.
    """

    due: int
    missed: int
    doubled: int
    invented: int
    moved: int
    late: int
    quiet: int
    worst_ms: int
    names: tuple[str, ...] = ()
    tardy: tuple[tuple[str, int, int], ...] = ()


def alarms(due: Iterable[Raised], told: Sequence[Raised], busy: Sequence[tuple[int, int]]) -> Alarms:
    """Compares the alarms that are due with those that were told.

    Args:
        due: From the engine on the log.
        told: From topic `alarms`, as often as they are there.
        busy: Spans of faults and recoveries, UTC epoch ms.
    """
    times = Counter(event.key for event in told)
    wanted = {event.key: event for event in due}
    missed = {key: event for key, event in wanted.items() if key not in times}
    invented = {event.key: event for event in told if event.key not in wanted}
    moved = 0
    for key, event in sorted(missed.items()):
        near = next((k for k, other in invented.items() if _same(event, other)), None)
        if near is not None:
            moved += 1
            del missed[key], invented[near]
    doubled = sorted(key for key, count in times.items() if count > 1)
    quiet = [event for event in told if not _meets(event.t, event.told, busy)]
    delays = [event.told - event.t for event in quiet]
    tardy = tuple((e.id, e.t, delay) for e, delay in zip(quiet, delays, strict=True) if delay > LATE_MS)
    names = (
        *(f"missed {key[0]}" for key in sorted(missed)[:5]),
        *(f"doubled {key[0]}" for key in doubled[:5]),
        *(f"invented {key[0]}" for key in sorted(invented)[:5]),
    )
    return Alarms(
        due=len(wanted),
        missed=len(missed),
        doubled=sum(times[key] - 1 for key in doubled),
        invented=len(invented),
        moved=moved,
        late=len(tardy),
        quiet=len(delays),
        worst_ms=max(delays, default=0),
        names=names,
        tardy=tardy,
    )


def _same(one: Raised, other: Raised) -> bool:
    about = (one.patient, one.condition, one.phase)
    return about == (other.patient, other.condition, other.phase) and abs(one.start - other.start) <= NEAR_MS


def _meets(begin: int, end: int, busy: Sequence[tuple[int, int]]) -> bool:
    return any(begin <= last and first <= end for first, last in busy)


@dataclass(frozen=True, slots=True)
class Messages:
    """What became of the notifications.

    Attributes:
        due: Alarms that started or escalated and call a contact; one that joined its incident does not.
        untold: Of these, without a message that SNS accepted.
        failed: Of the untold, those that are on record as failed.
        doubled: Records of what SNS accepted beyond one per alarm, event, contact and handover.
        window: Messages that came twice with one record: a crash fell between SNS's answer and the record.
    """

    due: int
    untold: int
    failed: int
    doubled: int
    window: int


Message = tuple[str, int, str, int]
"""Alarm, event, contact, handover."""


def messages(told: Sequence[Raised], records: Sequence[Notification], queue: Mapping[Message, int]) -> Messages:
    """Counts the notifications of physiological alarms.

    Args:
        told: Starts and escalations in topic `alarms`.
        records: Topic `notifications`.
        queue: How often each message stands in the queue in which people read.
    """
    due = {(event.id, event.n) for event in told if event.calls}
    sent = {(n.alarm, n.n) for n in records if n.sns is not None}
    failed = {(n.alarm, n.n) for n in records if n.sns is None}
    # A failure is recorded before the message that came after it at last: two records, and one message.
    counts = Counter((n.alarm, n.n, n.contact, n.handover) for n in records if n.sns is not None)
    untold = due - sent
    return Messages(
        due=len(due),
        untold=len(untold),
        failed=len(untold & failed),
        doubled=sum(count - 1 for count in counts.values()),
        window=sum(count - 1 for key, count in queue.items() if count > 1 and counts[key] == 1),
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    """How long after a fault's end the path worked again, s, by place; a place at which nothing more was seen lacks."""

    struck: Struck
    back_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def until(self) -> int:
        """When the last place worked again, UTC epoch ms."""
        return self.struck.ended + round(1000 * max(self.back_s.values(), default=0.0))


def recovery(struck: Struck, places: Mapping[str, Sequence[tuple[int, int]]]) -> Recovery:
    """Returns when what was measured after a fault had arrived everywhere.

    Args:
        struck: The fault.
        places: By place, (when it arrived, when it was measured) of what was seen there, both ascending.
    """
    found: dict[str, float] = {}
    for place, series in places.items():
        first = bisect_right(series, struck.ended, key=lambda seen: seen[1])
        if first < len(series):
            found[place] = round(max(0, series[first][0] - struck.ended) / 1000, 1)
    return Recovery(struck, found)
