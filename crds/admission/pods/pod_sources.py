"""The inputs of a pod: run or step, provider and settings; and the origins of its parts. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from crds.admission import members, settings
from schemagen import FieldPath
from schemagen.problems import JSON

ROOT: Final = "/workspace"
RUN_JSON: Final = f"{ROOT}/run.json"
RUNNER_JSON: Final = f"{ROOT}/agent-runner.json"
STATUS_JSON: Final = f"{ROOT}/.agent/status.json"
CONTROL_JSON: Final = f"{ROOT}/.agentrun/loop-control.json"
SYSTEM_PROMPT: Final = f"{ROOT}/.codex/system-prompt.txt"
CONTAINER: Final = "agent-runner"
_FIELDS: Final = ("agentRef", "runtime", "workload", "secretRefs")

Parts: TypeAlias = tuple[str, ...]
"""The parts of a FieldPath, which is only built where there is a problem."""

SPEC: Final = (".spec",)
LABELS: Final = (".metadata", ".labels")
ANNOTATIONS: Final = (".metadata", ".annotations")
RUNTIME: Final = (*SPEC, ".runtime")
POD_TEMPLATE: Final = (*RUNTIME, ".podTemplate")
_WORKLOAD: Final = (*SPEC, ".workload")


class Origin(NamedTuple):
    """The object and field that set a part of the pod.

    Attributes:
        owner: Such as ``AgentProvider codex``; empty for the run itself.
        path: Path of the field in the owner.
        is_exact: Whether the path is the exact field; otherwise the part's own fields are appended.
        is_operator: Whether the operator's settings set it.
    """

    owner: str
    path: Parts
    is_exact: bool = False
    is_operator: bool = False

    def below(self, rest: Parts) -> FieldPath:
        """Return the path of a field below the part."""
        return FieldPath(self.path if self.is_exact else (*self.path, *rest))


OPERATOR: Final = Origin("", (), is_operator=True)


class Reference(NamedTuple):
    """An input from a Secret or ConfigMap, passed as an environment variable of the pod.

    Attributes:
        name: Name of the agent's variable or of the parameter.
        source: ``secretKeyRef`` or ``configMapKeyRef`` (core/v1 EnvVarSource).
        origin: Where it was set.
    """

    name: str
    source: Mapping[str, JSON]
    origin: Origin


def variable(index: int) -> str:
    """Return the name of the environment variable that holds a reference's value."""
    return f"AGENT_INPUT_{index}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Inputs of a pod, all in v1beta1.

    Attributes:
        spec: The run's ``spec``; for a workflow step, as merged by ``steps``.
        provider: The ``spec`` of its AgentProvider.
        system_prompt: ``runDefaults.systemPrompt`` of its Agent, or None.
        pods: The operator's settings.
        step: Name of the step whose workload is used; empty for the run's.
        agent_name: Name of the Agent, for messages.
        provider_name: Name of the AgentProvider, for messages.
        references: Inputs from Secrets and ConfigMaps.
    """

    spec: Mapping[str, JSON]
    provider: Mapping[str, JSON]
    system_prompt: Mapping[str, JSON] | None = None
    pods: settings.Pods = settings.PODS
    step: str = ""
    agent_name: str = ""
    provider_name: str = ""
    references: Sequence[Reference] = ()


def fields_of(spec: JSON) -> dict[str, JSON]:
    """Return the fields of a run's ``spec`` that affect its pods."""
    fields = {name: spec[name] for name in _FIELDS if name in spec}
    referring = [
        parameter
        for parameter in members.items(spec, "parameters", "name")
        if "valueFrom" in parameter
    ]
    return {**fields, "parameters": referring} if referring else fields


def merged(spec: JSON, step: JSON) -> JSON:
    """Return the run's spec, overridden by the settings of a step."""
    own = {name: step[name] for name in ("implementation", "workload", "loop") if step.get(name)}
    parameters = {
        parameter["name"]: parameter for parameter in members.items(spec, "parameters", "name")
    }
    parameters |= {
        parameter["name"]: parameter for parameter in members.items(step, "parameters", "name")
    }
    return {**spec, **own, "parameters": [*parameters.values()]}


def steps(spec: JSON) -> list[tuple[str, JSON]]:
    """Return name and spec of each step of a workflow, or of the run itself, with an empty name."""
    runtime = members.at(spec, "runtime")
    if members.text(runtime, "type") != "Workflow":
        return [("", spec)]
    listed = members.items(members.at(runtime, "workflow"), "steps", "name")
    return [(step["name"], merged(spec, step)) for step in listed] or [("", spec)]


def written_files(
    provider: Mapping[str, JSON], system_prompt: Mapping[str, JSON] | None
) -> Iterator[tuple[str, str, bool]]:
    """Yield path and content of each inline file, and whether it is a template."""
    for file in members.items(provider, "files", "path", "content"):
        yield file["path"], file["content"], True
    inline = members.text(system_prompt or {}, "inline")
    if inline:
        yield SYSTEM_PROMPT, inline, False


def reference_field(given: Mapping[str, JSON]) -> str:
    """Return the name of the reference field that is set; empty if none is."""
    arms = ("secretKeyRef", "configMapKeyRef")
    return next((arm for arm in arms if members.text(members.at(given, arm), "name")), "")


def provider_origin(sources: Sources, *members: str) -> Origin:
    """Return the origin of a field of the provider's spec."""
    return Origin(f"AgentProvider {sources.provider_name}", (*SPEC, *members))


def workload_path(sources: Sources) -> Parts:
    """Return the path of the workload of the run or step."""
    if not sources.step:
        return _WORKLOAD
    return (*RUNTIME, ".workflow", ".steps", f"[{sources.step}]", ".workload")
