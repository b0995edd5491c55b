"""Places of a document: its nodes by the path of keys and indices that leads to them."""

import bisect
import contextlib
import dataclasses
import re
from typing import TypeAlias

from schemagen import yaml
from schemagen.problems import JSON
from schemagen.versions.steps import ABSENT
from schemagen.yaml import scalars
from schemagen.yaml.syntax import characters, nodes, parser

Place: TypeAlias = tuple[str | int, ...]
"""``("spec", "steps", 0, "name")``."""

_MERGE = "<<"
_COMMENT = re.compile(r"(?<![^\s])#[^\n]*")
# What JSON has and YAML 1.1 has not, but for escapes of both.
_JSON_ESCAPE = re.compile(r"\\/|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|(?<=\\)\\")
# The end of the line on which a block scalar starts.
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*(?=#)")


def at(value: JSON, place: Place) -> JSON:
    """Return the value at a place, or ABSENT."""
    for part in place:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part, ABSENT)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return ABSENT
    return value


def text_of(place: Place) -> str:
    """Return a place in API server notation: ``spec.steps[0].name``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return "".join(parts).removeprefix(".")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A field of an object, or an item of a list.

    Attributes:
        place: Its place; that of a merge ends with ``<<``.
        key: The node of its key; None for an item.
        value: The node of its value.
        first: Where it starts: its key, or its dash.
        content: Where the text of its value starts, after the colon or the dash.
    """

    place: Place
    key: nodes.Node | None
    value: nodes.Node
    first: int
    content: int


class UnsupportedError(Exception):
    """A document is written in a way that edits do not handle, such as explicit keys."""


