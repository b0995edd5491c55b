"""Build the pod of a run or step from provider, agent, run and the operator's settings. Pure.

The controller submits the pod built here, and both the controller and the webhook check it
(``pod_policy``), so nothing enters a pod unchecked. Each part records its origin.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from crds import names
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
# A container runtime creates the parent directory of a mounted file as root, so other users could
# not write to it; a directory that is itself a mount is writable by all, like the workspace.
_REPORT_FOLDER: Final = ".agent"
_PROMPT_FOLDER: Final = ".codex"
# Each step has its own loop control file.
_CONTROL_FOLDER: Final = ".agentrun"
_FIELDS: Final = ("agentRef", "runtime", "workload", "secretRefs")
_SCHEDULING: Final = (
    *("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
    *("priorityClassName", "schedulerName", "imagePullSecrets"),
)

Parts: TypeAlias = tuple[str, ...]
"""The parts of a FieldPath, which is only built where there is a problem."""

SPEC: Final = (".spec",)
LABELS: Final = (".metadata", ".labels")
ANNOTATIONS: Final = (".metadata", ".annotations")
_VOLUMES: Final = (*SPEC, ".volumes")
_RUNNER: Final = (*SPEC, ".containers", f"[{CONTAINER}]")
_RUNTIME: Final = (*SPEC, ".runtime")
_POD_TEMPLATE: Final = (*_RUNTIME, ".podTemplate")
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


@dataclasses.dataclass(frozen=True, slots=True)
class EffectivePod:
    """A pod template, and the origins of its parts.

    Attributes:
        template: ``metadata`` without the controller's own labels, and ``spec`` (core/v1
            PodTemplateSpec).
        origins: Origins by the path of a part in the template.
    """

    template: dict[str, Any]
    origins: Mapping[Parts, Origin]

    def origin(self, path: Parts) -> tuple[Origin, FieldPath]:
        """Return the origin of a field of the template, and the field's path there."""
        for length in range(len(path), 0, -1):
            origin = self.origins.get(path[:length])
            if origin is not None:
                return origin, origin.below(path[length:])
        return Origin("pod", ()), FieldPath(path)


Render: TypeAlias = Callable[[str], str]
Part: TypeAlias = tuple[dict[str, Any], Origin]


def build(
    sources: Sources,
    *,
    config_map: str = "",
    folder: str = "",
    variables: Mapping[str, str] | None = None,
    render: Render = lambda text: text,
) -> EffectivePod:
    """Build the pod.

    Args:
        sources: Objects and settings to merge.
        config_map: Name of the ConfigMap with the run's files; empty for a pod without them.
        folder: Default directory of this run in a shared claim, used without a subPath.
        variables: Environment variables of the run.
        render: Expands a template of the provider; arguments and variables are not checked.
    """
    origins: dict[Parts, Origin] = {}
    metadata = _metadata(sources.spec, origins)
    spec = _pod(sources, origins)
    volumes = [*_volumes(sources, config_map, folder)]
    for volume, _, origin in volumes:
        origins[(*_VOLUMES, f"[{volume['name']}]")] = origin
    container = _container(sources, variables or {}, render, origins)
    container["volumeMounts"] = [mount for _, mounts, _ in volumes for mount in mounts]
    spec |= {"containers": [container], "volumes": [volume for volume, _, _ in volumes]}
    return EffectivePod({"metadata": metadata, "spec": spec}, origins)


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


# ------------------------------------------------------------------------------------- the pod


def own_labels(spec: Mapping[str, JSON]) -> dict[str, str]:
    """Return the labels that a run sets on its Jobs and pods."""
    return _texts(members.at(spec, "runtime"), "labels")


def own_annotations(spec: Mapping[str, JSON]) -> dict[str, str]:
    """Return the annotations that a run sets on its Jobs and pods."""
    return _texts(members.at(spec, "runtime"), "annotations")


