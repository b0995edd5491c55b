"""What a pod's only container finds, read from the Job and the ConfigMap made for it. Pure.

The local runtime does what a kubelet would, so that there is one description of a runner's
surroundings and not two.
"""

import dataclasses
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controllers.runs.runtimes.base import JSON, Code, RuntimeFault

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
    """

    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str | Source], ...] = ()
    env_secrets: tuple[str, ...] = ()
    files: Mapping[str, str | Source] = dataclasses.field(default_factory=dict)
    folders: tuple[str, ...] = ()
    secret_folders: Mapping[str, str] = dataclasses.field(default_factory=dict)
    claims: Mapping[str, str] = dataclasses.field(default_factory=dict)


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
    folders, secret_folders, claims = [], {}, {}
    for mount in container.get("volumeMounts") or ():
        volume, path = volumes[mount["name"]], posixpath.normpath(mount["mountPath"])
        match volume:
            case {"emptyDir": _}:
                folders.append(path)
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
    return Surroundings(
        args=tuple(container.get("args") or ()),
        env=tuple(_variables(container.get("env") or ())),
        env_secrets=tuple(one["secretRef"]["name"] for one in container.get("envFrom") or ()),
        files=files,
        folders=tuple(folders),
        secret_folders=secret_folders,
        claims=claims,
    )


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Fill in ``$(NAME)`` as a kubelet does; ``$$`` is a dollar, an unknown name stays as it is."""

    def one(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(one, value)


def here(value: str, workspace: str) -> str:
    """A path of the pod's workspace, where it is on this machine; anything else as it is."""
    is_inside = value == ROOT or value.startswith(f"{ROOT}/")
    return workspace + value.removeprefix(ROOT) if is_inside else value


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
