"""The import statements of a module, sorted as ruff does. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from schemagen.migrate.importing.python import layout

SOURCES: Final[Mapping[str, frozenset[str]]] = {
    "typing": frozenset({"Annotated", "Any", "Final", "Literal"}),
    "pydantic": frozenset({"ConfigDict", "Field"}),
    "schemagen": frozenset(
        {"Api", "Atomic", "Cel", "Column", "EmbeddedResource", "ExternalConversion"}
        | {"ExternalDocs", "Format", "Granular", "JSONObject", "Keywords", "Kind", "ListMap"}
        | {"ListSet", "Model", "Nullable", "ObjectMeta", "Resource", "Scale", "Spec", "Status"}
        | {"Version", "wire"}
    ),
}
"""Modules that imported models use, and what they take from them."""
STANDARD: Final = "typing"


def import_lines(used: AbstractSet[str], beside: Mapping[str, AbstractSet[str]]) -> Iterator[str]:
    """Yield the lines that import some names.

    Args:
        used: Names that a module uses.
        beside: Names by module of the same package; the empty name is the package.
    """
    standard = [*_from(STANDARD, used & SOURCES[STANDARD])]
    others = [
        line
        for module in sorted(SOURCES.keys() - {STANDARD})
        for line in _from(module, used & SOURCES[module])
    ]
    own = [line for module in sorted(beside) for line in _from(f".{module}", beside[module])]
    is_first = True
    for lines in filter(None, (standard, others, own)):
        yield from [] if is_first else [""]
        yield from lines
        is_first = False


def _from(module: str, names: Iterable[str]) -> Iterator[str]:
    ordered = sorted(names, key=_rank)
    if not ordered:
        return
    line = f"from {module} import {', '.join(ordered)}"
    if len(line) <= layout.WIDTH:
        yield line
        return
    yield f"from {module} import ("
    yield from (f"    {name}," for name in ordered)
    yield ")"


def _rank(name: str) -> tuple[int, str]:
    """Return the order of isort: constants, classes, variables."""
    is_constant = name.isupper() and len(name) > 1
    return (0 if is_constant else 1 if name[0].isupper() else 2, name)
