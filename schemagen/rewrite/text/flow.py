"""Edit what is written in brackets: JSON, and flow style in YAML."""

import collections
import dataclasses
import typing

from schemagen.rewrite.text import pieces
from schemagen.rewrite.text.places import Place, Tree, at
from schemagen.yaml.syntax import nodes

if typing.TYPE_CHECKING:
    from schemagen.problems import JSON
    from schemagen.rewrite.text.writer import Writer


_SPACE = " \n\t"


@dataclasses.dataclass(frozen=True)
class Style:
    """How a document is written.

    Attributes:
        is_json: Whether it is JSON.
        step: The indentation of a nested object.
        list_step: The indentation of a list's dashes.
    """

    is_json: bool
    step: int
    list_step: int

    @classmethod
    def of(cls, tree: Tree) -> "Style":
        """Return the style of most of a document."""
        steps: list[int] = []
        list_steps: list[int] = []
        rest: list[tuple[nodes.Node, int]] = [(tree.root, -1)]
        while rest:
            node, column = rest.pop()
            if not isinstance(node, nodes.Collection):
                continue
            here = tree.column(node.span.start)
            if column >= 0 and not node.is_flow:
                (list_steps if node.kind == "list" else steps).append(here - column)
            children = node.children[1::2] if node.kind == "object" else node.children
            inner = here if node.kind == "object" and not node.is_flow else -1
            rest += [(child, inner) for child in children]
        is_json = isinstance(tree.root, nodes.Collection) and tree.root.is_flow
        return cls(is_json, _usual(steps, 2), _usual(list_steps, 0))

    def indent(self, value: "JSON", *, is_item: bool) -> int:
        """Return how much deeper than its key or dash the entries of a value are."""
        if is_item:
            return 2
        return self.step if isinstance(value, dict) else self.list_step

    def fresh(self, value: "JSON", column: int) -> str:
        """Write a value in brackets."""
        return pieces.flow(value, is_json=self.is_json, indent=self.step, column=column)

    def collection(
        self, writer: "Writer", place: Place, origin: Place, node: nodes.Collection
    ) -> str | None:
        """Write a collection in brackets again; None if its comments stand in the way."""
        tree, new = writer.tree, at(writer.new, place)
        start, end = node.span.start, node.span.end
        if tree.comments_in(start, end):
            return None
        parts = _Pieces.of(tree, origin, node)
        indent = 0
        if "\n" in parts.lead:
            indent = max(1, len(parts.lead.rpartition("\n")[2]) - _indentation(tree, end - 1))
        column = _indentation(tree, end - 1) + indent
        written: list[str] = []
        names: list[str | int] = [*(new if isinstance(new, dict) else range(len(new)))]
        for name in _ordered(writer, place, origin, names):
            target = (*place, name)
            before = writer.origins.get(target)
            if before in parts.entries:
                lead, entry_end = parts.entries[before]
                text = self._local(writer, target, before, entry_end)
                written.append(f"{lead if written or lead else ''}{text}")
                continue
            text = pieces.flow(
                at(writer.new, target), is_json=self.is_json, indent=indent, column=column
            )
            named = "" if isinstance(name, int) else f"{self._key(name)}: "
            written.append(f"{parts.between if written else parts.lead}{named}{text}")
        if written:
            written[0] = parts.lead + written[0].lstrip(_SPACE)
        inner = ",".join(
            one if not number or one[:1] in _SPACE else f"{parts.between}{one}"
            for number, one in enumerate(written)
        )
        return f"{tree.text[start]}{inner}{parts.tail}{tree.text[end - 1]}"

    def _local(self, writer: "Writer", place: Place, origin: Place, end: int) -> str:
        """Write an entry that stays."""
        tree = writer.tree
        entry = tree.entry(origin)
        if entry is None:
            return ""
        if entry.key is None:
            return self._value(writer, place, origin, entry.content, end).lstrip(" ")
        name = str(place[-1])
        written = tree.text[entry.first : entry.content]
        if entry.place[-1] != name:
            quoted = pieces.quote_of(tree.text, entry.key)
            key = pieces.key(name, quoted) if quoted else self._key(name)
            written = f"{key}{tree.text[entry.key.span.end : entry.content]}"
        return written + self._value(writer, place, origin, entry.content, end)

    def _value(self, writer: "Writer", place: Place, origin: Place, content: int, end: int) -> str:
        tree, node = writer.tree, writer.tree.node(origin)
        new = at(writer.new, place)
        if node is None:
            return f" {self.fresh(new, 0)}"
        if writer.is_same(node, at(writer.old, origin), new):
            return writer.cut(content, end)
        if isinstance(node, nodes.Collection) and new and writer.is_alike(node, new):
            inner = self.collection(writer, place, origin, node)
            if inner is not None:
                return f"{writer.cut(content, node.span.start)}{inner}"
        written = self._scalar(new, pieces.quote_of(tree.text, node))
        # A quoted key may have its value right after the colon.
        is_empty = node.span.first == node.span.end
        gap = tree.text[content : node.span.first] or (" " if is_empty else "")
        return f"{gap}{written}"

    def _scalar(self, new: "JSON", quote: str) -> str:
        if quote and isinstance(new, str) and not self.is_json:
            return pieces.scalar(new, 0, quote)
        return pieces.flow(new, is_json=self.is_json)

    def _key(self, name: str) -> str:
        return pieces.flow(name, is_json=self.is_json)


@dataclasses.dataclass(frozen=True)
class _Pieces:
    """The text between the entries of a collection in brackets.

    Attributes:
        lead: What precedes the first one.
        between: What precedes the others, after the comma.
        tail: What follows the last one.
        entries: For each entry what precedes it, and where it ends.
    """

    lead: str
    between: str
    tail: str
    entries: dict[Place, tuple[str, int]]

    @classmethod
    def of(cls, tree: Tree, origin: Place, node: nodes.Collection) -> "_Pieces":
        """Return the pieces of a collection."""
        position = node.span.start + 1
        found: dict[Place, tuple[str, int]] = {}
        leads = []
        for entry in tree.entries(origin):
            end = max(entry.content, entry.value.span.end)
            leads.append(tree.text[position : entry.first])
            found[entry.place] = (leads[-1], end)
            comma = tree.text.find(",", end, node.span.end)
            position = comma + 1 if comma >= 0 else end
        closing = tree.text[position : node.span.end - 1]
        lead = leads[0] if leads else closing
        between = leads[1] if len(leads) > 1 else (lead if "\n" in lead else " ")
        return cls(lead, between, closing, found)


def _ordered(
    writer: "Writer", place: Place, origin: Place, names: list[str | int]
) -> list[str | int]:
    """Return the fields of an object in the order of the old ones; items keep theirs."""
    if not names or isinstance(names[0], int):
        return names
    order = {entry.place: index for index, entry in enumerate(writer.tree.entries(origin))}

    def rank(name: str | int) -> float:
        target = (*place, name)
        before = writer.origins.get(target)
        if before in order:
            return order[before]
        return writer.order_of(target, origin) - 0.25

    return sorted(names, key=rank)


def _indentation(tree: Tree, offset: int) -> int:
    """Return the indentation of the line of an offset."""
    start = tree.text.rfind("\n", 0, offset) + 1
    line = tree.text[start : tree.line_end(start)]
    return len(line) - len(line.lstrip(" "))


def _usual(numbers: list[int], default: int) -> int:
    return collections.Counter(numbers).most_common(1)[0][0] if numbers else default
