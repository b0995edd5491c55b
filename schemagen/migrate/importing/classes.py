"""Classes and assignments of a module of models, each after what it needs. Pure."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from schemagen.migrate.importing import docstrings, names, types
from schemagen.migrate.importing.kinds import Version
from schemagen.migrate.importing.naming import Named
from schemagen.migrate.importing.python import expressions, layout
from schemagen.migrate.importing.python.expressions import (
    Call,
    Expression,
    List,
    Name,
    Optional,
    Reference,
    Value,
)

_INDENT: Final = "    "


@dataclasses.dataclass(frozen=True)
class Statement:
    """A statement of a module.

    Attributes:
        text: Without its line end.
        imports: Names that it takes from elsewhere.
        is_class: Whether it is a class.
    """

    text: str
    imports: tuple[str, ...]
    is_class: bool = False


class Writer:
    """Writes the types of one module.

    Args:
        collected: The types of all modules.
        named: Their names.
        own: Keys of the types of this module; None for all.
        modules: Whether root classes are reached through the modules of their versions.
    """

    def __init__(
        self,
        collected: types.Types,
        named: Named,
        own: frozenset[str] | None = None,
        *,
        modules: bool = False,
    ) -> None:
        self._types, self._named, self._own, self._modules = collected, named, own, modules
        self._done: set[str] = set()
        self.foreign: set[str] = set()
        """Types of other modules that were used."""

    def statements(self, keys: Iterable[str]) -> Iterator[Statement]:
        """Yield types and what they need, each after what it needs."""
        for key in keys:
            yield from self._statements(key)

    def assignment(self, name: str, value: Expression, annotation: str = "") -> str:
        """Return an assignment."""
        head = f"{name}: {annotation} = " if annotation else f"{name} = "
        return layout.written((head, *expressions.laid_out(value, self._named.of)))

    def root(self, version: Version) -> Expression:
        """Return the root class of a version."""
        if self._modules:
            return Name(f"{version.name}.{self._named.of(version.key)}")
        return Reference(version.key)

    def _statements(self, key: str) -> Iterator[Statement]:
        if key in self._done:
            return
        self._done.add(key)
        if self._own is not None and key not in self._own:
            self.foreign.add(key)
            return
        parts = [self._named.resolved(part) for part in self._types.expressions(key)]
        for part in parts:
            yield from self.statements(expressions.references(part))
        used = tuple(name for part in parts for name in expressions.imported(part))
        if key in self._types.classes:
            yield self._class(key, used)
        elif key in self._types.aliases:
            yield Statement(self.assignment(self._named.of(key), parts[0]), used)
        else:
            text = self.assignment(self._named.of(key), parts[0], "Final[Any]")
            yield Statement(text, ("Final", "Any"))

    def _class(self, key: str, used: tuple[str, ...]) -> Statement:
        class_, use = self._types.class_(key), self._types.classes[key]
        place = min(use.places, key=len)
        base = class_.base or Name("Model")
        arguments = expressions.class_arguments(
            (base,), [*_class_arguments(class_)], self._named.of
        )
        lines = [f"{layout.written(('class ', self._named.of(key), arguments, ':'))}"]
        lines.append(f'{_INDENT}"""{docstrings.docstring(use.texts, place)}"""')
        if class_.is_open:
            lines += ["", f'{_INDENT}model_config = ConfigDict(extra="allow")']
        fields = [*self._fields(class_)]
        lines += ["", *(text for text, _ in fields)] if fields else []
        imports = [*used, *expressions.imported(base), *(n for _, own in fields for n in own)]
        imports += ["ConfigDict"] if class_.is_open else []
        imports += [n for _, value in _class_arguments(class_) for n in expressions.imported(value)]
        return Statement("\n".join(lines), tuple(imports), is_class=True)

    def _fields(self, class_: types.Class) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the lines of a class's fields, and what they import."""
        wire_names = [field.wire_name for field in class_.fields]
        chosen = names.field_names(wire_names, is_root=bool(class_.metadata))
        for field in class_.fields:
            name = _ENVELOPE.get(field.wire_name) if _is_envelope(class_) else None
            yield self._field(name or chosen[field.wire_name], field)

    def _field(self, name: str, field: types.Field) -> tuple[str, tuple[str, ...]]:
        annotation = self._named.resolved(field.annotation)
        if field.is_optional and annotation != Name("Any") and not _accepts_none(annotation):
            annotation = Optional(annotation)
        value = _value(name, field)
        typed = expressions.laid_out(annotation, self._named.of)
        shown = () if value is None else (" = ", *expressions.laid_out(value, self._named.of))
        if isinstance(annotation, Optional):
            typed = _parenthesized(f"{name}: ", typed, shown)
        imports = () if value is None else tuple(expressions.imported(value))
        text = layout.written((f"{name}: ", *typed, *shown), len(_INDENT))
        return f"{_INDENT}{text}", imports


def _parenthesized(
    head: str, typed: Sequence[layout.Doc], shown: Sequence[layout.Doc]
) -> tuple[layout.Doc, ...]:
    """Return a union in parentheses if a field does not begin on one line with it."""
    line = _INDENT + head + layout.flat(typed) + layout.flat(shown).partition("(")[0] + "("
    is_call = "(" in layout.flat(shown)
    if len(line) - (not is_call) <= layout.WIDTH:
        return tuple(typed)
    return ("(", layout.Indent((_LINE, *typed)), _LINE, ")")


_LINE: Final = layout.Break("\n")
_ENVELOPE: Final = {"apiVersion": "api_version", "kind": "kind", "metadata": "metadata"}


def _is_envelope(class_: types.Class) -> bool:
    return class_.base == Name("Resource") and not class_.metadata


def _accepts_none(annotation: Expression) -> bool:
    match annotation:
        case Optional():
            return True
        case expressions.Subscript("Annotated", (Optional(), *_)):
            return True
        case expressions.Subscript("Annotated", (Name("Any"), *_)):
            return True
        case _:
            return False


def _value(name: str, field: types.Field) -> Expression | None:
    """Return what a field is assigned: its default, or ``Field(...)``."""
    default = Value(None) if field.is_optional else field.default
    named: list[tuple[str, Expression]] = []
    if default is not None:
        named.append(("default", default))
    if names.needs_alias(name, field.wire_name):
        named.append(("alias", Value(field.wire_name)))
    named += field.documentation
    if not named:
        return None
    return default if default is not None and len(named) == 1 else Call("Field", (), tuple(named))


def _class_arguments(class_: types.Class) -> Iterator[tuple[str, Expression]]:
    yield from class_.metadata
    if class_.rules:
        yield "rules", List(class_.rules)
    if class_.keywords:
        yield "keywords", Value(dict(class_.keywords))
