"""A document as values; ``markdown`` and ``document_markup`` write it. Pure."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TypeAlias


@dataclasses.dataclass(frozen=True)
class Code:
    """Text as it is typed."""

    text: str


@dataclasses.dataclass(frozen=True)
class Link:
    """A link, by default to a heading of the same document."""

    text: str
    target: str


@dataclasses.dataclass(frozen=True)
class Strong:
    """Emphasized text."""

    text: str


Inline: TypeAlias = str | Code | Link | Strong
Text: TypeAlias = tuple[Inline, ...]


@dataclasses.dataclass(frozen=True)
class Heading:
    """A heading; no two of a document have the same text, from which links to it are made."""

    level: int
    text: str

    @property
    def anchor(self) -> str:
        """Return its identifier, as GitHub makes it from the text."""
        return re.sub(r"[^\w\- ]", "", self.text.lower()).replace(" ", "-")


@dataclasses.dataclass(frozen=True)
class Paragraph:
    """A paragraph; ``is_note`` sets it apart."""

    text: Text
    is_note: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """A table. ``about`` names it for screen readers."""

    about: str
    head: tuple[str, ...]
    rows: tuple[tuple[Text, ...], ...]


@dataclasses.dataclass(frozen=True)
class Listing:
    """Code in a block. ``about`` names it for screen readers."""

    about: str
    language: str
    text: str


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two listings beside each other, each with a line above it."""

    before: tuple[str, Listing]
    after: tuple[str, Listing]


@dataclasses.dataclass(frozen=True)
class Items:
    """A list."""

    items: tuple[Text, ...]


Block: TypeAlias = Heading | Paragraph | Table | Listing | Pair | Items
Document: TypeAlias = Sequence[Block]


def text(*parts: Inline) -> Text:
    """Return a text of parts, without empty ones."""
    return tuple(part for part in parts if part != "")


def paragraph(*parts: Inline) -> Paragraph:
    """Return a paragraph of parts."""
    return Paragraph(text(*parts))


def joined(parts: Sequence[Inline], separator: str = ", ") -> Text:
    """Return parts with a separator between them."""
    found: list[Inline] = []
    for part in parts:
        found += [separator, part] if found else [part]
    return tuple(found)
