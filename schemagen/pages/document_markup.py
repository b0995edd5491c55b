"""Documents as HTML, in the frame of every page. Pure."""

from collections.abc import Iterable, Iterator

from schemagen.pages import frame
from schemagen.pages.documents import (
    Block,
    Code,
    Document,
    Heading,
    Inline,
    Items,
    Link,
    Listing,
    Pair,
    Paragraph,
    Strong,
    Table,
    Text,
)
from schemagen.pages.markup import Element, Node, tag

# Levels of headings in the contents.
_LISTED: int = 2


def page(document: Document, *, footer: str = "") -> str:
    """Return a document as a page; its first block is its title."""
    title, *blocks = document
    if not isinstance(title, Heading):
        raise TypeError(f"expected a heading first, got {type(title).__name__}")
    entries = [
        (one.text, f"#{one.anchor}")
        for one in blocks
        if isinstance(one, Heading) and one.level <= _LISTED
    ]
    body = [node for block in blocks for node in _block(block)]
    return frame.page(
        title.text, lead=[], body=body, contents=[("On this page", entries)], footer=footer
    )


def _block(block: Block) -> Iterator[Node]:
    match block:
        case Heading(level=level, text=text):
            yield tag(f"h{level}", text, id=block.anchor)
        case Paragraph(text=text, is_note=is_note):
            line = tag("p", *_line(text))
            yield tag("div", line, class_="note") if is_note else line
        case Listing():
            yield _listing(block)
        case Pair(before=before, after=after):
            columns = [tag("div", tag("p", title), _listing(one)) for title, one in (before, after)]
            yield tag("div", *columns, class_="pair")
        case Items(items=items):
            yield tag("ul", *(tag("li", *_line(item)) for item in items))
        case Table():
            yield _table(block)


def _table(table: Table) -> Element:
    head = tag("tr", *(tag("th", name, scope="col") for name in table.head))
    rows = [tag("tr", *(tag("td", *_line(cell)) for cell in row)) for row in table.rows]
    whole = tag("table", tag("thead", head), tag("tbody", *rows))
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=table.about)


def _listing(listing: Listing) -> Element:
    code = tag("code", listing.text)
    return tag("pre", code, tabindex="0", role="region", aria_label=listing.about)


def _line(text: Text) -> Iterable[Node]:
    return [_inline(part) for part in text]


def _inline(part: Inline) -> Node:
    match part:
        case Code(text=text):
            return code(text)
        case Link(text=text, target=target):
            return tag("a", text, href=target)
        case Strong(text=text):
            return tag("strong", text)
        case _:
            return part


def code(text: str) -> Element:
    """Return text as code; if it is a path, it breaks after its dots."""
    first, *rest = text.split(".")
    parts: list[Node] = [first]
    for part in rest:
        parts += [".", tag("wbr"), part]
    return tag("code", *parts)
