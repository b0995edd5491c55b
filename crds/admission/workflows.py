"""What of a run's steps cannot be carried out, and no schema can say: conditions, state. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crds.admission import conditions, members
from schemagen import FieldPath, Problem, Reason, deadlines
from schemagen.problems import JSON, quoted

_STEPS: Final = FieldPath().member("spec").member("runtime").member("workflow").member("steps")
_PARAMETERS: Final = FieldPath().member("spec").member("parameters")
# Where the work is done in pods, which can read Secrets and ConfigMaps.
_WITH_PODS: Final = ("Job", "Workflow")


def problems(spec: JSON) -> Iterator[Problem]:
    """What is wrong with the ``spec`` of a run, by its paths in v1beta1."""
    runtime = members.at(spec, "runtime")
    kind = members.text(runtime, "type")
    if kind == "Workflow":
        for step in members.items(members.at(runtime, "workflow"), "steps", "name"):
            deadlines.check()
            yield from _step(spec, step, _STEPS.key(step["name"]))
    elif kind not in _WITH_PODS:
        yield from _references(spec, kind)


def _references(spec: JSON, kind: str) -> Iterator[Problem]:
    for one in members.items(spec, "parameters", "name"):
        if "valueFrom" in one:
            message = (
                f"expected a value in a run of type {quoted(kind)}: Secrets and ConfigMaps are "
                "read by pods alone"
            )
            path = _PARAMETERS.key(one["name"]).member("valueFrom")
            yield Problem(path, message, Reason.FORBIDDEN)


def _step(spec: JSON, step: Mapping[str, JSON], path: FieldPath) -> Iterator[Problem]:
    loop, place = members.at(step, "loop"), path.member("loop")
    expression = members.text(members.at(loop, "while"), "cel")
    if expression and (why := conditions.problem(expression)):
        yield Problem(place.member("while").member("cel"), why)
    workload = members.at(step, "workload") or members.at(spec, "workload")
    volumes = {one["name"]: one for one in members.items(workload, "volumes", "name")}
    state, place = members.at(loop, "state"), place.member("state").member("volumes")
    stays = {name: _stays(volume) for name, volume in volumes.items()}
    chosen, is_persistent = members.texts(state, "volumes"), state.get("persistent") is True
    is_shared = bool(members.at(spec, "runtime", "workflow", "workspace"))
    for index, message in state_problems(
        chosen, stays, is_persistent=is_persistent, is_shared=is_shared
    ):
        yield Problem(place if index is None else place.key(index), message)


def state_problems(
    chosen: Sequence[str],
    stays: Mapping[str, bool],
    *,
    is_persistent: bool,
    is_shared: bool = False,
) -> Iterator[tuple[int | None, str]]:
    """What is wrong with the state of a loop, by the index of a volume or of all of them.

    Args:
        chosen: The volumes that carry it.
        stays: Whether each volume of the workload outlives an iteration, and can be written to.
        is_persistent: Whether the state must.
        is_shared: Whether steps share a workspace, which does.
    """
    for index, name in enumerate(chosen):
        if name not in stays:
            names = ", ".join(quoted(one) for one in stays) or "none"
            yield index, f"expected a volume of the workload ({names}), got {quoted(name)}"
        elif is_persistent and not stays[name]:
            message = (
                "expected a claim that can be written to, as the state is persistent, got "
                f"{quoted(name)}, which does not outlive an iteration"
            )
            yield index, message
    if is_persistent and not chosen and not is_shared:
        yield None, "expected volumes that carry the state, as it is persistent, got none"


def _stays(volume: Mapping[str, JSON]) -> bool:
    return "persistentVolumeClaim" in volume and volume.get("readOnly") is not True
