"""The calls of the chart's components, compared with the declared matrix of rights. Pure."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from controllers.agentctl.chart import rights as matrix
from controllers.devcluster.audit import Call
from webhooks.deployment import rights
from webhooks.deployment.rights import Right

# An admission plugin asks for it on behalf of whoever creates a Job, so it is in no audit log;
# tests/e2e/test_rights.py shows that the Job is refused without it.
ASKED_BY_ADMISSION: Final = "agentruns/finalizers"


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """What came of a comparison.

    Attributes:
        calls: Number of calls of each component.
        denied: Calls that a right was missing for.
        undeclared: Calls that succeeded without a declared right.
        unused: Verbs of rights that no call needed, on which objects, and what they are for.
        late: Number of denied calls of pods that still ended after the uninstallation began: it
            deletes roles first.
    """

    calls: dict[str, int]
    denied: list[str]
    undeclared: list[str]
    unused: list[str]
    late: int


def compared(logs: Iterable[Sequence[Call]], declared: Iterable[Right]) -> Compared:
    """Compare the calls of several clusters with the declared rights.

    Args:
        logs: The calls of each cluster, in their order.
        declared: The rights, of those that can be used.
    """
    everything = [*declared]
    number: collections.Counter[str] = collections.Counter()
    denied: set[str] = set()
    made: set[Call] = set()
    late = 0
    for log in logs:
        is_ending = False
        for call in log:
            who = component(call)
            if who not in matrix.COMPONENTS:
                continue
            number[who] += 1
            is_ending = is_ending or who == rights.UNINSTALL
            if not call.is_denied:
                made.add(call)
            elif is_ending and who != rights.UNINSTALL:
                late += 1
            else:
                denied.add(f"{who}: {call}")
    undeclared = {
        f"{component(call)}: {call}"
        for call in made
        if not any(covers(right, verb, name, call) for right, verb, name in _verbs(everything))
    }
    return Compared(
        dict(number), sorted(denied), sorted(undeclared), [*_unused(everything, made)], late
    )


def component(call: Call) -> str:
    """The component whose service account made a call; empty for another account."""
    prefix, _, who = call.account.partition(":")[2].partition("-")
    return who if prefix == "agents" else ""


def _verbs(declared: Iterable[Right]) -> Iterator[tuple[Right, str, str]]:
    for right in declared:
        for verb in right.verbs:
            for name in right.names or ("",):
                yield right, verb, name


def is_needed(right: Right, verb: str, name: str, call: Call) -> bool:
    """Whether a call needs a verb of a right on an object of a name, if the right has names.

    In the release's namespace, a right for the API's objects may stand in for that of the release.
    """
    is_at_home = call.namespace == _home(call)
    return covers(right, verb, name, call) and not (right.scope == "objects" and is_at_home)


def _home(call: Call) -> str:
    return call.account.partition(":")[0]


def covers(right: Right, verb: str, name: str, call: Call) -> bool:
    """Whether a verb of a right on an object of a name, if the right has names, allows a call."""
    places = {
        "cluster": True,
        "objects": True,
        "release": call.namespace == _home(call),
        "default": call.namespace == "default",
        "secrets": call.namespace != _home(call),
    }
    return (
        places[right.scope]
        and (right.who, verb) == (component(call), call.verb)
        and (right.resource.group, right.target) == (call.group, call.resource)
        and name in {"", rights.CERTIFICATE_SECRET, matrix.SECRET_NAMES, call.name}
    )


def _unused(declared: Iterable[Right], made: Iterable[Call]) -> Iterator[str]:
    by_target = collections.defaultdict(list)
    for call in made:
        by_target[component(call), call.verb, call.group, call.resource].append(call)
    unused: dict[tuple[Right, str], list[str]] = {}
    for right, verb, name in _verbs(declared):
        candidates = by_target[right.who, verb, right.resource.group, right.target]
        if right.target != ASKED_BY_ADMISSION and not any(
            is_needed(right, verb, name, call) for call in candidates
        ):
            unused.setdefault((right, verb), []).append(name)
    for (right, verb), names in unused.items():
        shown = [word for word in (verb, right.target, *names) if word]
        where = rights.SCOPES[right.scope]
        yield f"{right.who}: {' '.join(shown)} in {where}: {right.why}"
