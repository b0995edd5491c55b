"""All interleavings of two controllers that admit runs by a ledger and start them as Jobs.

What is modelled: two runs, one slot, two controllers that both believe to lead whenever they like,
and see runs, Jobs and the ledger as they were at any earlier time. A write that was sent lands at
any later time, also after its sender crashed; several of one sender may be under way. A Job that
was created may finish at any time, and a run is told so by what is seen of its Job.

A slot of a run that has no Job (it was cancelled, or deleted) may be freed only after a tombstone
took the Job's name: a create that was sent before may still land, and would run without a slot.

The ledger may be deleted once. A controller that finds none submits nothing; once nothing that was
sent before can land, it begins one of the Jobs that it lists, unless there is one by then.

What is checked: never more Jobs at work than slots.
"""

import collections
import dataclasses
import enum
from collections.abc import Iterator

RUNS = (0, 1)
# Of the ledger after it was deleted: it happens once, at any time before.
LOST_VERSION = 2


class Job(enum.Enum):
    """What has a run's Job name."""

    NONE = enum.auto()
    WORKING = enum.auto()
    ENDED = enum.auto()
    TOMBSTONE = enum.auto()


class Kind(enum.Enum):
    """A write."""

    RESERVE = enum.auto()
    CREATE = enum.auto()
    BURY = enum.auto()
    FREE = enum.auto()
    BEGIN = enum.auto()


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """What a controller does.

    Attributes:
        buries: Whether a tombstone is put before a slot without a Job is freed.
        swaps: Whether the ledger is replaced by compare-and-swap.
        begins_once: Whether a ledger that another began meanwhile is left as it is.
        loses: Whether the ledger may be deleted.
        cancels: Whether users cancel runs.
        most_writes: How many writes may be under way.
        most_version: Up to which version of the ledger to search.
    """

    buries: bool = True
    swaps: bool = True
    begins_once: bool = True
    loses: bool = False
    cancels: bool = True
    most_writes: int = 3
    most_version: int = 5


@dataclasses.dataclass(frozen=True, slots=True)
class View:
    """What is true, or was when it was read; ``holders`` is None where there is no ledger."""

    holders: frozenset[int] | None
    version: int
    jobs: tuple[Job, ...]
    cancelled: frozenset[int]


Write = tuple[Kind, int, int]
"""What, for which run, and the version of the ledger that was read.

Of BEGIN: with whose slot (-1 is nobody's), and who sends it."""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """The world: the truth, what each controller saw last, and what is under way."""

    truth: View
    seen: tuple[View, ...]
    under_way: frozenset[Write]


@dataclasses.dataclass(frozen=True)
class Explored:
    """What came of it; ``violation`` is the shortest way to one, if there is any."""

    states: int
    violation: tuple[str, ...] = ()
    both_can_end: bool = False


FIRST = View(frozenset(), 0, (Job.NONE,) * len(RUNS), frozenset())


def explore(design: Design) -> Explored:
    """Search all states, breadth first."""
    first = State(FIRST, (FIRST, FIRST), frozenset())
    came: dict[State, tuple[State, str] | None] = {first: None}
    queue = collections.deque([first])
    both_can_end = False
    while queue:
        state = queue.popleft()
        if state.truth.jobs.count(Job.WORKING) > 1:
            return Explored(len(came), tuple(_way(came, state)))
        both_can_end = both_can_end or set(state.truth.jobs) == {Job.ENDED}
        if state.truth.version > design.most_version:
            continue
        for label, after in _steps(state, design):
            if after not in came:
                came[after] = state, label
                queue.append(after)
    return Explored(len(came), both_can_end=both_can_end)


def _way(came: dict[State, tuple[State, str] | None], state: State) -> list[str]:
    labels: list[str] = []
    while (step := came[state]) is not None:
        state, label = step
        labels.append(label)
    return labels[::-1]


def _steps(state: State, design: Design) -> Iterator[tuple[str, State]]:
    yield from _decided(state, design)
    yield from _landed(state, design)
    yield from _happened(state, design)
    if design.loses:
        yield from _lost(state, design)


