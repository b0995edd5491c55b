"""Write a new value into the text of a document: what does not change stays byte for byte. Pure.

Each field is written where its origin was, with its comments, quotes and order. A field that comes
from another object brings its text along. A comment of a field that is gone stays as a line.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

from schemagen import canonical
from schemagen.problems import JSON
from schemagen.rewrite.origins import Origins
from schemagen.rewrite.text import flow, pieces
from schemagen.rewrite.text.places import Entry, Place, Tree, at, is_merge, merged_aliases
from schemagen.versions.steps import ABSENT
from schemagen.yaml.syntax import nodes

_PASSES = 3


def edited(tree: Tree, old: JSON, new: JSON, origins: Origins) -> str:
    """Return the text of a document with another value.

    Args:
        tree: The document.
        old: Its value.
        new: The value that it shall have.
        origins: Where the parts of the new value come from.
    """
    # What is moved away is known only after the rest is written.
    seen, lost = frozenset(range(len(tree.text))), frozenset[int]()
    text = tree.text
    for _ in range(_PASSES):
        writer = Writer(tree, old, new, origins, seen=seen, lost=lost)
        text = writer.document()
        if (seen, lost) == (writer.carried, writer.lost):
            break
        seen, lost = writer.carried, writer.lost
    return text


class Writer:
    """Writer of one new value.

    Args:
        tree: The document.
        old: Its value.
        new: The new value.
        origins: Where its parts come from.
        seen: The comments that are written with what they belong to.
        lost: The anchored nodes that are not written any more.
    """

    def __init__(
        self,
        tree: Tree,
        old: JSON,
        new: JSON,
        origins: Origins,
        *,
        seen: frozenset[int],
        lost: frozenset[int],
    ) -> None:
        self.tree, self.old, self.new, self.origins = tree, old, new, origins
        self._seen, self._lost = seen, lost
        self._carried: set[int] = set()
        self._moved: set[int] = set()
        self._orphaned: set[int] = set()
        self._orphans: list[str] = []
        self._anchored: set[int] = set()
        self._places = {origin: place for place, origin in origins.items()}
        self._style = flow.Style.of(tree)

    # -- what was written

    @property
    def carried(self) -> frozenset[int]:
        """Return the comments that were written with what they belong to."""
        return frozenset(self._carried)

    @property
    def lost(self) -> frozenset[int]:
        """Return the anchored nodes that were not written."""
        return frozenset(id(node) for node in self._targets if id(node) not in self._anchored)

    @functools.cached_property
    def _targets(self) -> Sequence[nodes.Node]:
        """Return the nodes that aliases refer to."""
        return [alias.node for alias in _aliases(self.tree.root)]

    def document(self) -> str:
        """Write the document."""
        span, text = self.tree.root.span, self.tree.text
        end = self.tree.line_end(span.end)
        body = self.value((), (), span.first, end, 0)
        comments = pieces.lines("", self._taken()).removeprefix("\n")
        before = f"{self.cut(0, span.first)}{comments}"
        return f"{before}{body if not comments else chr(10) + body}{text[end:]}"

    def cut(self, start: int, end: int) -> str:
        """Return a part of the text that is written again, without comments that are elsewhere."""
        comments = self.tree.comments_in(start, end)
        self._carried.update(comments)
        self._anchored.update(id(node) for node in self._targets if start <= node.span.first < end)
        written = ""
        for offset in comments:
            if offset in self._moved:
                written += self.tree.text[start:offset].rstrip(" ")
                start = self.tree.line_end(offset)
        return written + self.tree.text[start:end]

    # -- values

    def value(self, place: Place, origin: Place, content: int, end: int, column: int) -> str:
        """Write a value where its origin was, from after its colon or dash to its end.

        Args:
            place: Its place.
            origin: Its place in the old value.
            content: Where its text starts.
            end: Where it ends.
            column: The column of its key or dash.
        """
        node = self.tree.node(origin)
        if node is None:
            return self.fresh(place, column)
        old, new = at(self.old, origin), at(self.new, place)
        if self.is_same(node, old, new):
            return self.cut(content, end)
        inner: str | None = None
        if isinstance(node, nodes.Scalar) and not isinstance(new, dict | list):
            inner = self._scalar(node, new, column)
        elif isinstance(node, nodes.Collection) and new and self.is_alike(node, new):
            if not node.is_flow:
                return self._block(place, origin, node, content)
            inner = self._style.collection(self, place, origin, node)
        if inner is None:
            return self._replaced(place, content, end, column)
        return f"{self.cut(content, node.span.start)}{inner}{self.cut(node.span.end, end)}"

    def _scalar(self, node: nodes.Scalar, new: JSON, column: int) -> str | None:
        """Write another scalar in the style of an old one; None if that cannot be."""
        text, (_, start, end) = self.tree.text, node.span
        if "\n" in text[start:end] or text[start : start + 1] in {"|", ">"}:
            return pieces.block(text[start:end], new) if isinstance(new, str) else None
        gap = " " if text[start - 1 : start] in {":", "-"} else ""
        return f"{gap}{pieces.scalar(new, column, pieces.quote_of(text, node))}"

    def is_same(self, node: nodes.Node, old: JSON, new: JSON) -> bool:
        """Return whether the text of a node still means what it has to."""
        if canonical.dumps(old) != canonical.dumps(new):
            alias = node if isinstance(node, nodes.Alias) else None
            return alias is not None and self._meaning(alias) == canonical.dumps(new)
        return all(
            self._meaning(alias) == canonical.dumps(at(self.old, self.tree.target(alias) or ()))
            for alias in _aliases(node)
            if not self._is_within(alias.node, node)
        )

    @staticmethod
    def _is_within(node: nodes.Node, outer: nodes.Node) -> bool:
        return outer.span.first <= node.span.first and node.span.end <= outer.span.end

    def _meaning(self, alias: nodes.Alias) -> bytes | None:
        """Return what an alias means in the new text; None if its anchor is gone."""
        place = self._places.get(self.tree.target(alias) or ())
        if place is None or id(alias.node) in self._lost:
            return None
        return canonical.dumps(at(self.new, place))

    @staticmethod
    def is_alike(node: nodes.Collection, new: JSON) -> bool:
        """Return whether a new value is of the same kind as an old collection."""
        return isinstance(new, dict if node.kind == "object" else list)

    def _replaced(self, place: Place, content: int, end: int, column: int) -> str:
        """Write a value of another kind in place of an old one; its comment stays."""
        comment = ""
        for offset in self.tree.comments_in(content, self.tree.line_end(content))[:1]:
            if end >= self.tree.line_end(content):
                comment = self._claimed(offset)
        written = self.fresh(place, column)
        self._orphans += self.orphans(content, end)
        first, feed, rest = written.partition("\n")
        return f"{first}{'  ' if first else ' '}{comment}{feed}{rest}" if comment else written

    # -- comments

    def _claimed(self, offset: int) -> str:
        self._carried.add(offset)
        self._moved.add(offset)
        return self.tree.text[offset : self.tree.line_end(offset)].rstrip()

    def _claim(self, start: int, end: int) -> list[str]:
        """Return comments that are written above what they belong to."""
        offsets = self.tree.comments_in(start, end)
        return [self._claimed(offset) for offset in offsets if offset not in self._carried]

    def orphans(self, start: int, end: int) -> list[str]:
        """Return comments of what is gone, each once."""
        offsets = [
            offset
            for offset in self.tree.comments_in(start, end)
            if offset not in self._seen and offset not in self._orphaned
        ]
        self._orphaned.update(offsets)
        text, line_end = self.tree.text, self.tree.line_end
        return [text[offset : line_end(offset)].rstrip() for offset in offsets]

    def _taken(self) -> list[str]:
        """Return the comments that wait for a line of their own."""
        taken, self._orphans = self._orphans, []
        return taken

    # -- blocks

    def _block(self, place: Place, origin: Place, node: nodes.Collection, content: int) -> str:
        """Write the fields of an object or the items of a list, a line or more each."""
        column = self.tree.column(node.span.start)
        pad = " " * column
        region = self.tree.text[content : node.span.start]
        is_compact = "\n" not in region
        first = content + (len(region) if is_compact else region.index("\n"))
        head = self.cut(content, first)
        local = self._local(place, origin)
        merges = self._merges(place, origin, local)
        chunks: list[tuple[float, str]] = []
        start = first
        kept = list(local)
        for index, entry in enumerate(self.tree.entries(origin)):
            end = self.tree.end(entry)
            order = _order(entry, index, kept, local, is_list=node.kind == "list")
            if entry.place in local or id(entry) in merges:
                lead = self.cut(start, entry.first)
                if not lead.endswith(f"\n{pad}"):
                    lead = f"\n{pad}"
                text = self._entry(local.get(entry.place), entry, end, column)
                above = f"{lead.removesuffix(f'{chr(10)}{pad}')}{pieces.lines(pad, self._taken())}"
                chunks.append((order, f"{above}\n{pad}{text}"))
            else:
                gap = self._left(start, entry.first, end, pad)
                chunks.append((order, gap))
            start = end
        inherited = {name for names in merges.values() for name in names}
        chunks += self._added(place, origin, column, {*local.values()}, inherited)
        written = "".join(text for _, text in sorted(chunks, key=lambda chunk: chunk[0]))
        return f"{head}{self._compact(written) if is_compact else written}"

    def _compact(self, written: str) -> str:
        """Return entries that follow a dash; comments before the first go above it."""
        written = written.lstrip("\n ")
        while written.startswith("#"):
            comment, _, rest = written.partition("\n")
            self._orphans.append(comment.rstrip())
            written = rest.lstrip("\n ")
        return written

    def _local(self, place: Place, origin: Place) -> dict[Place, Place]:
        """Return the entries that stay in their collection, with their new places."""
        new = at(self.new, place)
        names: Iterable[str | int] = new if isinstance(new, dict) else range(len(new))
        found = {}
        for name in names:
            before = self.origins.get((*place, name))
            if before and before[:-1] == origin and self.tree.entry(before):
                found[before] = (*place, name)
        return found

    def _entry(self, place: Place | None, entry: Entry, end: int, column: int) -> str:
        """Write an entry that stays; a merge stays as it is."""
        if place is None:
            return self.cut(entry.first, end)
        return self._named(place[-1], entry) + self.value(
            place, entry.place, entry.content, end, column
        )

    def _named(self, name: str | int, entry: Entry) -> str:
        """Write the key or the dash of an entry."""
        if entry.key is None or entry.place[-1] == name:
            return self.cut(entry.first, entry.content)
        written = pieces.key(str(name), pieces.quote_of(self.tree.text, entry.key))
        return f"{written}{self.cut(entry.key.span.end, entry.content)}"

    def _left(self, start: int, first: int, end: int, pad: str) -> str:
        """Write what stays of an entry that is gone: blank lines, and comments without a home."""
        lines = self.tree.text[start:first].split("\n")[1:-1]
        blank = sum(not line.strip() for line in lines)
        return "\n" * blank + pieces.lines(pad, self.orphans(start, end))

    def _merges(
        self, place: Place, origin: Place, local: Mapping[Place, Place]
    ) -> dict[int, set[str]]:
        """Return the merges that may stay, with the fields that they give."""
        new, found = at(self.new, place), dict[int, set[str]]()
        own = {target[-1] for target in local.values()}
        for entry in self.tree.entries(origin):
            if not isinstance(new, dict) or not is_merge(entry):
                continue
            merged: dict[str, JSON] = {}
            for alias in (merged_aliases(entry) or [])[::-1]:
                target = self._places.get(self.tree.target(alias) or ())
                value = at(self.new, target) if target is not None else ABSENT
                if not isinstance(value, dict) or id(alias.node) in self._lost:
                    break
                merged |= value
            else:
                given = {
                    name for name, value in merged.items() if name in new and new[name] == value
                }
                # A field that differs must have an entry of its own, which takes precedence.
                if merged and merged.keys() <= given | own:
                    found[id(entry)] = given - own
        return found

    # -- entries that come from elsewhere, or from nowhere

    def _added(
        self,
        place: Place,
        origin: Place,
        column: int,
        local: set[Place],
        inherited: set[str],
    ) -> list[tuple[float, str]]:
        """Write the entries that were not in their collection, each with its order."""
        pad = " " * column
        added = []
        for name in self._in_source_order(place):
            target = (*place, name)
            if target in local or name in inherited:
                continue
            order = name if isinstance(name, int) else self.order_of(target, origin)
            comments, text = self.entry(target, column)
            above = pieces.lines(pad, [*self._taken(), *comments])
            added.append((order - 0.25, f"{above}\n{pad}{text}"))
        return added

    def _in_source_order(self, place: Place) -> Iterable[str | int]:
        """Return the fields of a new object in the order of their origins, then the others."""
        new = at(self.new, place)
        if not isinstance(new, dict):
            return range(len(new))
        return sorted(new, key=lambda name: self._offset((*place, name)))

    def _offset(self, place: Place) -> int:
        """Return where the first origin of a field is in the text."""
        entries = [
            entry
            for one, origin in self.origins.items()
            if one[: len(place)] == place and (entry := self.tree.entry(origin))
        ]
        return min((entry.first for entry in entries), default=len(self.tree.text))

    def order_of(self, target: Place, origin: Place) -> float:
        """Return where a new field goes: to the first one that it comes from, or to the end."""
        entries = self.tree.entries(origin)
        origins = [
            before for place, before in self.origins.items() if place[: len(target)] == target
        ]
        for index, entry in enumerate(entries):
            if any(before[: len(entry.place)] == entry.place for before in origins):
                return index
        return len(entries)

    def entry(self, place: Place, column: int) -> tuple[list[str], str]:
        """Write an entry at a column, with the text of its origin; return its comments too."""
        name, origin = place[-1], self.origins.get(place)
        source = self.tree.entry(origin) if origin else None
        dash = "-" if isinstance(name, int) else f"{pieces.key(name)}:"
        if source is None or origin is None:
            return [], f"{dash}{self.fresh(place, column)}"
        lead, end = self.tree.lead(source), self.tree.end(source)
        comments = self._claim(*lead)
        if (source.key is None) != isinstance(name, int) or self._is_flow(source):
            text = f"{dash}{self.fresh(place, column)}"
            return [*comments, *self._claim(source.first, end)], text
        before = self.tree.column(source.first)
        written = self._named(name, source)
        written += self.value(place, origin, source.content, end, before)
        return comments, pieces.shifted(written, column - before)

    def _is_flow(self, entry: Entry) -> bool:
        parent = self.tree.node(entry.place[:-1])
        return isinstance(parent, nodes.Collection) and parent.is_flow

    def fresh(self, place: Place, column: int) -> str:
        """Write a value after the colon or dash of an entry at a column, unlike any old text."""
        new = at(self.new, place)
        if not isinstance(new, dict | list) or not new:
            return f" {pieces.scalar(new, column, self._quote(place, new))}"
        if self._style.is_json:
            return f" {self._style.fresh(new, column)}"
        is_item = isinstance(place[-1], int) if place else False
        inner = column + self._style.indent(new, is_item=is_item)
        pad = f"\n{' ' * inner}"
        written = ""
        for name in self._in_source_order(place):
            comments, text = self.entry((*place, name), inner)
            written += f"{pieces.lines(pad[1:], comments)}{pad}{text}"
        return f" {written.lstrip(chr(10) + ' ')}" if is_item else written

    def _quote(self, place: Place, new: JSON) -> str:
        """Return the quotes of an old scalar with the same text that a new one stands for."""
        for part in (place, place[:-1]):
            origin = self.origins.get(part)
            node = self.tree.node(origin) if origin is not None else None
            if isinstance(node, nodes.Scalar) and at(self.old, origin or ()) == new:
                return pieces.quote_of(self.tree.text, node)
            if isinstance(node, nodes.Collection) and origin is not None:
                for entry in self.tree.entries(origin):
                    if at(self.old, entry.place) == new and isinstance(new, str):
                        return pieces.quote_of(self.tree.text, entry.value)
        return ""


def _order(
    entry: Entry, index: int, kept: Sequence[Place], local: Mapping[Place, Place], *, is_list: bool
) -> float:
    """Return the order of an old entry among the new ones."""
    if not is_list:
        return index
    if entry.place in local:
        return float(local[entry.place][-1])
    before = [place for place in kept if place[-1] < entry.place[-1]]  # type: ignore[operator] # indices
    return max((float(local[place][-1]) for place in before), default=-1.0) + 0.5


def _aliases(node: nodes.Node) -> list[nodes.Alias]:
    """Return the aliases in a node."""
    found, rest = [], [node]
    while rest:
        node = rest.pop()
        if isinstance(node, nodes.Alias):
            found.append(node)
        elif isinstance(node, nodes.Collection):
            rest += node.children
    return found
