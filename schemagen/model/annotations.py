"""Unwrap annotations: Annotated, type aliases, NewType, ``| None``.

Pydantic leaves a PEP 695 alias unevaluated, so aliases are evaluated here, including generic ones,
in the module that declares them.
"""

import sys
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union

import pydantic
import typing_extensions

_UNIONS = (Union, types.UnionType)
_OPTIONAL = (*_UNIONS, Literal)

# From Python 3.12 on, ``type X = ...`` creates typing's class; typing_extensions has its own.
_ALIASES: tuple[type, ...] = tuple(
    {typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", Any)} - {Any}
)

Substitution: TypeAlias = Mapping[Any, Any]
"""Type parameter -> its type argument."""


class Unwrapped(NamedTuple):
    """A type without its wrappers.

    Attributes:
        annotation: The type.
        metadata: What ``Annotated`` adds to it, innermost first.
        aliases: The type aliases that led to it.
        is_optional: Whether None is allowed.
    """

    annotation: Any
    metadata: tuple[Any, ...] = ()
    aliases: tuple[Any, ...] = ()
    is_optional: bool = False


class UnresolvedError(Exception):
    """An alias does not resolve to a type; the message says why and what to write."""


def unwrapped(annotation: Any) -> Unwrapped:
    """Return the type inside its wrappers, with their metadata.

    Raises:
        UnresolvedError: if an alias is recursive, uses an undefined name, or lacks arguments.
    """
    metadata: tuple[Any, ...] = ()
    aliases: tuple[Any, ...] = ()
    is_optional = annotation is Any
    while not isinstance(annotation, type):  # most need no unwrapping
        origin = typing.get_origin(annotation)
        inner = _inner(annotation, origin)
        if inner is annotation:
            break
        if is_alias(annotation):
            if annotation in aliases:
                raise UnresolvedError(contains_itself(annotation))
            aliases = (*aliases, annotation)
        metadata = (*getattr(annotation, "__metadata__", ()), *metadata)
        is_optional |= origin in _OPTIONAL or inner is Any
        annotation = inner
    return Unwrapped(annotation, metadata, aliases, is_optional)


def _inner(annotation: Any, origin: Any) -> Any:
    """Return the content of the outermost wrapper, or the annotation itself if it has none."""
    if origin is Annotated:
        return typing.get_args(annotation)[0]
    if origin in _OPTIONAL:
        return _without_none(annotation)
    if annotation is pydantic.JsonValue:
        return Any  # a recursive alias of any JSON value
    if is_alias(annotation):
        return alias_value(annotation)
    return annotation.__supertype__ if isinstance(annotation, typing.NewType) else annotation


def contains_itself(alias: Any) -> str:
    """Return the error message for a recursive alias."""
    return (
        f"expected a finite type, got the type alias {alias}, which contains itself; bound the "
        "depth with separate types, or keep the field as JSONObject"
    )


def is_union(annotation: Any) -> bool:
    """Return whether it is a union in either syntax."""
    return typing.get_origin(annotation) in _UNIONS


def is_alias(annotation: Any) -> bool:
    """Return whether it is a ``type`` alias, possibly generic with arguments."""
    return isinstance(typing.get_origin(annotation) or annotation, _ALIASES)


def alias_value(alias: Any) -> Any:
    """Return the value of an alias, with its type arguments substituted.

    Raises:
        UnresolvedError: if a name in it is undefined, or type arguments are missing.
    """
    origin = typing.get_origin(alias) or alias
    parameters, arguments = origin.__type_params__, typing.get_args(alias)
    if len(parameters) != len(arguments):
        names = ", ".join(map(str, parameters))
        raise UnresolvedError(
            f"expected type arguments for {names} of the type alias {origin}, got "
            f"{len(arguments)}; write {origin}[...]"
        )
    return substituted(_evaluated(origin), dict(zip(parameters, arguments, strict=True)))


def substituted(annotation: Any, arguments: Substitution) -> Any:
    """Return an annotation with type arguments substituted for its type parameters."""
    if isinstance(annotation, typing.TypeVar):
        return arguments.get(annotation, annotation)
    own = getattr(annotation, "__pydantic_generic_metadata__", {}).get("parameters")
    if own and isinstance(annotation, type):
        return annotation[tuple(arguments.get(parameter, parameter) for parameter in own)]  # type: ignore[index] # generic
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if not arguments or not parts or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(substituted(parts[0], arguments), *parts[1:])]
    replaced = tuple(substituted(part, arguments) for part in parts)
    if origin in _UNIONS:
        return Union[replaced]  # noqa: UP007 - built
    return origin[replaced] if replaced != parts else annotation


def _evaluated(alias: Any) -> Any:
    """Return the value of an alias, with quoted names resolved in its module."""
    names = vars(sys.modules[alias.__module__]) if alias.__module__ in sys.modules else {}
    try:
        holder = types.SimpleNamespace(__annotations__={"value": alias.__value__})
        return typing_extensions.get_type_hints(holder, names, {}, include_extras=True)["value"]
    except Exception as error:  # evaluating an annotation may raise anything
        missing = getattr(error, "name", None) or f"{type(error).__name__}: {error}"
        raise UnresolvedError(
            f"expected the type alias {alias} to use names defined in {alias.__module__}, got "
            f"{missing}; import or define it there"
        ) from error


def _without_none(annotation: Any) -> Any:
    """Remove None from a union: in Python it means «may be absent»; the API server drops nulls."""
    parts = typing.get_args(annotation)
    if is_union(annotation) and type(None) in parts:
        rest = tuple(part for part in parts if part is not type(None))
        return Union[rest]  # noqa: UP007 - built
    if typing.get_origin(annotation) is Literal and None in parts and len(parts) > 1:
        return Literal[tuple(part for part in parts if part is not None)]
    return annotation