def _decided(state: State, design: Design) -> Iterator[tuple[str, State]]:
    """What the controllers may do."""
    for index, seen in enumerate(state.seen):
        if seen != state.truth:
            views = (*state.seen[:index], state.truth, *state.seen[index + 1 :])
            yield f"{index} looks", dataclasses.replace(state, seen=views)
        if len(state.under_way) == design.most_writes:
            continue
        for write in _writes(seen, design):
            if write not in state.under_way:
                more = state.under_way | {write}
                label = f"{index} sends {write[0].name} {write[1]}"
                yield label, dataclasses.replace(state, under_way=more)


def _landed(state: State, design: Design) -> Iterator[tuple[str, State]]:
    """What may become of writes; its sender needs not be there any more."""
    for write in state.under_way:
        after = _land(state.truth, write, design)
        less = state.under_way - {write}
        name = f"{write[0].name} {write[1]}"
        yield f"{name} lands", dataclasses.replace(state, truth=after, under_way=less)
        yield f"{name} is lost", dataclasses.replace(state, under_way=less)


def _happened(state: State, design: Design) -> Iterator[tuple[str, State]]:
    """What users and Jobs do."""
    truth = state.truth
    for run in RUNS:
        if truth.jobs[run] is Job.WORKING:
            ended = dataclasses.replace(truth, jobs=_with(truth.jobs, run, Job.ENDED))
            yield f"{run} ends", dataclasses.replace(state, truth=ended)
        if design.cancels and run not in truth.cancelled:
            cancelled = dataclasses.replace(truth, cancelled=truth.cancelled | {run})
            yield f"{run} is cancelled", dataclasses.replace(state, truth=cancelled)


def _lost(state: State, design: Design) -> Iterator[tuple[str, State]]:
    """The ledger is deleted, and each controller that has found so lists what there is.

    A listing is of any time at which nothing sent before could land any more, and all had looked.
    """
    truth, kinds = state.truth, {write[0] for write in state.under_way}
    if truth.holders is not None:
        if truth.version < LOST_VERSION and Kind.BEGIN not in kinds:
            gone = dataclasses.replace(truth, holders=None, version=LOST_VERSION)
            yield "the ledger is deleted", dataclasses.replace(state, truth=gone)
        return
    has_settled = not kinds & {Kind.CREATE, Kind.BURY}
    if not has_settled or any(seen.holders is not None for seen in state.seen):
        return
    working = truth.jobs.index(Job.WORKING) if Job.WORKING in truth.jobs else -1
    for index, _ in enumerate(state.seen):
        write = (Kind.BEGIN, working, index)
        if write not in state.under_way and len(state.under_way) < design.most_writes:
            more = state.under_way | {write}
            yield f"{index} lists {working}", dataclasses.replace(state, under_way=more)


def _writes(seen: View, design: Design) -> Iterator[Write]:
    """What a controller may do by what it sees."""
    if seen.holders is None:
        return
    for run in RUNS:
        job, holds, is_cancelled = seen.jobs[run], run in seen.holders, run in seen.cancelled
        if not holds and job is Job.NONE and not is_cancelled and not seen.holders:
            yield Kind.RESERVE, run, seen.version
        if holds and job is Job.NONE and not is_cancelled:
            yield Kind.CREATE, run, 0
        if holds and job is Job.NONE and is_cancelled:
            yield (Kind.BURY, run, 0) if design.buries else (Kind.FREE, run, seen.version)
        if holds and job in (Job.ENDED, Job.TOMBSTONE):
            yield Kind.FREE, run, seen.version


def _land(truth: View, write: Write, design: Design) -> View:
    kind, run, version = write
    if kind is Kind.CREATE or kind is Kind.BURY:
        if truth.jobs[run] is not Job.NONE:
            return truth  # AlreadyExists
        job = Job.WORKING if kind is Kind.CREATE else Job.TOMBSTONE
        return dataclasses.replace(truth, jobs=_with(truth.jobs, run, job))
    if kind is Kind.BEGIN:
        if truth.holders is not None and design.begins_once:
            return truth  # AlreadyExists
        begun = frozenset({run} - {-1})
        return dataclasses.replace(truth, holders=begun, version=truth.version + 1)
    if truth.holders is None or (design.swaps and version != truth.version):
        return truth  # NotFound, Conflict
    holders = truth.holders | {run} if kind is Kind.RESERVE else truth.holders - {run}
    return dataclasses.replace(truth, holders=holders, version=truth.version + 1)


def _with(jobs: tuple[Job, ...], run: int, job: Job) -> tuple[Job, ...]:
    return tuple(job if each == run else old for each, old in enumerate(jobs))
