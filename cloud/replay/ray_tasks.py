"""A replay at work: one Ray task for each partition of the log."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cloud.lake import Store, open_lake
from cloud.lake.manifests import Object
from cloud.lake.schema import ACTIONS, ALARMS, PATIENTS
from cloud.replay.lake_source import merged, partitions, pieces, told
from cloud.replay.simulate import Control, simulate
from cloud.replay.trial_limits import Trial
from vitals.actions import Action
from vitals.admissions import Admission
from vitals.alarm_events import AlarmEvent, Kind

TASK_ROWS: Final = 2_000_000
"""Rows that a task may hold in memory, an object of each of its partitions at a time: some 500 MB."""


@dataclass(frozen=True, slots=True)
class Task:
    """The replay of some partitions; picklable, so that Ray can carry it to a worker.

    Attributes:
        lake: URL of the lake.
        held: For each partition the objects with its readings, in the order of the log.
        controls: Admissions and actions of their patients.
        since: Begin in log time, warm-up included, UTC epoch ms.
        until: End, UTC epoch ms.
        newest: Newest log time that the lake has: past it nobody knows what happened, and no timer runs.
        trial: What to try; None: the limits in force alone.
    """

    lake: str
    held: tuple[tuple[Object, ...], ...]
    controls: tuple[Control, ...]
    since: int
    until: int
    newest: int
    trial: Trial | None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """What came of one task.

    Attributes:
        events: Alarm events under each set of rules.
        readings: Readings judged.
        watched: Patients and five-minute slots with readings.
    """

    events: list[list[AlarmEvent]]
    readings: int
    watched: set[tuple[str, int]]


def replay(task: Task) -> TaskResult:
    """Replays some partitions.

    Raises:
        LakeError: An object could not be read.
        TrialError: The trial contradicts limits that were in force.
    """
    judging = simulate(task.controls, 1 if task.trial is None else 2)
    store = open_lake(task.lake)
    for piece in merged([pieces(store, held, task.since, task.until, task.trial) for held in task.held]):
        judging.take(piece)
    judging.finish(min(task.until, task.newest))
    return TaskResult(judging.events, judging.readings, judging.watched)


def tasks(lake: str, since: int, until: int, trial: Trial | None, *, cpus: int = 1) -> list[Task]:
    """Returns the tasks of a replay: one a processor, or more, so that no task's memory is too large.

    Raises:
        LakeError: The lake cannot be read.
    """
    store = open_lake(lake)
    controls = _controls(store, since, until)
    readings = partitions(store, since, until)
    newest = max((o.log_t[1] for held in readings.values() for o in held if o.log_t), default=until)
    largest = sum(max(o.rows for o in held) for held in readings.values())
    count = min(len(readings), max(cpus, -(-largest // TASK_ROWS)))
    by_size = sorted(readings, key=lambda p: -sum(o.rows for o in readings[p]))
    groups = [by_size[k::count] for k in range(count)]
    return [
        Task(
            lake,
            tuple(tuple(readings[p]) for p in group),
            tuple(control for p in group for control in controls.get(p, ())),
            *(since, until, newest, trial),
        )
        for group in groups
    ]


def _controls(store: Store, since: int, until: int) -> Mapping[int, list[Control]]:
    """Who is admitted when the replay begins, and all that is done until it ends, by partition."""
    found: dict[int, list[Control]] = defaultdict(list)
    for partition, log_t, admission in told(store, PATIENTS, Admission, 0, until):
        # All that was before acts at the begin, in its order: the beds' history needs the past as well.
        found[partition].append((max(log_t, since - 1), admission))
    for partition, log_t, action in told(store, ACTIONS, Action, since, until):
        found[partition].append((log_t, action))
    return found


def raised(store: Store, since: int, until: int) -> list[AlarmEvent]:
    """Returns the alarm events about patients that were told in a range of log time.

    Raises:
        LakeError: The lake cannot be read.
    """
    events = (event for _, _, event in told(store, ALARMS, AlarmEvent, since, until))
    return [event for event in events if event.kind is Kind.PHYSIOLOGICAL]


def spread(ray: Any, found: Iterable[Task], done: Callable[[TaskResult], None]) -> list[TaskResult]:  # noqa: ANN401 - the module
    """Runs tasks on a Ray cluster; `done` is called as each ends.

    Raises:
        LakeError: An object could not be read.
        TrialError: The trial contradicts limits that were in force.
    """
    remote = ray.remote(replay).options(num_cpus=1, max_retries=2)
    waiting = [remote.remote(task) for task in found]
    results: list[TaskResult] = []
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        for reference in ready:
            try:
                results.append(ray.get(reference))
            except ray.exceptions.RayTaskError as error:
                # What the task raised says more than where.
                raise error.cause from error
            done(results[-1])
    return results


def joined(results: Sequence[TaskResult], rules: int) -> list[list[AlarmEvent]]:
    """Returns all events under each set of rules."""
    return [[event for told_ in results for event in told_.events[k]] for k in range(rules)]
