"""What every static page has to keep: links lead somewhere, nothing is loaded, anybody can read it.

The checks return what is wrong, a line each.
"""

import dataclasses
import html.parser
import itertools
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Final

_VOID: Final = frozenset({"meta", "link", "input", "wbr"})
_INTERACTIVE: Final = frozenset({"a", "button", "input", "summary"})
# Attributes by which a browser would load something.
_LOADING: Final = ("src", "srcset", "poster", "data", "background")


@dataclasses.dataclass
class Part:
    """An element of a page."""

    name: str
    attributes: dict[str, str]
    parent: "Part | None" = None
    content: list["Part | str"] = dataclasses.field(default_factory=list)

    @property
    def children(self) -> list["Part"]:
        return [one for one in self.content if isinstance(one, Part)]

    @property
    def text(self) -> str:
        return "".join(one if isinstance(one, str) else one.text for one in self.content)

    def every(self, *names: str) -> Iterator["Part"]:
        for child in self.children:
            if not names or child.name in names:
                yield child
            yield from child.every(*names)


class _Reader(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = self.at = Part("", {})
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len({*names}) != len(names):
            self.faults.append(f"{tag}: an attribute twice")
        part = Part(tag, {name: value or "" for name, value in attrs}, self.at)
        self.at.content.append(part)
        if tag not in _VOID:
            self.at = part

    def handle_endtag(self, tag: str) -> None:
        if self.at.name != tag or self.at.parent is None:
            self.faults.append(f"</{tag}> where <{self.at.name}> is open")
        else:
            self.at = self.at.parent

    def handle_data(self, data: str) -> None:
        self.at.content.append(data)


def parsed(text: str) -> Part:
    """Parse a page, whose elements must be nested properly."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert [] == reader.faults
    return reader.root


def faults(pages: Mapping[str, str]) -> list[str]:
    """Return what is wrong with pages that link to one another, by file name."""
    roots = {name: parsed(text) for name, text in pages.items()}
    identifiers = {
        name: [part.attributes["id"] for part in root.every() if "id" in part.attributes]
        for name, root in roots.items()
    }
    found = []
    for name, root in roots.items():
        repeated = {one for one in identifiers[name] if identifiers[name].count(one) > 1}
        found += [f"{name}: the identifier {one} twice" for one in sorted(repeated)]
        found += [f"{name}: {fault}" for fault in _links(root, name, identifiers)]
        for check in (_loads, _structure, _controls, _regions):
            found += [f"{name}: {fault}" for fault in check(root)]
    return found


def _links(root: Part, page: str, identifiers: Mapping[str, list[str]]) -> Iterator[str]:
    for link in root.every("a"):
        target = link.attributes.get("href", "")
        file, _, fragment = target.partition("#")
        there = urllib.parse.unquote(file) or page
        if there not in identifiers:
            yield f"a link to {target}, which is no page"
        elif fragment and fragment not in identifiers[there]:
            yield f"a link to {target}, which is no place in that page"


def _loads(root: Part) -> Iterator[str]:
    for part in root.every():
        for attribute in part.attributes:
            if attribute in _LOADING or attribute.startswith("on"):
                yield f"<{part.name} {attribute}>"
    for link in root.every("link"):
        if not link.attributes["href"].startswith("data:"):
            yield f"a link to load: {link.attributes['href']}"
    for style in root.every("style"):
        yield from ("a style that loads" for word in ("url(", "@import") if word in style.text)


def _structure(root: Part) -> Iterator[str]:
    """Yield what keeps a screen reader from finding its way."""
    (page,) = root.every("html")
    if not page.attributes.get("lang"):
        yield "no language"
    for name in ("title", "h1", "main"):
        count = len([*root.every(name)])
        yield from [f"{count} times <{name}>"] if count != 1 else []
    levels = [int(part.name[1]) for part in root.every("h1", "h2", "h3", "h4", "h5", "h6")]
    yield from (
        f"a heading of level {level} after one of level {before}"
        for before, level in itertools.pairwise(levels)
        if level > before + 1
    )
    names = [nav.attributes.get("aria-label", "") for nav in root.every("nav")]
    if "" in names or len({*names}) != len(names):
        yield "navigations without a name of their own"
    yield from ("a cell without scope" for th in root.every("th") if "scope" not in th.attributes)


def _controls(root: Part) -> Iterator[str]:
    """Yield what keeps a keyboard from the page."""
    for part in root.every(*_INTERACTIVE):
        yield from (f"<{part.name}> contains <{one.name}>" for one in part.every(*_INTERACTIVE))
        is_named = part.text.strip() or part.attributes.get("aria-label")
        yield from [f"<{part.name}> without text"] if part.name != "input" and not is_named else []
    labels = {part.attributes.get("for") for part in root.every("label")}
    inputs = [part.attributes.get("id") for part in root.every("input")]
    yield from (f"the input {name} without a label" for name in inputs if name not in labels)
    if next(root.every("a")).attributes.get("href") != "#content":
        yield "the first link does not skip to the content"


def _regions(root: Part) -> Iterator[str]:
    """Yield what scrolls, but not by the keyboard, or has no name to be announced by."""
    for part in root.every():
        if part.attributes.get("role") == "region" and not part.attributes.get("aria-label"):
            yield "a region without a name"
        is_scrolled = part.name == "pre" or part.attributes.get("class") == "scroll"
        if is_scrolled and part.attributes.get("tabindex") != "0":
            yield f"<{part.name}> that the keyboard cannot scroll"
