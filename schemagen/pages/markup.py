"""HTML as values: whatever is text is escaped when it is written. Pure."""

import dataclasses
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

_VOID: Final = frozenset({"meta", "link", "input", "wbr"})
# A line break after these keeps the source readable and its differences small.
_BLOCKS: Final = frozenset(
    {
        *("html", "head", "body", "title", "style", "script", "meta", "link", "header", "main"),
        *("nav", "section", "footer", "div", "p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "dl"),
        *("dt", "dd", "details", "summary", "table", "thead", "tbody", "tr", "pre", "input"),
    }
)
# HTML has no way to write them.
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)


@dataclasses.dataclass(frozen=True)
class Element:
    """An element with its attributes and content."""

    name: str
    attributes: Mapping[str, str | bool]
    children: tuple["Node", ...] = ()


@dataclasses.dataclass(frozen=True)
class Verbatim:
    """Text that is not escaped: the styles and scripts of this package, and nothing else."""

    text: str


Node: TypeAlias = Element | Verbatim | str


def tag(name: str, /, *children: Node | Iterable[Node], **attributes: str | bool | None) -> Element:
    """Return an element: ``tag("a", "here", href="#x", aria_label="Link to x")``.

    Attributes that are None or False are left out; those that are True have no value.
    """
    flat: list[Node] = []
    for child in children:
        flat += [child] if isinstance(child, str | Element | Verbatim) else child
    named = {
        key.rstrip("_").replace("_", "-"): value
        for key, value in attributes.items()
        if value is not None and value is not False
    }
    return Element(name, named, tuple(flat))


def document(root: Element) -> str:
    """Return a whole document."""
    return f"<!doctype html>\n{rendered(root)}"


def rendered(node: Node) -> str:
    """Return a node as HTML."""
    return "".join(_written(node))


def _written(node: Node) -> Iterator[str]:
    match node:
        case str():
            yield html.escape(_plain(node), quote=False)
        case Verbatim(text=text):
            yield text
        case Element(name=name):
            yield f"<{name}{''.join(map(_attribute, node.attributes.items()))}>"
            for child in node.children:
                yield from _written(child)
            if name not in _VOID:
                yield f"</{name}>"
            if name in _BLOCKS:
                yield "\n"


def _attribute(item: tuple[str, str | bool]) -> str:
    name, value = item
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(_plain(str(value)))}"'


def is_control(character: str) -> bool:
    """Return whether HTML cannot hold a character, which is then replaced."""
    return _CONTROLS.match(character) is not None


def _plain(text: str) -> str:
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
