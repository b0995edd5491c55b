"""Source code of compiled conversions: reading and building structs, and their preconditions."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import UNSET

from schemagen.structural import Schema
from schemagen.versions import structs
from schemagen.versions.footprint import STAR
from schemagen.versions.steps import Path

Names: TypeAlias = dict[Path, str]
"""Expressions for what stands at paths of an object."""


class InexactError(Exception):
    """An object that may lose something; ``graph`` finds out what."""


class Code:
    """The body of a function while it is written, and the values that it names."""

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
        """What is added inside the context stands below a line like ``if x:``."""
        self.line(head)
        self._depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.line("pass")
        self._depth -= 1

    def require(self, condition: str) -> None:
        """End the attempt unless something holds."""
        self.line(f"if not ({condition}): raise InexactError")

    def require_absent(self, names: Sequence[str]) -> None:
        """End the attempt if any of these is there."""
        if names:
            self.require(" is ".join([*names, "UNSET"]))

    def name(self) -> str:
        """A new variable."""
        return f"x{next(self._numbers)}"

    def constant(self, value: Any) -> str:
        """The name of a value that is there when the code runs."""
        name = f"c{next(self._numbers)}"
        self._values[name] = value
        return name

    def function(self) -> tuple[Callable[[Any], Any], str]:
        """The function of one argument, ``value``, and its text."""
        text = "\n".join(["def run(value):", *self.lines])
        # Our own text, as dataclasses and attrs make theirs: names are numbers, words are repr().
        exec(compile(text, "<conversion>", "exec"), self._values)  # noqa: S102
        return self._values["run"], text


Emit: TypeAlias = Callable[[Code, str], str]
"""Writes how the value of a name converts, and answers the expression for what it becomes."""


def same(code: Code, value: str) -> str:
    """The value as it is."""
    del code
    return value


def calling(function: Callable[[Any], Any]) -> Emit:
    """What a function makes of the value."""
    return lambda code, value: f"{code.constant(function)}({value})"


def function(emit: Emit) -> tuple[Callable[[Any], Any], str]:
    """A function that converts, and its text."""
    code = Code()
    code.line(f"return {emit(code, 'value')}")
    return code.function()


def schema_at(schema: Schema, path: Path) -> Schema | None:
    """The schema of the field at a path; of its object for a ``STAR``."""
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
    """Name what stands at the paths of a struct, and require that nothing stands elsewhere.

    Args:
        code: Of the function.
        schema: The struct's.
        value: Its name.
        paths: What is read.
        with_defaults: Whether what is as by default may stand elsewhere.
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
    for inner in below.values():  # fields that the schema does not have
        code.line(f"{' = '.join(inner.values())} = UNSET")


def _require_default(code: Code, fields: Mapping[str, Schema], beside: Sequence[str]) -> None:
    """End the attempt if there is a field without a place, unless it is as by default.

    Without anything beside it, the object would go with the field.
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
    """The expression for a new struct."""
    values = [
        fields.get(name, "UNSET")
        for name, child in schema["properties"].items()
        if structs.type_of(child) is not None
    ]
    while values and values[-1] == "UNSET":
        values.pop()
    return f"{code.constant(structs.type_of(schema))}({', '.join(values)})"


def constructed(code: Code, schema: Schema, made: Names) -> str:
    """The expression for a new struct with values at paths; objects on the way if one is there."""
    below = _by_first_name(made)
    fields = {
        name: inner[()] if () in inner else _object(code, schema["properties"][name], inner)
        for name, inner in below.items()
    }
    return struct(code, schema, fields)


def _object(code: Code, schema: Schema, inner: Names) -> str:
    """The name of a struct with values in it, or of UNSET if none is there."""
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
