"""Fields as a tree that opens and closes, without any script. Pure."""

import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from schemagen.pages.markup import Element, Node, tag
from schemagen.pages.reference.constraints import Fact
from schemagen.pages.reference.fields import Field, Rule
from schemagen.pages.reference.history import Change

Changes = Mapping[tuple[str, ...], Sequence[Change]]

# Levels of fields that are open at first: spec, and what it contains.
_OPEN_LEVELS: Final = 2
_CODE: Final = re.compile(r"`([^`\n]+)`")
_NEW_RULE: Final = "rule \N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}"
_PARAGRAPH: Final = re.compile(r"\n\s*\n")


def anchor(steps: Sequence[str]) -> str:
    """Return the identifier of a field in its page; it needs no escaping in a URL's fragment."""
    plain = "".join({"[]": ".*", "{}": ".*"}.get(step, step) for step in steps)
    return urllib.parse.quote(plain.removeprefix("."), safe="*._-")


def tree(fields: Sequence[Field], changes: Changes, level: int = 0) -> Element:
    """Return some fields with all below them as a list."""
    return tag("ul", *(_item(field, changes, level) for field in fields), class_="fields")


def prose(text: str) -> list[Node]:
    """Return a description as paragraphs, with what stands in backquotes as code."""
    return [tag("p", *inline(part.strip())) for part in _PARAGRAPH.split(text) if part.strip()]


def inline(text: str) -> Iterator[Node]:
    """Yield a text, with what stands in backquotes as code."""
    for index, part in enumerate(_CODE.split(text)):
        if part:
            yield tag("code", part) if index % 2 else part


def facts(items: Iterable[Fact]) -> list[Node]:
    """Return facts as a list of terms; nothing if there are none."""
    rows: list[Node] = []
    for fact in items:
        values: list[Node] = [tag("code", value) for value in fact.values]
        text: list[Node] = [fact.text] if fact.text else []
        rows += [tag("dt", fact.label), tag("dd", *text, *_spaced(values))]
    return [tag("dl", *rows, class_="facts")] if rows else []


def _spaced(values: Sequence[Node]) -> Iterator[Node]:
    for value in values:
        yield from (value, " ")


def rules(items: Sequence[Rule]) -> list[Node]:
    """Return CEL rules as a list; nothing if there are none."""
    rows = [
        tag(
            "li",
            tag("p", *([f"{rule.of.capitalize()}: "] if rule.of else []), *inline(rule.message))
            if rule.message or rule.of
            else [],
            tag("code", rule.expression),
        )
        for rule in items
    ]
    return [tag("ul", *rows, class_="rules", aria_label="Rules")] if rows else []


def _item(field: Field, changes: Changes, level: int) -> Element:
    own = changes.get(field.steps, ())
    identifier = anchor(field.steps)
    body: list[Node] = []
    if text := prose(field.description):
        body.append(tag("div", *text, class_="text"))
    body += facts(field.facts)
    body += rules(field.rules)
    body += _changed(own)
    flags = [*_flags(field, own)]
    if not field.children:
        name = tag("a", tag("code", field.name), class_="name", href=f"#{identifier}")
        content: list[Node] = [tag("div", name, *_spaced_before(flags), class_="line"), *body]
    else:
        name = tag("code", field.name, class_="name")
        line = tag("summary", name, *_spaced_before(flags))
        below = tree(field.children, changes, level + 1)
        content = [tag("details", line, *body, below, open=level < _OPEN_LEVELS)]
    return tag("li", *content, class_="field", id=identifier, data_path=field.path)


def path(text: str) -> Element:
    """Return a path as code that breaks after its dots, if it has to."""
    first, *rest = text.split(".")
    parts: list[Node] = [first]
    for part in rest:
        parts += [".", tag("wbr"), part]
    return tag("code", *parts)


def _changed(own: Sequence[Change]) -> list[Node]:
    """Return the changes of a field; its new rules stand beside it anyway."""
    texts = [line.text for line in own if not (line.is_new or line.text.startswith(_NEW_RULE))]
    return [tag("p", *inline(f"Changed: {'; '.join(texts)}."), class_="change")] if texts else []


def _flags(field: Field, own: Sequence[Change]) -> Iterator[Node]:
    yield tag("span", field.type, class_="type")
    if field.is_required:
        yield tag("span", "required", class_="flag strong")
    if any(change.is_new for change in own):
        yield tag("span", "new", class_="flag strong")


def _spaced_before(nodes: Sequence[Node]) -> Iterator[Node]:
    for node in nodes:
        yield from (" ", node)
