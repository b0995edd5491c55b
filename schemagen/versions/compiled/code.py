"""Source code of compiled conversions: reading and building structs, and their preconditions."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET

from schemagen.schema.structural import Schema
from schemagen.versions.compiled import structs
from schemagen.versions.footprint import STAR
from schemagen.versions.steps import Path

Names: TypeAlias = dict[Path, str]
"""Expressions for the values at paths of an object."""


class InexactError(Exception):
    """An object may not convert without loss; ``graph`` determines what is lost."""


class Code:
    """The body of a function under construction, and its constants."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._values: dict[str, Any] = {"UNSET": UNSET, "InexactError": InexactError}
        self._depth = 1
        self._numbers = itertools.count()
        self.with_defaults = True

    def line(self, text: str) -> None:
        """Add a line."""
        self.lines.append("    " * self._depth + text)

    @contextlib.contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Indent lines added inside the context below a line like ``if x:``."""
        self.line(head)
        self._depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._depth -= 1

    def require(self, condition: str) -> None:
        """Abort the conversion unless a condition holds."""
        self.line(f"if not ({condition}): raise InexactError")

    def require_absent(self, names: Sequence[str]) -> None:
        """Abort the conversion if any of these is set."""
        if names:
            self.require(" is ".join([*names, "UNSET"]))

    def name(self) -> str:
        """Return a new variable."""
        return f"x{next(self._numbers)}"

    def constant(self, value: Any) -> str:
        """Return the name of a constant."""
        name = f"c{next(self._numbers)}"
        self._values[name] = value
        return name

    def function(self) -> tuple[Callable[[Any], Any], str]:
        """Return the function of one argument, ``value``, and its source."""
        text = "\n".join(["def run(value):", *self.lines])
        # Source code of our own, as in dataclasses and attrs: names are numbers, words are repr().
        exec(compile(text, "<conversion>", "exec"), self._values)  # noqa: S102
        return self._values["run"], text


Emit: TypeAlias = Callable[[Code, str], str]
"""Writes the conversion of a named value, and returns the expression of the result."""


def same(code: Code, value: str) -> str:
    """Keep the value."""
    del code
    return value


def calling(function: Callable[[Any], Any]) -> Emit:
    """Return the call of a function on the value."""
    return lambda code, value: f"{code.constant(function)}({value})"


def function(emit: Emit) -> tuple[Callable[[Any], Any], str]:
    """Return a conversion function and its source."""
    code = Code()
    code.line(f"return {emit(code, 'value')}")
    return code.function()


def schema_at(schema: Schema, path: Path) -> Schema | None:
    """Return the schema of the field at a path; of its object for a ``STAR``."""
    for name in path:
        if name == STAR:
            return schema
        found = schema.get("properties", {}).get(name)
        if found is None:
            return None
        schema = found
    return schema


def read(
    code: Code, schema: Schema, value: str, paths: Iterable[Path], *, with_defaults: bool = True
) -> Names:
    """Name the values at paths of a struct, and require that nothing else is set.

    Args:
        code: Code of the function.
        schema: The struct's schema.
        value: Its name.
        paths: The paths to read.
        with_defaults: Whether other fields may have their defaults.
    """
    found: Names = {path: code.name() for path in dict.fromkeys(paths)}
    code.with_defaults = with_defaults
    _read_into(code, schema, value, found)
    return found


def _read_into(code: Code, schema: Schema, value: str, found: Names) -> None:
    below = _by_first_name(found)
    others = {}
    for name, child in schema["properties"].items():
        field = f"{value}.{structs.attribute(name)}"
        is_typed = structs.type_of(child) is not None
        if name in below:
            _read_field(code, child, field if is_typed else "UNSET", below.pop(name))
        elif is_typed:
            others[name] = field
    if STAR in below:
        _read_others(code, others, below.pop(STAR)[()])
    else:
        fields = {field: schema["properties"][name] for name, field in others.items()}
        _require_default(code, fields, [*found.values()])
    for inner in below.values():  # fields that the schema lacks
        code.line(f"{' = '.join(inner.values())} = UNSET")


def _require_default(code: Code, fields: Mapping[str, Schema], beside: Sequence[str]) -> None:
    """Abort the conversion if a field without a counterpart is set to other than its default.

    If it is alone, the object would vanish with the field.
    """
    is_more = " or ".join(f"{other} is not UNSET" for other in beside)
    strict = []
    for field, schema in fields.items():
        default = schema.get("default")
        if code.with_defaults and type(default) in _SCALARS and is_more:
            code.require(f"{field} is UNSET or ({field} == {default!r} and ({is_more}))")
        else:
            strict.append(field)
    code.require_absent(strict)


_SCALARS: Final = (str, int, float, bool)


def _read_field(code: Code, schema: Schema, field: str, inner: Names) -> None:
    if () in inner:
        if len(inner) > 1:
            raise ValueError(f"expected a field or what is in it, got both: {[*inner]}")
        code.line(f"{inner[()]} = {field}")
        return
    code.line(f"{' = '.join(inner.values())} = UNSET")
    with code.block(f"if {field} is not UNSET:"):
        _read_into(code, schema, field, inner)
        code.require(" or ".join(f"{variable} is not UNSET" for variable in inner.values()))


def _read_others(code: Code, fields: Mapping[str, str], variable: str) -> None:
    """Collect fields as a plain object; UNSET if there are none."""
    plain = code.constant(msgspec.to_builtins)
    code.line(f"{variable} = {{}}")
    for name, field in fields.items():
        with code.block(f"if {field} is not UNSET:"):
            code.line(f"{variable}[{name!r}] = {plain}({field})")
    code.line(f"{variable} = {variable} or UNSET")


def _by_first_name(names: Names) -> dict[str, Names]:
    below: dict[str, Names] = {}
    for (name, *rest), value in names.items():
        below.setdefault(name, {})[tuple(rest)] = value
    return below


def struct(code: Code, schema: Schema, fields: Mapping[str, str]) -> str:
    """Return the expression for a new struct."""
    values = [
        fields.get(name, "UNSET")
        for name, child in schema["properties"].items()
        if structs.type_of(child) is not None
    ]
    while values and values[-1] == "UNSET":
        values.pop()
    return f"{code.constant(structs.type_of(schema))}({', '.join(values)})"


def constructed(code: Code, schema: Schema, made: Names) -> str:
    """Return the expression for a new struct with values at paths, and parents of set values."""
    below = _by_first_name(made)
    fields = {
        name: inner[()] if () in inner else _object(code, schema["properties"][name], inner)
        for name, inner in below.items()
    }
    return struct(code, schema, fields)


def _object(code: Code, schema: Schema, inner: Names) -> str:
    """Return the name of a struct with values in it, or of UNSET if none is set."""
    result = code.name()
    with code.block(f"if {' or '.join(f'{value} is not UNSET' for value in inner.values())}:"):
        if (STAR,) in inner:
            _complete(code, schema, inner, result)
        else:
            code.line(f"{result} = {constructed(code, schema, inner)}")
    with code.block("else:"):
        code.line(f"{result} = UNSET")
    return result


def _complete(code: Code, schema: Schema, inner: Names, result: str) -> None:
    """Add fields to a struct that holds the others, or to a new one."""
    others = inner[(STAR,)]
    code.line(f"{result} = {struct(code, schema, {})} if {others} is UNSET else {others}")
    for path, value in inner.items():
        if path != (STAR,):
            (name,) = path
            field = f"{result}.{structs.attribute(name)}"
            code.require(f"{field} is UNSET")
            code.line(f"{field} = {value}")