def _metadata(spec: Mapping[str, JSON], origins: dict[Parts, Origin]) -> dict[str, Any]:
    """Return labels and annotations of the pod, including ``extraConfig.podAnnotations``."""
    labels, own = own_labels(spec), own_annotations(spec)
    extra = _texts(members.at(spec, "runtime", "extraConfig"), "podAnnotations")
    origins[LABELS] = Origin("", (*_RUNTIME, ".labels"))
    origins[ANNOTATIONS] = Origin("", (*_RUNTIME, ".extraConfig", ".podAnnotations"))
    for key in own:
        path = (*_RUNTIME, ".annotations", f"[{key}]")
        origins[(*ANNOTATIONS, f"[{key}]")] = Origin("", path, is_exact=True)
    metadata = {"labels": labels, "annotations": {**extra, **own}}
    return {name: value for name, value in metadata.items() if value}


def _texts(given: Mapping[str, JSON], name: str) -> dict[str, str]:
    """Return the string values of a mapping."""
    member = given.get(name)
    items = member.items() if isinstance(member, dict) else ()
    return {key: text for key, text in items if isinstance(text, str)}


def _pod(sources: Sources, origins: dict[Parts, Origin]) -> dict[str, Any]:
    given = members.at(sources.spec, "runtime", "podTemplate")
    chosen: dict[str, Any] = {}
    for name in _SCHEDULING:
        if given.get(name) is not None:
            chosen[name] = given[name]
            origins[(*SPEC, f".{name}")] = Origin("", (*_POD_TEMPLATE, f".{name}"))
    account, origin = _account(sources, given)
    if account:
        chosen["serviceAccountName"] = account
        origins[(*SPEC, ".serviceAccountName")] = origin
    security = _pod_security(sources.pods)
    for name, value in members.at(given, "securityContext").items():
        if value is not None:
            security[name] = value
            place = (".securityContext", f".{name}")
            origins[(*SPEC, *place)] = Origin("", (*_POD_TEMPLATE, *place))
    return {
        **chosen,
        "automountServiceAccountToken": sources.pods.automount_service_account_token,
        "restartPolicy": "Never",
        "securityContext": security,
    }


def _account(sources: Sources, given: Mapping[str, JSON]) -> tuple[str, Origin]:
    """Return the run's, else the provider's, else the operator's."""
    if own := members.text(given, "serviceAccountName"):
        return own, Origin("", (*_POD_TEMPLATE, ".serviceAccountName"))
    if provided := members.text(members.at(sources.provider, "workload"), "serviceAccountName"):
        return provided, _provider(sources, ".workload", ".serviceAccountName")
    return sources.pods.service_account_name, OPERATOR


def _pod_security(pods: settings.Pods) -> dict[str, Any]:
    kind, _, path = pods.seccomp_profile.partition("/")
    context: dict[str, Any] = {
        "runAsNonRoot": pods.run_as_non_root or None,
        "runAsUser": pods.run_as_user,
        "runAsGroup": pods.run_as_group,
        "fsGroup": pods.fs_group,
        "seccompProfile": {"type": kind, **({"localhostProfile": path} if path else {})},
    }
    return {name: value for name, value in context.items() if value is not None}


# -------------------------------------------------------------------------------- the container


def _container(
    sources: Sources,
    variables: Mapping[str, str],
    render: Render,
    origins: dict[Parts, Origin],
) -> dict[str, Any]:
    runner = members.at(sources.provider, "runner")
    image, origins[(*_RUNNER, ".image")] = _image(sources)
    args = [render(one) for one in members.texts(runner, "args")]
    own = [{"name": name, "value": value} for name, value in variables.items()]
    # First, because a kubelet only expands variables defined earlier in the list.
    inputs = [
        {"name": variable(index), "valueFrom": one.source}
        for index, one in enumerate(sources.references)
    ]
    env = [*inputs, *own, *_env(sources, render)]
    origins[(*_RUNNER, ".env")] = _provider(sources, ".env")
    for index, one in enumerate(sources.references):
        origins[(*_RUNNER, ".env", f"[{variable(index)}]")] = one.origin
    env_from = [*_env_from(sources)]
    for index, (_, origin) in enumerate(env_from):
        origins[(*_RUNNER, ".envFrom", f"[{index}]", ".secretRef")] = origin
    container = {
        "name": CONTAINER,
        "image": image,
        "command": [members.text(runner, "command") or "agent-runner"],
        "args": args,
        "env": env,
        "envFrom": [one for one, _ in env_from],
        "resources": _resources(sources),
        "securityContext": _container_security(sources.pods),
        "terminationMessagePath": STATUS_JSON,
        "terminationMessagePolicy": "File",
    }
    return {name: value for name, value in container.items() if value}


