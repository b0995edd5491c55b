"""What users of AgentRun v1alpha1 are warned of: what is accepted there and does not count."""

from collections.abc import Iterator
from typing import Final

from crds.admission import conditions, workflows
from schemagen import FieldPath, Problem
from schemagen.problems import JSON, quoted

SPEC: Final = FieldPath().member("spec")

# The fields of a volume that count under each type.
VOLUME_FIELDS: Final = {
    "emptyDir": frozenset({"sizeLimit", "medium"}),
    "pvc": frozenset({"claimName"}),
    "secret": frozenset({"secretName"}),
}
FAILS: Final = "a run with this fails"
# Two keys of runtime.config for one setting: the first of them counts.
SETTING_NAMES: Final = ("serviceAccountName", "serviceAccount")


def warnings(run: JSON) -> Iterator[Problem]:
    """What of a run does not count, and what to write instead."""
    spec = _object(run.get("spec"))
    runtime = _object(spec.get("runtime"))
    config = _object(runtime.get("config"))
    workflow = _object(spec.get("workflow"))
    if "workflow" in spec and runtime.get("type") != "workflow":
        kind = quoted(runtime.get("type"))
        yield Problem(SPEC.member("workflow"), f"does not count under runtime.type {kind}")
    if all(name in config for name in SETTING_NAMES):
        first, second = SETTING_NAMES
        path = SPEC.member("runtime").member("config").member(second)
        yield Problem(path, f"does not count beside {first}")
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
    """What v1beta1 refuses: conditions that have no answer, and state that nothing carries."""
    expression = _object(loop.get("condition")).get("expression")
    if type(expression) is str and expression and (why := conditions.problem(expression)):
        yield Problem(path.member("condition").member("expression"), f"{FAILS}: {why}")
    listed = workload.get("volumes")
    volumes = [_object(one) for one in (listed if type(listed) is list else ())]
    stays = {
        one["name"]: one.get("type") == "pvc" and one.get("readOnly") is not True
        for one in volumes
        if type(one.get("name")) is str
    }
    state, place = _object(loop.get("state")), path.member("state").member("volumeNames")
    chosen = state.get("volumeNames")
    names = [one for one in (chosen if type(chosen) is list else ()) if type(one) is str]
    is_persistent = state.get("required") is True
    for at, message in workflows.state_problems(names, stays, is_persistent=is_persistent):
        yield Problem(place if at is None else place.key(at), f"{FAILS}: {message}")


def _work(value: dict[str, JSON], path: FieldPath) -> Iterator[Problem]:
    """What a run and each of its steps have."""
    if "inline" in _object(value.get("implementation")) and "implementationSpecRef" in value:
        yield Problem(
            path.member("implementationSpecRef"), "does not count beside implementation.inline"
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
            yield Problem(path.member(name), f"does not count in a volume of type {word}")


def _repeated(items: JSON, path: FieldPath) -> Iterator[Problem]:
    """Items whose name an earlier one has: the newer version tells them apart by it."""
    seen: set[str] = set()
    for index, item in enumerate(items if type(items) is list else ()):
        name = _object(item).get("name")
        if type(name) is not str:
            continue
        if name in seen:
            message = f"repeats the name {quoted(name)}, and only the first has it in v1beta1"
            yield Problem(path.key(index).member("name"), message)
        seen.add(name)


def _object(value: JSON) -> dict[str, JSON]:
    return value if type(value) is dict else {}
