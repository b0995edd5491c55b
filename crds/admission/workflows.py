"""Validation of a run's steps beyond the schema: loop conditions and state. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from crds.admission import conditions, members
from schemagen import FieldPath, Problem, Reason, deadlines
from schemagen.problems import JSON, quoted

_STEPS: Final = FieldPath().member("spec").member("runtime").member("workflow").member("steps")
_PARAMETERS: Final = FieldPath().member("spec").member("parameters")
# Runtimes that execute in pods, which can read Secrets and ConfigMaps.
_WITH_PODS: Final = ("Job", "Workflow")


def problems(spec: JSON) -> Iterator[Problem]:
    """Yield the problems of a run's ``spec``, at v1beta1 paths."""
    runtime = members.at(spec, "runtime")
    kind = members.text(runtime, "type")
    if kind == "Workflow":
        for step in members.items(members.at(runtime, "workflow"), "steps", "name"):
            deadlines.check()
            yield from _step(spec, step, _STEPS.key(step["name"]))
    elif kind not in _WITH_PODS:
        yield from _references(spec, kind)


def _references(spec: JSON, kind: str) -> Iterator[Problem]:
    for parameter in members.items(spec, "parameters", "name"):
        if "valueFrom" in parameter:
            message = (
                f"expected value instead of valueFrom in a run of type {quoted(kind)}, because "
                "only pods read Secrets and ConfigMaps"
            )
            path = _PARAMETERS.key(parameter["name"]).member("valueFrom")
            yield Problem(path, message, Reason.FORBIDDEN)


def _step(spec: JSON, step: Mapping[str, JSON], path: FieldPath) -> Iterator[Problem]:
    loop, place = members.at(step, "loop"), path.member("loop")
    expression = members.text(members.at(loop, "while"), "cel")
    if expression and (why := conditions.problem(expression)):
        yield Problem(place.member("while").member("cel"), why)
    workload = members.at(step, "workload") or members.at(spec, "workload")
    volumes = {volume["name"]: volume for volume in members.items(workload, "volumes", "name")}
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
    """Yield the problems of a loop's state, with the index of the volume; None for the list.

    Args:
        chosen: Names of the volumes that carry the state.
        stays: Whether each volume of the workload is writable and outlives an iteration.
        is_persistent: Whether the state must outlive an iteration.
        is_shared: Whether steps share a workspace, which outlives iterations.
    """
    for index, name in enumerate(chosen):
        if name not in stays:
            names = ", ".join(quoted(volume) for volume in stays) or "none"
            yield index, f"expected a volume of the workload ({names}), got {quoted(name)}"
        elif is_persistent and not stays[name]:
            message = (
                "expected a writable claim, because the state is persistent, got "
                f"{quoted(name)}, which does not outlive an iteration"
            )
            yield index, message
    if is_persistent and not chosen and not is_shared:
        yield None, "expected volumes that carry the persistent state, got none"


def _stays(volume: Mapping[str, JSON]) -> bool:
    return "persistentVolumeClaim" in volume and volume.get("readOnly") is not True