class Tree:
    """The nodes of a document by place; nothing below an alias has a place.

    Attributes:
        text: The document's text.
        root: Its outermost node.
    """

    def __init__(self, text: str, root: nodes.Node) -> None:
        self.text, self.root = text, root
        self._entries: dict[Place, list[Entry]] = {}
        self._by_place: dict[Place, Entry] = {}
        self._anchored: dict[int, Place] = {}
        self._scalars: list[tuple[int, int]] = []
        self._add(root, ())
        self.comments = self._found_comments()

    def entries(self, place: Place) -> list[Entry]:
        """Return the fields or items of a collection."""
        return self._entries.get(place, [])

    def entry(self, place: Place) -> Entry | None:
        """Return a field or an item."""
        return self._by_place.get(place)

    def node(self, place: Place) -> nodes.Node | None:
        """Return the node at a place."""
        if not place:
            return self.root
        entry = self._by_place.get(place)
        return entry.value if entry else None

    def target(self, alias: nodes.Alias) -> Place | None:
        """Return the place that an alias refers to."""
        return self._anchored.get(id(alias.node))

    def lead(self, entry: Entry) -> tuple[int, int]:
        """Return where the lines between an entry and the one before it start and end."""
        siblings = self.entries(entry.place[:-1])
        index = next(i for i, one in enumerate(siblings) if one is entry)
        if index:
            return self.end(siblings[index - 1]), entry.first
        parent = self.entry(entry.place[:-1])
        content = parent.content if parent else self.root.span.first
        line = self.text.find("\n", content, entry.first)
        return (entry.first if line < 0 else line), entry.first

    def end(self, entry: Entry) -> int:
        """Return where an entry ends: in a block its line does."""
        end = max(entry.content, entry.value.span.end)
        parent = self.node(entry.place[:-1])
        is_flow = isinstance(parent, nodes.Collection) and parent.is_flow
        return end if is_flow else self.line_end(end)

    def column(self, offset: int) -> int:
        """Return the column of an offset."""
        return offset - self.text.rfind("\n", 0, offset) - 1

    def line_end(self, offset: int) -> int:
        """Return the end of the line of an offset, before its line feed."""
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end

    def line(self, offset: int) -> int:
        """Return the line of an offset, from 0."""
        return self.text.count("\n", 0, offset)

    def comments_in(self, start: int, end: int) -> list[int]:
        """Return the offsets of the comments between two others."""
        low, high = bisect.bisect_left(self.comments, start), bisect.bisect_left(self.comments, end)
        return self.comments[low:high]

    # -- building

    def _add(self, node: nodes.Node, place: Place) -> None:
        rest = [(node, place)]
        while rest:
            node, place = rest.pop()
            if isinstance(node, nodes.Collection):
                self._anchored[id(node)] = place
                entries = self._of_object(node, place)
                entries = self._of_list(node, place) if entries is None else entries
                self._entries[place] = entries
                for entry in entries:
                    self._by_place[entry.place] = entry
                    rest.append((entry.value, entry.place))
            else:
                if isinstance(node, nodes.Scalar):
                    self._anchored[id(node)] = place
                self._scalars.append((node.span.start, node.span.end))

    def _of_object(self, node: nodes.Collection, place: Place) -> list[Entry] | None:
        if node.kind != "object":
            return None
        if node.marks or (not node.is_flow and self._is_in_flow(place)):
            raise UnsupportedError
        found = []
        names = set()
        for key, value in zip(node.children[::2], node.children[1::2], strict=True):
            target = nodes.target(key)
            if not isinstance(target, nodes.Scalar) or isinstance(key, nodes.Alias):
                raise UnsupportedError
            self._scalars.append((key.span.start, key.span.end))
            name = scalars.as_key(scalars.resolve(target)) or ""
            if name in names:
                raise UnsupportedError
            names.add(name)
            colon = self.text.find(":", key.span.end)
            content = value.span.first if colon < 0 else min(colon + 1, value.span.first)
            content = content if self.text[content - 1 : content] == ":" else value.span.first
            found.append(Entry((*place, name), key, value, key.span.first, content))
        return found

    def _of_list(self, node: nodes.Collection, place: Place) -> list[Entry]:
        if node.is_flow:
            return [
                Entry((*place, index), None, item, item.span.first, item.span.first)
                for index, item in enumerate(node.children)
            ]
        pairs = zip(node.marks, node.children, strict=True)
        return [
            Entry((*place, index), None, item, mark, mark + 1)
            for index, (mark, item) in enumerate(pairs)
        ]

    def _is_in_flow(self, place: Place) -> bool:
        parent = self.node(place[:-1]) if place else None
        return isinstance(parent, nodes.Collection) and parent.is_flow

    def _found_comments(self) -> list[int]:
        found: list[int] = []
        position = 0
        for start, end in [*sorted(self._scalars), (len(self.text), len(self.text))]:
            found += [match.start() for match in _COMMENT.finditer(self.text, position, start)]
            header = _HEADER.match(self.text, start, end)
            if header and end > start:
                found.append(header.end())
            position = max(position, end)
        return found


def tree_of(document: yaml.Document) -> Tree:
    """Return the nodes of a document by place.

    Raises:
        UnsupportedError: if it is written in a way that edits do not handle.
    """
    root = document.root
    if root is None:  # JSON that is not YAML: the places of its nodes do not depend on escapes
        text = _JSON_ESCAPE.sub(lambda match: "x" * len(match[0]), document.text)
        with contextlib.suppress(yaml.YAMLError):
            root = parser.parse(characters.decode(text.encode()))
    if root is None:
        raise UnsupportedError
    return Tree(document.text, root)


def is_merge(entry: Entry) -> bool:
    """Return whether an entry merges another object."""
    is_named = entry.place[-1:] == (_MERGE,) and isinstance(entry.key, nodes.Scalar)
    return is_named and isinstance(entry.key, nodes.Scalar) and entry.key.is_plain


def merged_aliases(entry: Entry) -> list[nodes.Alias] | None:
    """Return the aliases that an entry merges; None if it merges anything else."""
    value = entry.value
    if isinstance(value, nodes.Alias):
        return [value]
    if isinstance(value, nodes.Collection) and value.kind == "list":
        aliases = [child for child in value.children if isinstance(child, nodes.Alias)]
        return aliases if len(aliases) == len(value.children) else None
    return None
