"""Build the pod of a run or step from provider, agent, run and the operator's settings. Pure.

The controller submits the pod built here, and both the controller and the webhook check it
(``pod_policy``), so nothing enters a pod unchecked. Each part records its origin.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from crds.admission import members, settings
from crds.admission.pods import pod_sources, pod_volumes
from crds.admission.pods.pod_sources import Origin, Parts, Sources
from schemagen import FieldPath
from schemagen.problems import JSON

_SCHEDULING: Final = (
    *("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints"),
    *("priorityClassName", "schedulerName", "imagePullSecrets"),
)
_VOLUMES: Final = (*pod_sources.SPEC, ".volumes")
_RUNNER: Final = (*pod_sources.SPEC, ".containers", f"[{pod_sources.CONTAINER}]")


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
    volumes = [*pod_volumes.volumes(sources, config_map, folder)]
    for volume, _, origin in volumes:
        origins[(*_VOLUMES, f"[{volume['name']}]")] = origin
    container = _container(sources, variables or {}, render, origins)
    container["volumeMounts"] = [mount for _, mounts, _ in volumes for mount in mounts]
    spec |= {"containers": [container], "volumes": [volume for volume, _, _ in volumes]}
    return EffectivePod({"metadata": metadata, "spec": spec}, origins)


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
    origins[pod_sources.LABELS] = Origin("", (*pod_sources.RUNTIME, ".labels"))
    origins[pod_sources.ANNOTATIONS] = Origin(
        "", (*pod_sources.RUNTIME, ".extraConfig", ".podAnnotations")
    )
    for key in own:
        path = (*pod_sources.RUNTIME, ".annotations", f"[{key}]")
        origins[(*pod_sources.ANNOTATIONS, f"[{key}]")] = Origin("", path, is_exact=True)
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
            origins[(*pod_sources.SPEC, f".{name}")] = Origin(
                "", (*pod_sources.POD_TEMPLATE, f".{name}")
            )
    account, origin = _account(sources, given)
    if account:
        chosen["serviceAccountName"] = account
        origins[(*pod_sources.SPEC, ".serviceAccountName")] = origin
    security = _pod_security(sources.pods)
    for name, value in members.at(given, "securityContext").items():
        if value is not None:
            security[name] = value
            place = (".securityContext", f".{name}")
            origins[(*pod_sources.SPEC, *place)] = Origin("", (*pod_sources.POD_TEMPLATE, *place))
    return {
        **chosen,
        "automountServiceAccountToken": sources.pods.automount_service_account_token,
        "restartPolicy": "Never",
        "securityContext": security,
    }


def _account(sources: Sources, given: Mapping[str, JSON]) -> tuple[str, Origin]:
    """Return the run's, else the provider's, else the operator's."""
    if own := members.text(given, "serviceAccountName"):
        return own, Origin("", (*pod_sources.POD_TEMPLATE, ".serviceAccountName"))
    if provided := members.text(members.at(sources.provider, "workload"), "serviceAccountName"):
        return provided, pod_sources.provider_origin(sources, ".workload", ".serviceAccountName")
    return sources.pods.service_account_name, pod_sources.OPERATOR


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
    args = [render(text) for text in members.texts(runner, "args")]
    own = [{"name": name, "value": value} for name, value in variables.items()]
    # First, because a kubelet only expands variables defined earlier in the list.
    inputs = [
        {"name": pod_sources.variable(index), "valueFrom": reference.source}
        for index, reference in enumerate(sources.references)
    ]
    env = [*inputs, *own, *_env(sources, render)]
    origins[(*_RUNNER, ".env")] = pod_sources.provider_origin(sources, ".env")
    for index, reference in enumerate(sources.references):
        origins[(*_RUNNER, ".env", f"[{pod_sources.variable(index)}]")] = reference.origin
    env_from = [*_env_from(sources)]
    for index, (_, origin) in enumerate(env_from):
        origins[(*_RUNNER, ".envFrom", f"[{index}]", ".secretRef")] = origin
    container = {
        "name": pod_sources.CONTAINER,
        "image": image,
        "command": [members.text(runner, "command") or "agent-runner"],
        "args": args,
        "env": env,
        "envFrom": [entry for entry, _ in env_from],
        "resources": _resources(sources),
        "securityContext": _container_security(sources.pods),
        "terminationMessagePath": pod_sources.STATUS_JSON,
        "terminationMessagePolicy": "File",
    }
    return {name: value for name, value in container.items() if value}


def _image(sources: Sources) -> tuple[str, Origin]:
    """Return the run's or step's, else the provider's, else the operator's."""
    if own := members.text(members.at(sources.spec, "workload"), "image"):
        return own, Origin("", (*pod_sources.workload_path(sources), ".image"))
    if provided := members.text(members.at(sources.provider, "workload"), "image"):
        return provided, pod_sources.provider_origin(sources, ".workload", ".image")
    return sources.pods.image, pod_sources.OPERATOR


def _env(sources: Sources, render: Render) -> Iterator[dict[str, Any]]:
    for entry in members.items(sources.provider, "env", "name"):
        if entry.get("valueFrom"):
            yield {"name": entry["name"], "valueFrom": entry["valueFrom"]}
        else:
            yield {"name": entry["name"], "value": render(members.text(entry, "value"))}


def _env_from(sources: Sources) -> Iterator[Part]:
    for reference in members.items(sources.spec, "secretRefs", "name"):
        path = (*pod_sources.SPEC, ".secretRefs", f"[{reference['name']}]")
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
