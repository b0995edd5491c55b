"""The environment of a pod's container, derived from its Job and ConfigMap. Pure.

The local runtime does a kubelet's work, so that a runner's environment is described only once.
"""

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from controllers.runs.runtimes.base import JSON, Code, RuntimeFault
from crds.admission.pods import pod_sources

ROOT: Final = "/workspace"
_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^()]*)\))")
_KINDS: Final = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A key of a Secret or ConfigMap."""

    kind: str
    name: str
    key: str
    is_optional: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The environment of a container, with absolute paths.

    Attributes:
        args: Of the command.
        env: Values and sources, in order.
        env_secrets: Secrets with all keys as variables; ``env`` takes precedence.
        files: Contents and sources.
        folders: Empty directories.
        secret_folders: Directories with a file for each key of a Secret.
        claims: Names of persistent claims.
        workspace: Claim that steps share as their workspace, ``/`` and its subdirectory; empty for
            none.
    """

    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str | Source], ...] = ()
    env_secrets: tuple[str, ...] = ()
    files: Mapping[str, str | Source] = dataclasses.field(default_factory=dict)
    folders: tuple[str, ...] = ()
    secret_folders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    claims: Mapping[str, str] = dataclasses.field(default_factory=dict)
    workspace: str = ""


def surroundings(job: Mapping[str, JSON], config_map: Mapping[str, JSON]) -> Surroundings:
    """Return the environment of a Job's container.

    Args:
        job: The Job.
        config_map: The ConfigMap that it mounts.

    Raises:
        RuntimeFault: Something in it requires a kubelet.
    """
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    volumes = {one["name"]: one for one in pod.get("volumes") or ()}
    files: dict[str, str | Source] = {}
    folders, secret_folders, claims, workspace = [], {}, {}, ""
    for mount in container.get("volumeMounts") or ():
        volume, path = volumes[mount["name"]], posixpath.normpath(mount["mountPath"])
        match volume:
            case {"emptyDir": _}:
                folders.append(path)
            case {"persistentVolumeClaim": claim} if path == ROOT:
                workspace = posixpath.join(claim["claimName"], mount.get("subPath", ""))
            case {"persistentVolumeClaim": claim}:
                claims[path] = claim["claimName"]
            case {"secret": secret} if "subPath" not in mount:
                secret_folders[path] = secret["secretName"]
            case {"secret": _} | {"configMap": _}:
                files[path] = _file(volume, mount["subPath"], config_map)
            case _:
                raise RuntimeFault(
                    Code.TERMINAL,
                    f"expected no pod-only volume at {path}, got {mount['name']}: "
                    f"{', '.join(volume.keys() - {'name'})}",
                )
    if workspace:
        _check_shared([*folders, *secret_folders, *claims])
    return Surroundings(
        args=tuple(container.get("args") or ()),
        env=tuple(_variables(container.get("env") or ())),
        env_secrets=tuple(source["secretRef"]["name"] for source in container.get("envFrom") or ()),
        files=files,
        folders=tuple(folders),
        secret_folders=secret_folders,
        claims=claims,
        workspace=workspace,
    )


def _check_shared(paths: Iterable[str]) -> None:
    """Check that a shared workspace contains no volumes of a single step.

    Raises:
        RuntimeFault: A pod could have that; a directory of this machine cannot.
    """
    for path in paths:
        if path.startswith(f"{ROOT}/") and not is_private(path) and path != CONTROL_FOLDER:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected volumes outside {ROOT}, which steps share on this machine, got {path}",
            )


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Expand ``$(NAME)`` like a kubelet; ``$$`` is a dollar, unknown names are kept."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(one, value)


def is_private(path: str) -> bool:
    """Return whether a path is private to a step in a shared workspace."""
    parts = path.removeprefix(ROOT).lstrip("/").split("/")
    is_file = path in {pod_sources.RUN_JSON, pod_sources.RUNNER_JSON}
    return is_file or parts[0] in _PRIVATE


_PRIVATE: Final = frozenset({".agent", ".codex"})
CONTROL_FOLDER: Final = f"{ROOT}/.agentrun"


def here(value: str, workspace: str, shared: str = "") -> str:
    """Map a path of the pod's workspace to this machine; return other values unchanged.

    Args:
        value: A potential path.
        workspace: Directory of the step's own files.
        shared: Directory of the shared workspace, if any.
    """
    if value != ROOT and not value.startswith(f"{ROOT}/"):
        return value
    folder = workspace if not shared or is_private(value) else shared
    return folder + value.removeprefix(ROOT)


def _variables(env: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str | Source]]:
    for variable in env:
        source = variable.get("valueFrom")
        yield (
            variable["name"],
            str(variable.get("value") or "") if source is None else _source(source),
        )


def _source(given: Mapping[str, Any]) -> Source:
    (word, chosen), *_ = given.items()
    return Source(_KINDS[word], chosen["name"], chosen["key"], bool(chosen.get("optional")))


def _file(volume: Mapping[str, Any], part: str, config_map: Mapping[str, JSON]) -> str | Source:
    """Return a file of a volume: content of our ConfigMap, or a key of another object."""
    own = volume.get("configMap") or {}
    if own.get("name") == config_map["metadata"]["name"] and not own.get("items"):
        return str(config_map["data"][part])
    secret = volume.get("secret")
    given = secret or own
    name = str(given["secretName"] if secret else given["name"])
    (key,) = (item["key"] for item in given["items"] if item["path"] == part)
    return Source("Secret" if secret else "ConfigMap", name, key, bool(given.get("optional")))
