"""The pod of a run, or of a step: provider, agent, run and the operator's settings merged. Pure.

The controller submits what is built here, and both the controller and the webhook judge what is
built here (``pod_policy``): nothing gets into a pod that was not looked at. Each part knows who
asked for it.
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
# A container runtime makes the folder of a mounted file as root, so that another user could not
# write beside it; one that is mounted itself belongs to everybody, as the workspace does.
_REPORT_FOLDER: Final = ".agent"
_PROMPT_FOLDER: Final = ".codex"
# What a step says of its loop is not what another says of its own.
_CONTROL_FOLDER: Final = ".agentrun"
_FIELDS: Final = ("agentRef", "runtime", "workload", "secretRefs")
_SCHEDULING: Final = (
    *("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
    *("priorityClassName", "schedulerName", "imagePullSecrets"),
)

Parts: TypeAlias = tuple[str, ...]
"""The parts of a FieldPath; most places have no problem, and need none made."""

SPEC: Final = (".spec",)
LABELS: Final = (".metadata", ".labels")
ANNOTATIONS: Final = (".metadata", ".annotations")
_VOLUMES: Final = (*SPEC, ".volumes")
_RUNNER: Final = (*SPEC, ".containers", f"[{CONTAINER}]")
_RUNTIME: Final = (*SPEC, ".runtime")
_POD_TEMPLATE: Final = (*_RUNTIME, ".podTemplate")
_WORKLOAD: Final = (*SPEC, ".workload")


class Origin(NamedTuple):
    """Who asked for a part of the pod.

    Attributes:
        owner: ``AgentProvider codex``; empty is the run itself.
        path: Of the field there.
        is_exact: Whether the field is the part; else the part's own fields follow.
        is_operator: Whether the operator's settings give it.
    """

    owner: str
    path: Parts
    is_exact: bool = False
    is_operator: bool = False

    def below(self, rest: Parts) -> FieldPath:
        """The field for what is below the part."""
        return FieldPath(self.path if self.is_exact else (*self.path, *rest))


OPERATOR: Final = Origin("", (), is_operator=True)


class Reference(NamedTuple):
    """An input whose value is in a Secret or ConfigMap: a variable of the pod hands it over.

    Attributes:
        name: Of the agent's variable, or the parameter.
        source: ``secretKeyRef`` or ``configMapKeyRef`` (core/v1 EnvVarSource).
        origin: Who asked for it.
    """

    name: str
    source: Mapping[str, JSON]
    origin: Origin


def variable(index: int) -> str:
    """The variable of a pod that has the value of a reference."""
    return f"AGENT_INPUT_{index}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What a pod is merged from; all of it v1beta1.

    Attributes:
        spec: The run's ``spec``; of a workflow's step, as ``steps`` merges it.
        provider: The ``spec`` of its AgentProvider.
        system_prompt: ``runDefaults.systemPrompt`` of its Agent, or None.
        pods: The operator's settings.
        step: Name of the step whose own workload counts; empty is the run's.
        agent_name: For messages.
        provider_name: Likewise.
        references: Inputs that are in Secrets and ConfigMaps.
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
    """A pod template, and who asked for its parts.

    Attributes:
        template: ``metadata`` without the controller's own labels, and ``spec`` (core/v1
            PodTemplateSpec).
        origins: By the place of a part in the template.
    """

    template: dict[str, Any]
    origins: Mapping[Parts, Origin]

    def origin(self, place: Parts) -> tuple[Origin, FieldPath]:
        """Who asked for a field of the template, and by which field."""
        for length in range(len(place), 0, -1):
            found = self.origins.get(place[:length])
            if found is not None:
                return found, found.below(place[length:])
        return Origin("pod", ()), FieldPath(place)


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
    """Merge the pod.

    Args:
        sources: What from.
        config_map: Name of the one with the run's own files; without it, the pod has none of them.
        folder: Of a claim that steps share, for this run, where it chooses none.
        variables: The run's own environment variables.
        render: Fills in a template of the provider; arguments and variables are not judged.
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
    """All of a run's ``spec`` that counts for its pods."""
    found = {name: spec[name] for name in _FIELDS if name in spec}
    referring = [one for one in members.items(spec, "parameters", "name") if "valueFrom" in one]
    return {**found, "parameters": referring} if referring else found


