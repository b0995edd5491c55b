"""The AgentRun that ``agentctl run submit`` makes, and whether another is the same. Pure."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final, Literal, TypeAlias

from controllers.agentctl import runtimeconfig
from controllers.agentctl.exits import CommandError
from controllers.runs import naming, views, work
from controllers.runs.claims import HASH_ANNOTATION
from crds.admission import agentrun as rules
from schemagen.problems import JSON

VcsMode: TypeAlias = Literal["read-write", "read-only", "none"]
_VCS_MODES: Final = {"read-write": "ReadWrite", "read-only": "ReadOnly", "none": "None"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options say; pairs are ``KEY=VALUE``.

    Attributes:
        implementation: Name of an ImplementationSpec; empty where the task is written out.
        text: The task.
        name: Of the run; empty lets it follow from the key, or be the API server's choice.
    """

    namespace: str
    agent: str
    implementation: str = ""
    text: str = ""
    runtime: runtimeconfig.RuntimeType = "job"
    runtime_config: Sequence[str] = ()
    parameters: Sequence[str] = ()
    idempotency_key: str = ""
    image: str = ""
    cpu: str = ""
    memory: str = ""
    memory_ref: str = ""
    vcs: str = ""
    vcs_mode: VcsMode | None = None
    is_vcs_required: bool = False
    secrets: Sequence[str] = ()
    priority: int | None = None
    name: str = ""


def run(asked: Asked) -> dict[str, JSON]:
    """The AgentRun (v1beta1) to create.

    Raises:
        CommandError: The options do not fit together.
    """
    spec = _present(
        {
            "agentRef": {"name": asked.agent},
            "implementation": _implementation(asked),
            "runtime": runtimeconfig.runtime(
                asked.runtime, _pairs("--runtime-config", asked.runtime_config)
            ),
            "workload": _workload(asked),
            "parameters": _parameters(asked),
            "secretRefs": [{"name": name} for name in dict.fromkeys(asked.secrets)],
            "memoryRef": _named(asked.memory_ref),
            "vcs": _vcs(asked),
            "idempotencyKey": asked.idempotency_key,
            "priority": asked.priority,
        }
    )
    annotations = {HASH_ANNOTATION: work.spec_hash({"spec": spec})}
    return {
        "apiVersion": views.RUNS.api_version,
        "kind": views.RUNS.kind,
        "metadata": {"namespace": asked.namespace, **_name(asked), "annotations": annotations},
        "spec": spec,
    }


def _name(asked: Asked) -> dict[str, str]:
    if asked.name:
        return {"name": asked.name}
    if asked.idempotency_key:
        return {"name": naming.of_submission(asked.agent, asked.idempotency_key)}
    return {"generateName": f"{asked.agent}-"}


def _implementation(asked: Asked) -> JSON:
    if bool(asked.implementation) == bool(asked.text):
        raise CommandError(
            "expected one of --impl NAME, --text TEXT and --file FILE that says what is to be done"
        )
    if asked.implementation:
        return {"specRef": {"name": asked.implementation}}
    return {"inline": {"text": asked.text}}


def _workload(asked: Asked) -> JSON:
    requests = _present({"cpu": asked.cpu, "memory": asked.memory})
    resources = {"requests": requests} if requests else None
    return _present({"image": asked.image, "resources": resources})


def _parameters(asked: Asked) -> JSON:
    pairs = [*_pairs("--param", asked.parameters)]
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise CommandError(f"expected --param {name} once, got it {names.count(name)} times")
    return [{"name": name, "value": value} for name, value in pairs]


def _vcs(asked: Asked) -> JSON:
    return _present(
        {
            "providerRef": _named(asked.vcs),
            "mode": _VCS_MODES[asked.vcs_mode] if asked.vcs_mode else None,
            "required": True if asked.is_vcs_required else None,
        }
    )


def _named(name: str) -> JSON:
    return {"name": name} if name else None


def _pairs(option: str, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise CommandError(f"expected {option} KEY=VALUE, got {text[:64]!r}")
        yield key, value


def _present(fields: dict[str, JSON]) -> dict[str, JSON]:
    """Without what was not asked for: None, and what is empty."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


# ----------------------------------------------------------------------- whether two are the same


def is_told_the_same(wanted: JSON, found: JSON) -> bool:
    """Whether a run says that it was submitted with the same options."""
    ours, theirs = (one["metadata"].get("annotations") or {} for one in (wanted, found))
    return bool(ours[HASH_ANNOTATION] == theirs.get(HASH_ANNOTATION))


def trial(wanted: JSON) -> dict[str, JSON]:
    """A run to create by a dry run, whose answer has what the API server fills in.

    It has a name that is free, and no key: that is the run's which is there.
    """
    spec = {name: value for name, value in wanted["spec"].items() if name != "idempotencyKey"}
    metadata = {"namespace": wanted["metadata"]["namespace"], "generateName": "dry-run-"}
    return {**wanted, "metadata": metadata, "spec": spec}


def difference(wanted: JSON, tried: JSON, found: JSON) -> str:
    """The first field in which a run differs from what is wanted; empty if it does in none.

    What may change once a run is accepted does not count.

    Args:
        wanted: The run to create.
        tried: The answer to ``trial``.
        found: The run that is there.
    """
    key = wanted["spec"].get("idempotencyKey")
    ours = {**tried["spec"], **({"idempotencyKey": key} if key else {})}
    kept = [
        {name: spec[name] for name in spec if name not in rules.MAY_CHANGE}
        for spec in (ours, found["spec"])
    ]
    return _difference(*kept, path="spec")


def _difference(ours: JSON, theirs: JSON, *, path: str) -> str:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in sorted(ours.keys() | theirs.keys()):
            found = _difference(ours.get(name), theirs.get(name), path=f"{path}.{name}")
            if found:
                return found
        return ""
    if _is_keyed(ours) and _is_keyed(theirs):
        by_name = [{one["name"]: one for one in each} for each in (ours, theirs)]
        for name in sorted(by_name[0].keys() | by_name[1].keys()):
            pair = [each.get(name) for each in by_name]
            found = _difference(*pair, path=f"{path}[name={name}]")
            if found:
                return found
        return ""
    return "" if ours == theirs else path


def _is_keyed(value: JSON) -> bool:
    """Whether a list's order is not data: the API server keeps it by the items' names."""
    return isinstance(value, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in value
    )
