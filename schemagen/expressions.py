"""CEL as authors write it -> CEL as the API server reads it: Python names and reserved words.

Only member names are touched (``self.max_size``, ``x.namespace``), never text in quotes.
"""

import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pydantic
import typing_extensions

from schemagen.keywords import SchemaError

# What CEL reserves and Kubernetes therefore escapes (k8s.io/apiserver 1.37, cel/escaping.go).
RESERVED: Final = frozenset(
    {
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for"),
        *("function", "if", "import", "let", "loop", "package", "namespace", "return", "var"),
        *("void", "while"),
    }
)

# Quoted text in its eight forms, raw or of bytes too, and comments; or a member's name.
_TOKENS = re.compile(
    r"""(?P<kept>(?:\b[rRbB]{1,2})?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |//[^\n]*)
    |(?P<dot>\.\s*\??\s*)(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<call>\s*\()?""",
    re.DOTALL | re.VERBOSE,
)

Names = Mapping[str, frozenset[str]]
"""Python name -> the wire names that it has in the models at hand."""


def wire_expression(text: str, names: Names, where: str) -> str:
    """An expression with wire names, reserved ones escaped.

    Args:
        text: CEL.
        names: Names of the fields that the expression may reach; a wire name stands for itself.
        where: For the message.

    Raises:
        SchemaError: if a Python name has two wire names there.
    """

    def replaced(token: re.Match[str]) -> str:
        if token["name"] is None or token["call"]:
            return token[0]
        return f"{token['dot']}{_wire_name(token['name'], names, where)}"

    return _TOKENS.sub(replaced, text)


def wire_path(path: str, names: Names, where: str) -> str:
    """A field path such as ``.spec.max_size`` with wire names; nothing is escaped in it."""
    return re.sub(
        r"\.([A-Za-z_][A-Za-z0-9_]*)", lambda step: "." + _chosen(step[1], names, where), path
    )


def names_of(model: type[pydantic.BaseModel]) -> Names:
    """The Python and wire names of the fields of a model and of all models below it."""
    names: dict[str, set[str]] = {}
    waiting: list[Any] = [model]
    seen: set[Any] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, typing_extensions.TypeAliasType):
            waiting.append(found.__value__)
        waiting.extend(typing.get_args(found))
        if not (isinstance(found, type) and issubclass(found, pydantic.BaseModel)) or found in seen:
            continue
        seen.add(found)
        for name, field in found.model_fields.items():
            wire = field.alias or name
            names.setdefault(name, set()).add(wire)
            names.setdefault(wire, set()).add(wire)
            waiting.append(field.annotation)
    return {name: frozenset(wires) for name, wires in names.items()}


def member_names(text: str) -> Iterator[str]:
    """The names of the members that an expression reads."""
    for token in _TOKENS.finditer(text):
        if token["name"] is not None and not token["call"]:
            yield token["name"]


def _wire_name(name: str, names: Names, where: str) -> str:
    wire = _chosen(name, names, where)
    return f"__{wire}__" if wire in RESERVED else wire


def _chosen(name: str, names: Names, where: str) -> str:
    found = names.get(name, frozenset())
    if len(found) > 1:
        raise SchemaError(
            f"{where}: expected a name with one meaning in a rule, got {name}, which is "
            f"{' and '.join(sorted(found))} on the wire; write the wire name"
        )
    return next(iter(found), name)