def _image(sources: Sources) -> tuple[str, Origin]:
    """Return the run's or step's, else the provider's, else the operator's."""
    if own := members.text(members.at(sources.spec, "workload"), "image"):
        return own, Origin("", (*_workload(sources), ".image"))
    if provided := members.text(members.at(sources.provider, "workload"), "image"):
        return provided, _provider(sources, ".workload", ".image")
    return sources.pods.image, OPERATOR


def _env(sources: Sources, render: Render) -> Iterator[dict[str, Any]]:
    for entry in members.items(sources.provider, "env", "name"):
        if entry.get("valueFrom"):
            yield {"name": entry["name"], "valueFrom": entry["valueFrom"]}
        else:
            yield {"name": entry["name"], "value": render(members.text(entry, "value"))}


def _env_from(sources: Sources) -> Iterator[Part]:
    for reference in members.items(sources.spec, "secretRefs", "name"):
        path = (*SPEC, ".secretRefs", f"[{reference['name']}]")
        yield {"secretRef": {"name": reference["name"]}}, Origin("", path)


def _resources(sources: Sources) -> dict[str, Any]:
    """Merge each quantity; the setting closest to the run wins."""
    own = sources.pods.resources
    merged_: dict[str, dict[str, Any]] = {
        "requests": {**own.requests},
        "limits": {**own.limits},
    }
    for given in (
        members.at(sources.provider, "workload", "resources"),
        members.at(sources.spec, "runtime", "podTemplate", "resources"),
        members.at(sources.spec, "workload", "resources"),
    ):
        for name, quantities in merged_.items():
            quantities.update(members.at(given, name))
    return {name: quantities for name, quantities in merged_.items() if quantities}


def _container_security(pods: settings.Pods) -> dict[str, Any]:
    capabilities = {
        name: [*names]
        for name, names in (("add", pods.capabilities.add), ("drop", pods.capabilities.drop))
        if names
    }
    context: dict[str, Any] = {"capabilities": capabilities} if capabilities else {}
    return (
        context
        if pods.allow_privilege_escalation
        else {"allowPrivilegeEscalation": False, **context}
    )


# -------------------------------------------------------------------------------------- volumes

Volume: TypeAlias = tuple[dict[str, Any], list[dict[str, Any]], Origin]
"""A volume of the pod, its mounts, and its origin."""


def _volumes(sources: Sources, config_map: str, folder: str) -> Iterator[Volume]:
    yield from _workspace(sources, folder)
    if config_map:
        yield _run_files(sources, config_map)
    for index, (path, reference, origin) in enumerate(_references(sources)):
        name = f"file-{index}"
        yield _file_volume(name, reference), [_file_mount(name, path, "file")], origin
    for own in members.items(members.at(sources.spec, "workload"), "volumes", "name", "mountPath"):
        volume, mounts = _own_volume(own)
        yield volume, mounts, Origin("", (*_workload(sources), ".volumes", f"[{own['name']}]"))
    token = members.at(sources.provider, "workload", "serviceAccountToken")
    if token:
        yield _token_volume(sources, token)


def _workspace(sources: Sources, folder: str) -> Iterator[Volume]:
    """Yield the pod's own or the shared workspace, and the directories private to the step."""
    private = [_REPORT_FOLDER, *([_PROMPT_FOLDER] if sources.system_prompt else [])]
    given = members.at(sources.spec, "runtime", "workflow", "workspace")
    claim = members.at(given, "persistentVolumeClaim")
    if not claim:
        own = {"name": "workspace", "mountPath": ROOT}
        mounts = [own, *_private_mounts("workspace", private)]
        yield {"name": "workspace", "emptyDir": {}}, mounts, OPERATOR
        return
    part = members.text(given, "subPath") or folder
    mount = {"name": "workspace", "mountPath": ROOT, **({"subPath": part} if part else {})}
    origin = Origin("", (*_RUNTIME, ".workflow", ".workspace"))
    yield {"name": "workspace", "persistentVolumeClaim": {**claim}}, [mount], origin
    mounts = _private_mounts("private", [*private, _CONTROL_FOLDER])
    yield {"name": "private", "emptyDir": {}}, mounts, OPERATOR


