"""What a pod's only container finds, read from the Job and the ConfigMap made for it. Pure.

The local runtime does what a kubelet would, so that there is one description of a runner's
surroundings and not two.
"""

import dataclasses
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from controllers.runs.runtimes.base import JSON, Code, RuntimeFault
from crds.admission import effective_pod

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
    """What a container finds, by its absolute paths.

    Attributes:
        args: Of the command.
        env: Values and sources, in their order.
        env_secrets: Secrets all of whose keys are variables; what is in ``env`` goes before.
        files: Contents and sources.
        folders: Empty ones.
        secret_folders: Those with a file for each key of a Secret.
        claims: The names of claims, whose contents stay.
        workspace: Name of the claim that steps share as their workspace, ``/`` and its folder;
            empty where there is none.
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
    """What the container of a Job finds.

    Args:
        job: The Job.
        config_map: The one that it mounts.

    Raises:
        RuntimeFault: There is something among it that only a kubelet can give.
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
                    f"expected nothing at {path} that only a pod has, got {mount['name']}: "
                    f"{', '.join(volume.keys() - {'name'})}",
                )
    if workspace:
        _check_shared([*folders, *secret_folders, *claims])
    return Surroundings(
        args=tuple(container.get("args") or ()),
        env=tuple(_variables(container.get("env") or ())),
        env_secrets=tuple(one["secretRef"]["name"] for one in container.get("envFrom") or ()),
        files=files,
        folders=tuple(folders),
        secret_folders=secret_folders,
        claims=claims,
        workspace=workspace,
    )


def _check_shared(paths: Iterable[str]) -> None:
    """See that in a workspace that steps share there is nothing which only one of them has.

    Raises:
        RuntimeFault: A pod could have that; a folder of this machine cannot.
    """
    for path in paths:
        if path.startswith(f"{ROOT}/") and not is_private(path) and path != CONTROL_FOLDER:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected volumes outside {ROOT}, which steps share on this machine, got {path}",
            )


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Fill in ``$(NAME)`` as a kubelet does; ``$$`` is a dollar, an unknown name stays as it is."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(one, value)


def is_private(path: str) -> bool:
    """Whether a path of a workspace is a step's own, though it shares the workspace."""
    parts = path.removeprefix(ROOT).lstrip("/").split("/")
    is_file = path in {effective_pod.RUN_JSON, effective_pod.RUNNER_JSON}
    return is_file or parts[0] in _PRIVATE


_PRIVATE: Final = frozenset({".agent", ".codex"})
CONTROL_FOLDER: Final = f"{ROOT}/.agentrun"


def here(value: str, workspace: str, shared: str = "") -> str:
    """A path of the pod's workspace, where it is on this machine; anything else as it is.

    Args:
        value: What may be one.
        workspace: The folder of the piece's own files.
        shared: That of what it shares with others, if it does.
    """
    if value != ROOT and not value.startswith(f"{ROOT}/"):
        return value
    folder = workspace if not shared or is_private(value) else shared
    return folder + value.removeprefix(ROOT)


def _variables(env: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str | Source]]:
    for one in env:
        source = one.get("valueFrom")
        yield one["name"], str(one.get("value") or "") if source is None else _source(source)


def _source(given: Mapping[str, Any]) -> Source:
    (word, chosen), *_ = given.items()
    return Source(_KINDS[word], chosen["name"], chosen["key"], bool(chosen.get("optional")))


def _file(volume: Mapping[str, Any], part: str, config_map: Mapping[str, JSON]) -> str | Source:
    """A file of a volume: from our own ConfigMap, or a key of another object."""
    own = volume.get("configMap") or {}
    if own.get("name") == config_map["metadata"]["name"] and not own.get("items"):
        return str(config_map["data"][part])
    secret = volume.get("secret")
    given = secret or own
    name = str(given["secretName"] if secret else given["name"])
    (key,) = (one["key"] for one in given["items"] if one["path"] == part)
    return Source("Secret" if secret else "ConfigMap", name, key, bool(given.get("optional")))
