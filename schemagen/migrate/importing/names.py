"""Python names of what a schema names: fields, classes, aliases and constants. Pure."""

import builtins
import itertools
import keyword
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pydantic
from pydantic import alias_generators

from schemagen.migrate.importing import types
from schemagen.model import base

_NO_IDENTIFIER: Final = re.compile(r"[^0-9A-Za-z_]+")
_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[A-Z]|[0-9]+")

# Names of the module that annotations use, and Pydantic's own attributes.
_TYPES: Final = frozenset({"str", "int", "float", "bool", "list", "dict", "wire"})
_ATTRIBUTES: Final = frozenset(
    {*dir(pydantic.BaseModel), *dir(base.Model), "model_config", "kind_metadata"}
)
# Of every object.
_ENVELOPE: Final = frozenset({"api_version", "kind", "metadata"})

# Steps that say too little by themselves to name a class.
_GENERAL: Final = frozenset(
    {"spec", "status", "metadata", "template", "items", "item", "data", "value", "values", "config"}
)
_KEPT_PLURAL: Final = re.compile(r"(?:ss|us|is|ics|series|data|dns|tls)$", re.IGNORECASE)

# Endings of plurals, and those of their singulars.
_PLURALS: Final = (
    *(("ies", "y"), ("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x")),
    *(("iases", "ias"), ("tuses", "tus")),
)


def field_names(wire_names: Sequence[str], *, is_root: bool) -> dict[str, str]:
    """Return the Python name of each field of a class."""
    taken: set[str] = set(_ENVELOPE) if is_root else set()
    names: dict[str, str] = {}
    for wire_name in wire_names:
        name = _field_name(wire_name)
        while name in taken:
            name += "_"
        taken.add(name)
        names[wire_name] = name
    return names


def needs_alias(name: str, wire_name: str) -> bool:
    """Return whether a field's wire name does not follow from its Python name."""
    return alias_generators.to_camel(name) != wire_name


def _field_name(wire_name: str) -> str:
    plain = _NO_IDENTIFIER.sub("_", wire_name).strip("_")
    name = "_".join(word.lower() for part in plain.split("_") for word in _WORDS.findall(part))
    if not name:
        return "field"
    if name[0].isdigit():
        return f"field_{name}"
    is_taken = keyword.iskeyword(name) or name in _TYPES or name in _ATTRIBUTES
    return f"{name}_" if is_taken else name


def class_names(
    used: Iterable[tuple[str, types.Used]], taken: Iterable[str], *, versions_apart: bool
) -> dict[str, str]:
    """Return the name of each class or alias, by its key.

    Those nearest to the root choose first: the shortest name that says where it is and is free.

    Args:
        used: Keys and uses.
        taken: Names that are not free.
        versions_apart: Whether each version has names of its own.
    """
    names: dict[str, str] = {}
    free = _Free(taken)
    ordered = sorted(used, key=lambda item: min(map(len, item[1].places)))
    for key, use in ordered:
        place = min(use.places, key=len)
        names[key] = free.first(_candidates(place, versions_apart=versions_apart))
    return names


class _Free:
    def __init__(self, taken: Iterable[str]) -> None:
        # As files and readers may not tell case apart.
        self._taken = {*taken, *dir(builtins), *keyword.kwlist}

    def first(self, candidates: Iterable[str]) -> str:
        name = next(name for name in candidates if name not in self._taken)
        self._taken.add(name)
        return name


def _candidates(place: types.Place, *, versions_apart: bool) -> Iterator[str]:
    """Yield names for what is at a place, the best first."""
    kind, version, *steps = place
    named = _words(steps)
    # ``ClusterTemplate``, not ``ClusterSpecTemplate``.
    words = [kind, *(named[1:] if named[:1] == ["spec"] and len(named) > 1 else named)]
    shortest = next(
        (count for count in range(1, len(words)) if words[-count].lower() not in _GENERAL),
        len(words),
    )
    own = [_camel(words[-count:]) for count in range(shortest, len(words) + 1)]
    yield from own
    if not versions_apart:
        yield from (f"{name}{_camel([version])}" for name in own)
    yield from (f"{own[0]}{number}" for number in itertools.count(2))


def _words(steps: Sequence[str]) -> list[str]:
    """Return the named steps, those to items in the singular."""
    words: list[str] = []
    for step in steps:
        if step in {"[]", "{}"}:
            if words:
                words[-1] = singular(words[-1])
        else:
            words.append(step)
    return words


def singular(word: str) -> str:
    """Return the singular of an English plural, as far as its ending tells."""
    if _KEPT_PLURAL.search(word) or not word.endswith("s") or len(word) == 1:
        return word
    for ending, instead in _PLURALS:
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word.removesuffix(ending) + instead
    return word.removesuffix("s")


def _camel(words: Sequence[str]) -> str:
    """Return ``PodTemplate`` of ``podTemplate``."""
    parts = [part for word in words for part in _NO_IDENTIFIER.sub("_", word).split("_") if part]
    name = "".join(part[0].upper() + part[1:] for part in parts)
    return name if name and not name[0].isdigit() else f"Type{name}"


def constant_name(name: str) -> str:
    """Return ``POD_TEMPLATE`` of ``PodTemplate``."""
    return "_".join(word.upper() for word in _WORDS.findall(name))
