"""``--runtime-config KEY=VALUE`` as the typed ``spec.runtime`` of v1beta1. Pure.

A key is a field path (``jobTTL``, ``podTemplate.nodeSelector.disk``), or its v1alpha1 name
(``ttlSecondsAfterFinished``, ``serviceAccountName``); a value is parsed by the field's type.
Unknown keys go into ``extraConfig`` as text; ``extraConfig={...}`` accepts YAML.
"""

import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import pydantic

from controllers.agentctl.exits import CommandError
from controllers.agentctl.run.request import RuntimeType
from crds import hub
from crds.v1beta1 import core
from schemagen import yaml
from schemagen.problems import JSON
from schemagen.versions import steps

Path: TypeAlias = tuple[str, ...]

# v1alpha1 names of fields (rows 7 and 8 of the field table), for all runtimes.
_NAMES: Final[Mapping[str, Path]] = {
    "serviceAccount": ("podTemplate", "serviceAccountName"),
    "podSecurityContext": ("podTemplate", "securityContext"),
    **{
        name: ("podTemplate", name)
        for name in (
            *("serviceAccountName", "nodeSelector", "tolerations", "affinity"),
            *("topologySpreadConstraints", "priorityClassName", "schedulerName"),
            *("imagePullSecrets", "resources"),
        )
    },
}
# Settings of a single runtime; for other runtimes they go into extraConfig.
_OWN_NAMES: Final[Mapping[str, Mapping[str, Path]]] = {
    "temporal": {
        name: ("temporal", name)
        for name in ("workflowType", "taskQueue", "namespace", "workflowId", "timeouts")
    },
    "custom": {name: ("custom", name) for name in ("endpoint", "payload")},
    "workflow": {name: ("workflow", name) for name in ("steps", "parallelism")},
}
_IN_SECONDS: Final = {
    "ttlSecondsAfterFinished": "jobTTL",
    "logRetentionSeconds": "logRetention",
}
_EXTRA: Final = "extraConfig"


def runtime(kind: RuntimeType, settings: Iterable[tuple[str, str]]) -> JSON:
    """Return ``spec.runtime`` for a runtime and its settings.

    Raises:
        CommandError: A key is unknown, a value has the wrong type, or a key is given twice.
    """
    result: dict[str, JSON] = {"type": kind.capitalize()}
    for key, text in settings:
        path, value = _setting(kind, key, text)
        _put(result, path, value, key)
    return result


def _setting(kind: RuntimeType, key: str, text: str) -> tuple[Path, JSON]:
    if key in _IN_SECONDS:
        return (_IN_SECONDS[key],), _duration(key, text)
    first, *rest = key.split(".")
    own = _OWN_NAMES.get(kind, {})
    known = own.get(first) or _NAMES.get(first)
    path = (*known, *rest) if known else (first, *rest)
    fields = _fields(hub.agentrun.Runtime)
    if path[0] not in fields or path[0] == "type":
        return (_EXTRA, key), text
    if path[0] == _EXTRA and len(path) > 1:
        return (_EXTRA, ".".join(path[1:])), text
    return _typed(hub.agentrun.Runtime, path, key, text)


def _typed(model: type[pydantic.BaseModel], path: Path, key: str, text: str) -> tuple[Path, JSON]:
    """Return path and parsed value of a setting, by walking the model's fields."""
    annotation: Any = model
    for at, name in enumerate(path):
        plain = _plain(annotation)
        if typing.get_origin(plain) is dict:
            # Keys of mappings, such as labels, may contain dots.
            value_type = typing.get_args(plain)[1]
            return (*path[:at], ".".join(path[at:])), _value(value_type, key, text)
        fields = _fields(plain)
        if name not in fields:
            where = ".".join(path[:at])
            raise CommandError(
                f"expected --runtime-config with one of {', '.join(sorted(fields)) or 'no field'} "
                f"of {where}, got {key}"
            )
        annotation = fields[name]
    return path, _value(annotation, key, text)


def _value(annotation: Any, key: str, text: str) -> JSON:
    plain = _plain(annotation)
    if plain is int:
        return _integer(key, text)
    if plain is bool:
        if text.lower() not in {"true", "false"}:
            raise _wrong(key, "true or false", text)
        return text.lower() == "true"
    if plain is str or typing.get_origin(plain) is Literal:
        return text
    is_names = typing.get_origin(plain) is list and typing.get_args(plain)[0] is core.NameRef
    return _structure(plain, key, text, is_names=is_names)


def _structure(plain: Any, key: str, text: str, *, is_names: bool) -> JSON:
    """Parse a list or a mapping, given as YAML or JSON on one line."""
    try:
        documents = yaml.load_all(text.encode(errors="surrogatepass"))
    except yaml.YAMLError as error:
        raise _wrong(key, "YAML or JSON", text) from error
    value = documents[0] if len(documents) == 1 else None
    if is_names and isinstance(value, str):
        return [{"name": name.strip()} for name in value.split(",")]
    expected = list if typing.get_origin(plain) is list else dict
    if not isinstance(value, expected):
        words = "a list such as [{...}]" if expected is list else "a mapping such as {key: value}"
        raise _wrong(key, words, text)
    return value


def _integer(key: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _wrong(key, "a whole number", text) from None


def _duration(key: str, text: str) -> str:
    seconds = _integer(key, text)
    if not 0 <= seconds <= steps.INT32_MAX:
        raise _wrong(key, "a number of seconds, 0 or more,", text)
    return steps.duration_of(seconds)


def _put(target: dict[str, JSON], path: Path, value: JSON, key: str) -> None:
    place = target
    for name in path[:-1]:
        below = place.setdefault(name, {})
        if not isinstance(below, dict):
            raise _twice(key)
        place = below
    if path[-1] in place:
        raise _twice(key)
    place[path[-1]] = value


def _fields(model: Any) -> dict[str, Any]:
    """Return the types of a model's fields by wire name; empty if it is not a model."""
    if not (isinstance(model, type) and issubclass(model, pydantic.BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _plain(annotation: Any) -> Any:
    """Return a type without annotations and None; ``str`` for a union."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _plain(typing.get_args(annotation)[0])
    if origin in {typing.Union, types.UnionType}:
        arms = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
        return _plain(arms[0]) if len(arms) == 1 else str
    return annotation


def _wrong(key: str, expected: str, text: str) -> CommandError:
    return CommandError(f"expected {expected} for --runtime-config {key}, got {text[:64]!r}")


def _twice(key: str) -> CommandError:
    return CommandError(
        f"expected --runtime-config {key} once, got it twice or together with its subfields"
    )
