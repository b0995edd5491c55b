"""The steps of a storage migration, computed from the CRD and the state in it. Pure.

What only the objects can tell, such as those whose rewrite would fail, is found out by executing a
step; a plan refuses what the CRD alone shows to be impossible or unsafe.
"""

import dataclasses
import enum
from collections.abc import Iterator
from typing import Final

from schemagen.migrate.storage import crd, state
from schemagen.migrate.storage.state import State
from schemagen.problems import JSON


class StepName(enum.StrEnum):
    """The steps, in order."""

    SERVE = "serve"
    CHECK = "check"
    SWITCH = "switch"
    REWRITE = "rewrite"
    PRUNE = "prune"
    CLEAN = "clean"
    UNSERVE = "unserve"
    REMOVE = "remove"


DROPS: Final = (StepName.CLEAN, StepName.UNSERVE, StepName.REMOVE)
"""Steps that only a migration which drops versions has."""


@dataclasses.dataclass(frozen=True)
class Goal:
    """Goal of a migration.

    Attributes:
        target: The storage version to come.
        drop: Versions that the CRD is to lose.
        until: The last step to execute.
    """

    target: str
    drop: tuple[str, ...] = ()
    until: StepName = StepName.REMOVE


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a step is not executed, and what to do about it."""

    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.remedy}"


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a migration.

    Attributes:
        name: Which.
        title: What it does, for people.
        is_done: Whether nothing is left to do.
        refusals: Why it cannot be executed.
    """

    name: StepName
    title: str
    is_done: bool
    refusals: tuple[Refusal, ...] = ()


@dataclasses.dataclass(frozen=True)
class Plan:
    """The steps of a migration.

    Attributes:
        steps: In order.
        through: The served version in which objects are listed and written: the one in which they
            were stored until now, so that reading them converts nothing.
    """

    steps: tuple[Step, ...]
    through: str

    @property
    def next(self) -> Step | None:
        """Return the first step that is not done; None if all are."""
        return next((step for step in self.steps if not step.is_done), None)

    @property
    def refusals(self) -> list[Refusal]:
        """Return the reasons of all steps."""
        return [refusal for step in self.steps for refusal in step.refusals]


def plan(live: JSON, goal: Goal, new: JSON | None = None) -> Plan:
    """Return the steps from the CRD in the cluster to the goal.

    Args:
        live: The CRD in the cluster, with its status.
        goal: What to reach.
        new: A CRD to take the target version from, if the one in the cluster lacks it.
    """
    known = state.of(live)
    valid = known if known is not None and known.holds_for(live, goal.target) else None
    steps = []
    for name in StepName:
        if name in DROPS and not goal.drop:
            continue
        is_done = _is_done(name, live, goal, valid)
        refusals = () if is_done else tuple(_refusals(name, live, goal, new))
        if name is StepName.SERVE:
            refusals += tuple(_of_dropping(live, goal, known))
        steps.append(Step(name, _title(name, live, goal), is_done, refusals))
        if name is goal.until:
            break
    return Plan(tuple(steps), through(live, goal, known))


def through(live: JSON, goal: Goal, known: State | None) -> str:
    """Return the version in which objects are read and written."""
    served = crd.served(live)
    is_ours = known is not None and known.target == goal.target
    candidates = [known.origin if known is not None and is_ours else crd.storage(live)]
    candidates += [version for version in crd.stored(live) if version != goal.target]
    candidates = [version for version in candidates if version in served]
    return next((version for version in candidates if version != goal.target), goal.target)


def _is_done(name: StepName, live: JSON, goal: Goal, valid: State | None) -> bool:
    is_pruned = crd.stored(live) == [goal.target]
    dropped, names = {*goal.drop}, {*crd.names(live)}
    done = {
        StepName.SERVE: goal.target in crd.served(live),
        StepName.CHECK: is_pruned or (valid is not None and valid.is_checked),
        StepName.SWITCH: goal.target in names and crd.storage(live) == goal.target,
        StepName.REWRITE: is_pruned or (valid is not None and valid.is_rewritten),
        StepName.PRUNE: is_pruned,
        StepName.CLEAN: not dropped & names or (valid is not None and valid.is_cleaned),
        StepName.UNSERVE: not dropped & {*crd.served(live)},
        StepName.REMOVE: not dropped & names,
    }
    return done[name]


def _title(name: StepName, live: JSON, goal: Goal) -> str:
    target, dropped = goal.target, ", ".join(goal.drop)
    others = ", ".join(v for v in crd.stored(live) if v != target) or "older versions"
    titles = {
        StepName.SERVE: f"serve {target} beside {', '.join(crd.served(live))}",
        StepName.CHECK: "try the rewrite of every object as a dry run",
        StepName.SWITCH: f"store new writes as {target}",
        StepName.REWRITE: f"rewrite every object, so that none is stored as {others}",
        StepName.PRUNE: f"remove {others} from status.storedVersions",
        StepName.CLEAN: f"carry managedFields of {dropped} over to {target}",
        StepName.UNSERVE: f"stop serving {dropped}",
        StepName.REMOVE: f"remove {dropped} from the CRD",
    }
    return titles[name]


def _refusals(name: StepName, live: JSON, goal: Goal, new: JSON | None) -> Iterator[Refusal]:
    match name:
        case StepName.SERVE:
            yield from _of_serving(live, goal, new)
        case StepName.CLEAN if goal.target in goal.drop:
            yield Refusal(
                f"expected to drop versions other than {goal.target}, which is to be stored",
                "leave it out of --drop",
            )
        case _:
            return


def _of_serving(live: JSON, goal: Goal, new: JSON | None) -> Iterator[Refusal]:
    if goal.target in crd.names(live):
        return
    if new is None:
        yield Refusal(
            f"expected version {goal.target} in the CRD, got {', '.join(crd.names(live))}",
            "give a CRD that has it by --crds, or install one",
        )
    elif goal.target not in crd.names(new):
        yield Refusal(
            f"expected version {goal.target} in the CRD of --crds, got {', '.join(crd.names(new))}",
            "add the version to that CRD, or give another --to",
        )


def _of_dropping(live: JSON, goal: Goal, known: State | None) -> Iterator[Refusal]:
    """Yield what is wrong with the versions to drop; those that it has dropped are absent."""
    if known is not None and known.target == goal.target:
        return
    for version in goal.drop:
        if version not in crd.names(live):
            yield Refusal(
                f"expected --drop to be a version of the CRD, got {version}",
                f"choose among {', '.join(crd.names(live))}",
            )
