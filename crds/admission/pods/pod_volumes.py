"""The volumes of a run's pod, and their mounts. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from crds import names
from crds.admission import members
from crds.admission.pods import pod_sources
from crds.admission.pods.pod_sources import Origin, Sources
from schemagen.problems import JSON

# A container runtime creates the parent directory of a mounted file as root, so other users could
# not write to it; a directory that is itself a mount is writable by all, like the workspace.
_REPORT_FOLDER: Final = ".agent"
_PROMPT_FOLDER: Final = ".codex"
# Each step has its own loop control file.
_CONTROL_FOLDER: Final = ".agentrun"
Volume: TypeAlias = tuple[dict[str, Any], list[dict[str, Any]], Origin]
"""A volume of the pod, its mounts, and its origin."""


def volumes(sources: Sources, config_map: str, folder: str) -> Iterator[Volume]:
    """Yield the workspace, the run's files, files of Secrets and ConfigMaps, and own volumes."""
    yield from _workspace(sources, folder)
    if config_map:
        yield _run_files(sources, config_map)
    for index, (path, reference, origin) in enumerate(_references(sources)):
        name = f"file-{index}"
        yield _file_volume(name, reference), [_file_mount(name, path, "file")], origin
    for own in members.items(members.at(sources.spec, "workload"), "volumes", "name", "mountPath"):
        volume, mounts = _own_volume(own)
        yield (
            volume,
            mounts,
            Origin("", (*pod_sources.workload_path(sources), ".volumes", f"[{own['name']}]")),
        )
    token = members.at(sources.provider, "workload", "serviceAccountToken")
    if token:
        yield _token_volume(sources, token)


def _workspace(sources: Sources, folder: str) -> Iterator[Volume]:
    """Yield the pod's own or the shared workspace, and the directories private to the step."""
    private = [_REPORT_FOLDER, *([_PROMPT_FOLDER] if sources.system_prompt else [])]
    given = members.at(sources.spec, "runtime", "workflow", "workspace")
    claim = members.at(given, "persistentVolumeClaim")
    if not claim:
        own = {"name": "workspace", "mountPath": pod_sources.ROOT}
        mounts = [own, *_private_mounts("workspace", private)]
        yield {"name": "workspace", "emptyDir": {}}, mounts, pod_sources.OPERATOR
        return
    part = members.text(given, "subPath") or folder
    mount = {
        "name": "workspace",
        "mountPath": pod_sources.ROOT,
        **({"subPath": part} if part else {}),
    }
    origin = Origin("", (*pod_sources.RUNTIME, ".workflow", ".workspace"))
    yield {"name": "workspace", "persistentVolumeClaim": {**claim}}, [mount], origin
    mounts = _private_mounts("private", [*private, _CONTROL_FOLDER])
    yield {"name": "private", "emptyDir": {}}, mounts, pod_sources.OPERATOR


def _private_mounts(volume: str, folders: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"name": volume, "mountPath": f"{pod_sources.ROOT}/{folder}", "subPath": folder}
        for folder in folders
    ]


def _run_files(sources: Sources, config_map: str) -> Volume:
    paths = [("run.json", pod_sources.RUN_JSON), ("agent-runner.json", pod_sources.RUNNER_JSON)]
    written = pod_sources.written_files(sources.provider, sources.system_prompt)
    paths += [(f"input-{index}", path) for index, (path, _, _) in enumerate(written)]
    mounts = [_file_mount("spec", path, name) for name, path in paths]
    return {"name": "spec", "configMap": {"name": config_map}}, mounts, pod_sources.OPERATOR


def _references(sources: Sources) -> Iterator[tuple[str, Mapping[str, JSON], Origin]]:
    """Yield path, reference and origin of each file from a Secret or ConfigMap."""
    for file in members.items(sources.provider, "files", "path"):
        arm = pod_sources.reference_field(file)
        if arm and file.get("content") is None:
            origin = pod_sources.provider_origin(
                sources, ".files", f"[{file['path']}]", f".{arm}", ".name"
            )
            yield file["path"], file, origin._replace(is_exact=True)
    prompt = sources.system_prompt or {}
    arm = pod_sources.reference_field(prompt)
    if arm and not prompt.get("inline"):
        path = (*pod_sources.SPEC, ".runDefaults", ".systemPrompt", f".{arm}", ".name")
        yield (
            pod_sources.SYSTEM_PROMPT,
            prompt,
            Origin(f"Agent {sources.agent_name}", path, is_exact=True),
        )


def _file_mount(volume: str, path: str, part: str) -> dict[str, Any]:
    return {"name": volume, "mountPath": path, "subPath": part, "readOnly": True}


def _file_volume(name: str, reference: Mapping[str, JSON]) -> dict[str, Any]:
    """Return a volume with one file, named ``file``, from a key."""
    arm = pod_sources.reference_field(reference)
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
    origin = pod_sources.provider_origin(sources, ".workload", ".serviceAccountToken", ".audience")
    mount = {"name": "identity", "mountPath": members.text(token, "mountPath"), "readOnly": True}
    volume = {"name": "identity", "projected": {"sources": [{"serviceAccountToken": source}]}}
    return volume, [mount], origin._replace(is_exact=True)
