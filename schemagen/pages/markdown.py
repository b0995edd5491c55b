"""Documents as Markdown (CommonMark, and tables as GitHub reads them). Pure."""

import re
from collections.abc import Iterator
from typing import Final

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

# Whatever may mean something else than itself within a line.
_SPECIAL: Final = re.compile(r"([\\`*_\[\]<>|~&#])")
_LINE_START: Final = re.compile(r"^(\s*)([-+]|\d+[.)])")
_SPACE: Final = re.compile(r"\s+")


def written(document: Document) -> str:
    """Return a document as Markdown."""
    return "\n".join(_block(block) for block in document)


def _block(block: Block) -> str:
    match block:
        case Heading(level=level, text=text):
            return f"{'#' * level} {_plain(text)}\n"
        case Paragraph(text=text, is_note=is_note):
            line = _LINE_START.sub(r"\1\\\2", _line(text))
            return f"> {line}\n" if is_note else f"{line}\n"
        case Listing():
            return _listing(block)
        case Pair():
            parts = (part for title, one in (block.before, block.after) for part in (title, one))
            return "\n".join(
                f"{_plain(part)}\n" if isinstance(part, str) else _listing(part) for part in parts
            )
        case Items(items=items):
            return "".join(f"- {_line(item)}\n" for item in items)
        case Table():
            return "".join(_rows(block))


def _rows(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_plain, table.head))} |\n"
    yield f"|{' --- |' * len(table.head)}\n"
    for row in table.rows:
        yield f"| {' | '.join(_line(cell, in_table=True) for cell in row)} |\n"


def _listing(listing: Listing) -> str:
    fence = _fence(listing.text, 3)
    ending = "" if listing.text.endswith("\n") else "\n"
    return f"{fence}{listing.language}\n{listing.text}{ending}{fence}\n"


def _line(text: Text, *, in_table: bool = False) -> str:
    return "".join(_inline(part, in_table=in_table) for part in text)


def _inline(part: Inline, *, in_table: bool) -> str:
    match part:
        case Code(text=text):
            return _code(text, in_table=in_table)
        case Link(text=text, target=target):
            return (
                f"[{_plain(text)}](<{target}>)" if " " in target else f"[{_plain(text)}]({target})"
            )
        case Strong(text=text):
            return f"**{_plain(text)}**"
        case _:
            return _plain(part)


def _code(text: str, *, in_table: bool) -> str:
    """Return text as code: in a line, with as many backquotes around it as it needs."""
    line = _SPACE.sub(" ", text)
    # In a table a bar ends the cell, even in code.
    line = line.replace("|", "\\|") if in_table else line
    fence = _fence(line, 1)
    pad = " " if line.startswith("`") or line.endswith("`") or not line.strip() else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def _fence(text: str, least: int) -> str:
    """Return more backquotes than stand anywhere in a text one after the other."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", text))
