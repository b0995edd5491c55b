"""The frame of every page: its head, styles and script, all in the file itself.

A policy in the head lets the browser load nothing else, and run no script but this package's.
"""

import base64
import functools
import hashlib
import importlib.resources
from collections.abc import Iterable, Sequence
from typing import Final

from schemagen.pages import markup
from schemagen.pages.markup import Element, Node, Verbatim, tag

Entry = tuple[str, str]
"""A link of a navigation: its text and its target."""

_NO_ICON: Final = "data:,"


def page(
    title: str,
    *,
    lead: Iterable[Node],
    body: Iterable[Node],
    trail: Sequence[Entry] = (),
    contents: Sequence[tuple[str, Sequence[Entry]]] = (),
    footer: str = "",
) -> str:
    """Return a page.

    Args:
        title: Title and heading.
        lead: What follows the heading.
        body: The rest.
        trail: Pages above this one, outermost first.
        contents: Groups of links beside the content, each with a heading.
        footer: A line at the end.
    """
    style, script = asset("page.css"), asset("search.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="icon", href=_NO_ICON),
        tag("style", Verbatim(style)),
    )
    top = tag("header", _trail(trail, title), tag("h1", title), *lead, class_="top")
    main = tag("main", top, *body, id="content", tabindex="-1")
    parts: list[Node] = [tag("a", "Skip to content", class_="skip", href="#content")]
    columns = [_contents(contents), main] if contents else [main]
    layout = "page" if contents else "page narrow"
    parts.append(tag("div", *columns, class_=layout))
    if footer:
        parts.append(tag("footer", tag("p", footer)))
    parts.append(tag("script", Verbatim(script)))
    return markup.document(tag("html", head, tag("body", *parts), lang="en"))


@functools.cache
def asset(name: str) -> str:
    """Return a file of this package."""
    return importlib.resources.files(__package__).joinpath("assets", name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _trail(trail: Sequence[Entry], title: str) -> Iterable[Node]:
    if not trail:
        return []
    links = [tag("li", tag("a", text, href=target)) for text, target in trail]
    here = tag("li", tag("span", title, aria_current="page"))
    return [tag("nav", tag("ol", *links, here), class_="trail", aria_label="Breadcrumb")]


def _contents(groups: Sequence[tuple[str, Sequence[Entry]]]) -> Element:
    parts: list[Node] = []
    for heading, entries in groups:
        links = [tag("li", tag("a", text, href=target)) for text, target in entries]
        parts += [tag("p", heading, class_="group"), tag("ul", *links)]
    return tag("nav", *parts, class_="contents", aria_label="Contents")
