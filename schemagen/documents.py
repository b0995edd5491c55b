"""YAML documents that remember where each field stands."""

import dataclasses
import re
from collections.abc import Iterator

import yaml

from schemagen.problems import JSON, UserError

_PARTS = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class DocumentError(UserError, ValueError):
    """A text is no YAML, or a document of it is no object: the user reads where and why."""


@dataclasses.dataclass(frozen=True)
class Document:
    """One object of a YAML text.

    Attributes:
        value: The object.
        line: The line of the text that it starts at, from 1.
    """

    value: dict[str, JSON]
    line: int
    _node: yaml.Node = dataclasses.field(repr=False)

    def line_of(self, field: str) -> int:
        """The line of a field as the API server names it, or of what is left of it there.

        ``spec.steps[2].parameters.url``; where a part is missing, the line of what should hold it.
        """
        node, line = self._node, self.line
        for index, name in _PARTS.findall(field):
            found = _child(node, index or name)
            if found is None:
                return line
            node, line = found
        return line


def read(text: str, source: str) -> Iterator[Document]:
    """The objects of a YAML or JSON text, those of a List one by one; empty documents left out.

    Raises:
        DocumentError: naming source and line.
    """
    loader = yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            value = loader.construct_document(node) if node is not None else None
            if node is not None and value is not None:
                yield from _objects(value, node, source)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        problem = getattr(error, "problem", None) or str(error)
        raise DocumentError(f"{source}:{line}: expected YAML: {problem}") from error
    finally:
        loader.dispose()


def _objects(value: JSON, node: yaml.Node, source: str) -> Iterator[Document]:
    line = node.start_mark.line + 1
    if not isinstance(value, dict):
        raise DocumentError(
            f"{source}:{line}: expected an object with apiVersion and kind, got a "
            f"{type(value).__name__}"
        )
    items = _child(node, "items")
    if value.get("kind") != "List" or items is None or not isinstance(value["items"], list):
        yield Document(value, line, node)
        return
    for item, child in zip(value["items"], items[0].value, strict=True):
        yield from _objects(item, child, source)


def _child(node: yaml.Node, key: str) -> tuple[yaml.Node, int] | None:
    """The node of a member or item, and its line."""
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return value, name.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        item = node.value[int(key)]
        return item, item.start_mark.line + 1
    return None
