"""Warnings for AgentRun v1alpha1: settings that are accepted but ignored."""

from collections.abc import Iterator
from typing import Final

from crds.admission import conditions, workflows
from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted

SPEC: Final = FieldPath().member("spec")

# The fields of a volume that each type uses.
VOLUME_FIELDS: Final = {
    "emptyDir": frozenset({"sizeLimit", "medium"}),
    "pvc": frozenset({"claimName"}),
    "secret": frozenset({"secretName"}),
}
FAILS: Final = "a run with this setting fails"
# Two keys of runtime.config for one setting; the first takes precedence.
SETTING_NAMES: Final = ("serviceAccountName", "serviceAccount")


def warnings(run: JSON) -> Iterator[Problem]:
    """Yield warnings for ignored settings of a run."""
    spec = _object(run.get("spec"))
    runtime = _object(spec.get("runtime"))
    config = _object(runtime.get("config"))
    workflow = _object(spec.get("workflow"))
    if "workflow" in spec and runtime.get("type") != "workflow":
        kind = quoted(runtime.get("type"))
        yield Problem(SPEC.member("workflow"), f"ignored with runtime.type {kind}")
    if all(name in config for name in SETTING_NAMES):
        first, second = SETTING_NAMES
        path = SPEC.member("runtime").member("config").member(second)
        yield Problem(path, f"ignored because of {first}")
    yield from _work(spec, SPEC)
    steps = workflow.get("steps")
    path = SPEC.member("workflow").member("steps")
    yield from _repeated(steps, path)
    for index, given in enumerate(steps if type(steps) is list else ()):
        step, place = _object(given), path.key(index)
        yield from _work(step, place)
        workload = _object(step.get("workload")) or _object(spec.get("workload"))
        yield from _loop(_object(step.get("loop")), workload, place.member("loop"))


def _loop(loop: dict[str, JSON], workload: dict[str, JSON], path: FieldPath) -> Iterator[Problem]:
    """Yield warnings for loop conditions and state that v1beta1 refuses."""
    expression = _object(loop.get("condition")).get("expression")
    if type(expression) is str and expression and (why := conditions.problem(expression)):
        yield Problem(path.member("condition").member("expression"), f"{FAILS}: {why}")
    listed = workload.get("volumes")
    volumes = [_object(item) for item in (listed if type(listed) is list else ())]
    stays = {
        item["name"]: item.get("type") == "pvc" and item.get("readOnly") is not True
        for item in volumes
        if type(item.get("name")) is str
    }
    state, place = _object(loop.get("state")), path.member("state").member("volumeNames")
    chosen = state.get("volumeNames")
    names = [item for item in (chosen if type(chosen) is list else ()) if type(item) is str]
    is_persistent = state.get("required") is True
    for at, message in workflows.state_problems(names, stays, is_persistent=is_persistent):
        yield Problem(place if at is None else place.key(at), f"{FAILS}: {message}")


def _work(value: dict[str, JSON], path: FieldPath) -> Iterator[Problem]:
    """Yield warnings for the fields shared by a run and its steps."""
    if "inline" in _object(value.get("implementation")) and "implementationSpecRef" in value:
        yield Problem(
            path.member("implementationSpecRef"), "ignored because of implementation.inline"
        )
    volumes = _object(value.get("workload")).get("volumes")
    place = path.member("workload").member("volumes")
    yield from _repeated(volumes, place)
    for index, volume in enumerate(volumes if type(volumes) is list else ()):
        yield from _foreign_fields(_object(volume), place.key(index))


def _foreign_fields(volume: dict[str, JSON], path: FieldPath) -> Iterator[Problem]:
    word = volume.get("type")
    own = VOLUME_FIELDS.get(word) if type(word) is str else None
    if own is None:
        return
    for name in sorted(frozenset[str]().union(*VOLUME_FIELDS.values()) - own):
        if name in volume:
            yield Problem(path.member(name), f"ignored in a volume of type {word}")


def _repeated(items: JSON, path: FieldPath) -> Iterator[Problem]:
    """Yield warnings for duplicate names, which are list keys in v1beta1."""
    seen: set[str] = set()
    for index, item in enumerate(items if type(items) is list else ()):
        name = _object(item).get("name")
        if type(name) is not str:
            continue
        if name in seen:
            message = f"duplicate name {quoted(name)}; only the first item keeps it in v1beta1"
            yield Problem(path.key(index).member("name"), message)
        seen.add(name)


def _object(value: JSON) -> dict[str, JSON]:
    return value if type(value) is dict else {}