def _private_mounts(volume: str, folders: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": volume, "mountPath": f"{ROOT}/{folder}", "subPath": folder} for folder in folders
    ]


def _run_files(sources: Sources, config_map: str) -> Volume:
    paths = [("run.json", RUN_JSON), ("agent-runner.json", RUNNER_JSON)]
    written = written_files(sources.provider, sources.system_prompt)
    paths += [(f"input-{index}", path) for index, (path, _, _) in enumerate(written)]
    mounts = [_file_mount("spec", path, name) for name, path in paths]
    return {"name": "spec", "configMap": {"name": config_map}}, mounts, OPERATOR


def _references(sources: Sources) -> Iterator[tuple[str, Mapping[str, JSON], Origin]]:
    """Yield path, reference and origin of each file from a Secret or ConfigMap."""
    for file in members.items(sources.provider, "files", "path"):
        arm = reference_field(file)
        if arm and file.get("content") is None:
            origin = _provider(sources, ".files", f"[{file['path']}]", f".{arm}", ".name")
            yield file["path"], file, origin._replace(is_exact=True)
    prompt = sources.system_prompt or {}
    arm = reference_field(prompt)
    if arm and not prompt.get("inline"):
        path = (*SPEC, ".runDefaults", ".systemPrompt", f".{arm}", ".name")
        yield SYSTEM_PROMPT, prompt, Origin(f"Agent {sources.agent_name}", path, is_exact=True)


def reference_field(given: Mapping[str, JSON]) -> str:
    """Return the name of the reference field that is set; empty if none is."""
    arms = ("secretKeyRef", "configMapKeyRef")
    return next((arm for arm in arms if members.text(members.at(given, arm), "name")), "")


def _file_mount(volume: str, path: str, part: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, "subPath": part, "readOnly": True}


def _file_volume(name: str, reference: Mapping[str, JSON]) -> dict[str, Any]:
    """Return a volume with one file, named ``file``, from a key."""
    arm = reference_field(reference)
    chosen = members.at(reference, arm)
    items = [{"key": members.text(chosen, "key"), "path": "file"}]
    if arm == "secretKeyRef":
        return {"name": name, "secret": {"secretName": chosen["name"], "items": items}}
    return {"name": name, "configMap": {"name": chosen["name"], "items": items}}


def _own_volume(own: Mapping[str, JSON]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a volume of the run's workload; the prefix avoids clashes with built-in volumes."""
    name = names.label(f"run-{own['name']}")
    arms = ("emptyDir", "persistentVolumeClaim", "secret")
    source = {arm: own[arm] for arm in arms if own.get(arm) is not None}
    mount = {"name": name, "mountPath": own["mountPath"], "readOnly": own.get("readOnly")}
    return {"name": name, **source}, [{key: mount[key] for key in mount if mount[key] is not None}]


def _token_volume(sources: Sources, token: Mapping[str, JSON]) -> Volume:
    source = {
        "audience": members.text(token, "audience"),
        "expirationSeconds": token.get("expirationSeconds"),
        "path": "token",
    }
    origin = _provider(sources, ".workload", ".serviceAccountToken", ".audience")
    mount = {"name": "identity", "mountPath": members.text(token, "mountPath"), "readOnly": True}
    volume = {"name": "identity", "projected": {"sources": [{"serviceAccountToken": source}]}}
    return volume, [mount], origin._replace(is_exact=True)


# ---------------------------------------------------------------------------------------- paths


def _provider(sources: Sources, *members: str) -> Origin:
    return Origin(f"AgentProvider {sources.provider_name}", (*SPEC, *members))


def _workload(sources: Sources) -> Parts:
    if not sources.step:
        return _WORKLOAD
    return (*_RUNTIME, ".workflow", ".steps", f"[{sources.step}]", ".workload")
