"""Pieces of YAML text: scalars in the style of another one, values in brackets, indentation."""

import json
import re

from schemagen import yaml
from schemagen.problems import JSON
from schemagen.yaml import scalars
from schemagen.yaml.syntax import nodes

_MAX_ESCAPED = 0xFFFF
_LITERAL = re.compile(r"\|[-+]?")
_PLAIN_IN_FLOW = re.compile(r"[A-Za-z0-9_/][-A-Za-z0-9_./]*")


def scalar(value: JSON, column: int, quote: str = "") -> str:
    """Write a scalar as the value of a key at a column; a string in quotes if so preferred."""
    if isinstance(value, str) and quote and value.isprintable():
        if quote == "'":
            return "'" + value.replace("'", "''") + "'"
        return json.dumps(value, ensure_ascii=False)
    return shifted(yaml.dumps({"k": value})[len("k: ") : -1], column)


def key(name: str, quote: str = "") -> str:
    """Write a key."""
    if quote:
        return scalar(name, 0, quote)
    return yaml.dumps({name: 0})[: -len(": 0\n")]


def block(text: str, value: str) -> str | None:
    """Write other text in place of a literal block, indented alike; None if that cannot be."""
    header, _, body = text.partition("\n")
    lines_ = [line for line in body.split("\n") if line.strip()]
    if not _LITERAL.fullmatch(header.partition("#")[0].rstrip()) or not lines_:
        return None
    pad = lines_[0][: len(lines_[0]) - len(lines_[0].lstrip(" "))]
    written = value.removesuffix("\n").split("\n")
    if not written[0].strip() or written[0].startswith((" ", "\t")) or not written[-1].strip():
        return None
    return "\n".join([header, *(f"{pad}{line}" if line else line for line in written)])


def quote_of(text: str, node: nodes.Node | None) -> str:
    """Return the quote that a scalar is written in; empty if none."""
    if not isinstance(node, nodes.Scalar):
        return ""
    first = text[node.span.start : node.span.start + 1]
    return first if first in {"'", '"'} else ""


def flow(value: JSON, *, is_json: bool, indent: int = 0, column: int = 0) -> str:
    """Write a value in brackets; over lines if there is an indentation."""
    if isinstance(value, dict | list) and value:
        inner = column + indent
        items = [
            flow(item, is_json=is_json, indent=indent, column=inner)
            if isinstance(value, list)
            else f"{flow(item, is_json=is_json)}: "
            + flow(value[item], is_json=is_json, indent=indent, column=inner)
            for item in value
        ]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        if not indent:
            return f"{opening}{', '.join(items)}{closing}"
        lines = f",\n{' ' * inner}".join(items)
        return f"{opening}\n{' ' * inner}{lines}\n{' ' * column}{closing}"
    is_plain = isinstance(value, str) and not is_json and _PLAIN_IN_FLOW.fullmatch(value)
    if is_plain and scalars.is_text(value):
        return str(value)
    return json_text(value)


def json_text(value: JSON) -> str:
    """Write a scalar as JSON that is YAML as well: what is not visible is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    # YAML has no pairs of surrogates, but any character beyond 16 bits.
    return "".join(
        char if char.isprintable() or ord(char) > _MAX_ESCAPED else f"\\u{ord(char):04x}"
        for char in text
    )


def shifted(text: str, columns: int) -> str:
    """Indent all lines but the first one by more or fewer columns."""
    first, *rest = text.split("\n")
    if columns >= 0:
        pad = " " * columns
        return "\n".join([first, *(f"{pad}{line}" if line else line for line in rest)])
    return "\n".join([first, *(_outdented(line, -columns) for line in rest)])


def _outdented(line: str, columns: int) -> str:
    indentation = len(line) - len(line.lstrip(" "))
    return line[min(columns, indentation) :]


def lines(pad: str, comments: list[str]) -> str:
    """Write comments on lines of their own, each after a line feed."""
    return "".join(f"\n{pad}{comment}" for comment in comments)