def merged(spec: JSON, step: JSON) -> JSON:
    """The run's spec with a step's own settings, which go first."""
    own = {name: step[name] for name in ("implementation", "workload", "loop") if step.get(name)}
    parameters = {one["name"]: one for one in members.items(spec, "parameters", "name")}
    parameters |= {one["name"]: one for one in members.items(step, "parameters", "name")}
    return {**spec, **own, "parameters": [*parameters.values()]}


def steps(spec: JSON) -> list[tuple[str, JSON]]:
    """What is to be carried out: the steps of a workflow, or the run as one, without a name."""
    runtime = members.at(spec, "runtime")
    if members.text(runtime, "type") != "Workflow":
        return [("", spec)]
    found = members.items(members.at(runtime, "workflow"), "steps", "name")
    return [(step["name"], merged(spec, step)) for step in found] or [("", spec)]


def written_files(
    provider: Mapping[str, JSON], system_prompt: Mapping[str, JSON] | None
) -> Iterator[tuple[str, str, bool]]:
    """Path and content of each file that is written out, and whether it is a template."""
    for one in members.items(provider, "files", "path", "content"):
        yield one["path"], one["content"], True
    inline = members.text(system_prompt or {}, "inline")
    if inline:
        yield SYSTEM_PROMPT, inline, False


# ------------------------------------------------------------------------------------- the pod


def own_labels(spec: Mapping[str, JSON]) -> dict[str, str]:
    """The labels that a run asks for, for its Jobs and pods."""
    return _texts(members.at(spec, "runtime"), "labels")


def own_annotations(spec: Mapping[str, JSON]) -> dict[str, str]:
    """The annotations that a run asks for, for its Jobs and pods."""
    return _texts(members.at(spec, "runtime"), "annotations")


def _metadata(spec: Mapping[str, JSON], origins: dict[Parts, Origin]) -> dict[str, Any]:
    """Labels and annotations of the pod; ``extraConfig``, which is free-form, has some for pods."""
    labels, own = own_labels(spec), own_annotations(spec)
    extra = _texts(members.at(spec, "runtime", "extraConfig"), "podAnnotations")
    origins[LABELS] = Origin("", (*_RUNTIME, ".labels"))
    origins[ANNOTATIONS] = Origin("", (*_RUNTIME, ".extraConfig", ".podAnnotations"))
    for key in own:
        path = (*_RUNTIME, ".annotations", f"[{key}]")
        origins[(*ANNOTATIONS, f"[{key}]")] = Origin("", path, is_exact=True)
    found = {"labels": labels, "annotations": {**extra, **own}}
    return {name: value for name, value in found.items() if value}


def _texts(given: Mapping[str, JSON], name: str) -> dict[str, str]:
    """The texts of a mapping."""
    found = given.get(name)
    items = found.items() if isinstance(found, dict) else ()
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
    """The run's, else its provider's, else the operator's."""
    if own := members.text(given, "serviceAccountName"):
        return own, Origin("", (*_POD_TEMPLATE, ".serviceAccountName"))
    if provided := members.text(members.at(sources.provider, "workload"), "serviceAccountName"):
        return provided, _provider(sources, ".workload", ".serviceAccountName")
    return sources.pods.service_account_name, OPERATOR


def _pod_security(pods: settings.Pods) -> dict[str, Any]:
    kind, _, path = pods.seccomp_profile.partition("/")
    found: dict[str, Any] = {
        "runAsNonRoot": pods.run_as_non_root or None,
        "runAsUser": pods.run_as_user,
        "runAsGroup": pods.run_as_group,
        "fsGroup": pods.fs_group,
        "seccompProfile": {"type": kind, **({"localhostProfile": path} if path else {})},
    }
    return {name: value for name, value in found.items() if value is not None}


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
    # First, as a kubelet fills in what stands before in the list.
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
    found = {
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
    return {name: value for name, value in found.items() if value}


def _image(sources: Sources) -> tuple[str, Origin]:
    """The run's or its step's, else its provider's, else the operator's."""
    if own := members.text(members.at(sources.spec, "workload"), "image"):
        return own, Origin("", (*_workload(sources), ".image"))
    if provided := members.text(members.at(sources.provider, "workload"), "image"):
        return provided, _provider(sources, ".workload", ".image")
    return sources.pods.image, OPERATOR


def _env(sources: Sources, render: Render) -> Iterator[dict[str, Any]]:
    for one in members.items(sources.provider, "env", "name"):
        if one.get("valueFrom"):
            yield {"name": one["name"], "valueFrom": one["valueFrom"]}
        else:
            yield {"name": one["name"], "value": render(members.text(one, "value"))}


def _env_from(sources: Sources) -> Iterator[Part]:
    for one in members.items(sources.spec, "secretRefs", "name"):
        path = (*SPEC, ".secretRefs", f"[{one['name']}]")
        yield {"secretRef": {"name": one["name"]}}, Origin("", path)


def _resources(sources: Sources) -> dict[str, Any]:
    """Each quantity from whoever is nearest to the run."""
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
    found: dict[str, Any] = {"capabilities": capabilities} if capabilities else {}
    return (
        found if pods.allow_privilege_escalation else {"allowPrivilegeEscalation": False, **found}
    )


# -------------------------------------------------------------------------------------- volumes

Volume: TypeAlias = tuple[dict[str, Any], list[dict[str, Any]], Origin]
"""A volume of the pod, where its container sees it, and who asked for it."""


def _volumes(sources: Sources, config_map: str, folder: str) -> Iterator[Volume]:
    yield from _workspace(sources, folder)
    if config_map:
        yield _run_files(sources, config_map)
    for index, (path, reference, origin) in enumerate(_references(sources)):
        name = f"file-{index}"
        yield _file_volume(name, reference), [_file_mount(name, path, "file")], origin
    for one in members.items(members.at(sources.spec, "workload"), "volumes", "name", "mountPath"):
        volume, mounts = _own_volume(one)
        yield volume, mounts, Origin("", (*_workload(sources), ".volumes", f"[{one['name']}]"))
    token = members.at(sources.provider, "workload", "serviceAccountToken")
    if token:
        yield _token_volume(sources, token)


def _workspace(sources: Sources, folder: str) -> Iterator[Volume]:
    """The pod's own workspace, or the one that steps share, and what no other step may see."""
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
    """Path and reference of each file that comes from a Secret or ConfigMap."""
    for one in members.items(sources.provider, "files", "path"):
        arm = arm_of(one)
        if arm and one.get("content") is None:
            origin = _provider(sources, ".files", f"[{one['path']}]", f".{arm}", ".name")
            yield one["path"], one, origin._replace(is_exact=True)
    prompt = sources.system_prompt or {}
    arm = arm_of(prompt)
    if arm and not prompt.get("inline"):
        path = (*SPEC, ".runDefaults", ".systemPrompt", f".{arm}", ".name")
        yield SYSTEM_PROMPT, prompt, Origin(f"Agent {sources.agent_name}", path, is_exact=True)


def arm_of(given: Mapping[str, JSON]) -> str:
    """Which reference it has; empty without one that can be mounted."""
    arms = ("secretKeyRef", "configMapKeyRef")
    return next((arm for arm in arms if members.text(members.at(given, arm), "name")), "")


def _file_mount(volume: str, path: str, part: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, "subPath": part, "readOnly": True}


def _file_volume(name: str, reference: Mapping[str, JSON]) -> dict[str, Any]:
    """A volume with one file, named ``file``, from a key."""
    arm = arm_of(reference)
    chosen = members.at(reference, arm)
    items = [{"key": members.text(chosen, "key"), "path": "file"}]
    if arm == "secretKeyRef":
        return {"name": name, "secret": {"secretName": chosen["name"], "items": items}}
    return {"name": name, "configMap": {"name": chosen["name"], "items": items}}


def _own_volume(one: Mapping[str, JSON]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A volume of the run's workload; the prefix keeps its name from ours."""
    name = names.label(f"run-{one['name']}")
    arms = ("emptyDir", "persistentVolumeClaim", "secret")
    source = {arm: one[arm] for arm in arms if one.get(arm) is not None}
    mount = {"name": name, "mountPath": one["mountPath"], "readOnly": one.get("readOnly")}
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


# --------------------------------------------------------------------------------------- places


def _provider(sources: Sources, *members: str) -> Origin:
    return Origin(f"AgentProvider {sources.provider_name}", (*SPEC, *members))


def _workload(sources: Sources) -> Parts:
    if not sources.step:
        return _WORKLOAD
    return (*_RUNTIME, ".workflow", ".steps", f"[{sources.step}]", ".workload")
