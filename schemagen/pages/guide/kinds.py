"""The chapter of a kind: its fields in both versions, what is stricter, and examples. Pure."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from schemagen import yaml
from schemagen.compat.changes import schema_changes
from schemagen.compat.changes.changes import Audience
from schemagen.compat.verdicts import specimens
from schemagen.model import registry
from schemagen.pages import documents
from schemagen.pages.documents import (
    Block,
    Code,
    Heading,
    Inline,
    Items,
    Listing,
    Pair,
    Table,
    Text,
    paragraph,
    text,
)
from schemagen.pages.guide import correspondence, losses, step_words
from schemagen.pages.guide.correspondence import Correspondence, Row, Way
from schemagen.pages.guide.losses import Found
from schemagen.pages.reference import fields
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema
from schemagen.versions import schema_places
from schemagen.versions.steps import Path

_CODE: Final = re.compile(r"`([^`]+)`")
_SHOWN_VALUES: Final = 2
_SHOWN_CHARACTERS: Final = 40


@dataclasses.dataclass(frozen=True)
class Converted:
    """An example in both versions.

    Attributes:
        old: The object in the older version.
        new: The same in the newer version.
        is_from_old: Whether the newer one is the result of the conversion, or the older one.
        warnings: The warnings on writing the old one, as the API server sends them.
    """

    old: dict[str, JSON]
    new: dict[str, JSON]
    is_from_old: bool = True
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Hop:
    """Two adjacent versions of a kind, compared.

    Attributes:
        pair: The correspondence of their fields.
        found: The fields, but for those that are the same, with what was found of them.
    """

    pair: Correspondence
    found: tuple[Found, ...]

    @property
    def older(self) -> registry.Version:
        """Return the older version."""
        return self.pair.older

    @property
    def newer(self) -> registry.Version:
        """Return the newer version."""
        return self.pair.newer

    @property
    def same(self) -> int:
        """Return how many fields are the same in both."""
        return len(self.pair.of(Way.SAME))

    def of(self, *ways: Way) -> list[Found]:
        """Return the fields of some ways."""
        return [match for match in self.found if match.row.way in ways]


@dataclasses.dataclass(frozen=True)
class Chapter:
    """A kind with all that the guide says of it."""

    kind: registry.Kind
    hops: tuple[Hop, ...]
    examples: tuple[Converted, ...]


def hops(
    api: registry.Api, kind: registry.Kind, names: Sequence[str], examples: Sequence[JSON]
) -> tuple[Hop, ...]:
    """Compare each version with the next, from one to another."""
    found = []
    for older, newer in _adjacent(kind, names):
        pair = correspondence.between(older, newer)
        found.append(Hop(pair, losses.of(api, kind, pair, examples)))
    return tuple(found)


def _adjacent(
    kind: registry.Kind, names: Sequence[str]
) -> Iterator[tuple[registry.Version, registry.Version]]:
    every = [version.name for version in kind.versions]
    first, last = sorted(every.index(name) for name in names)
    versions = kind.versions[first : last + 1]
    yield from itertools.pairwise(versions)


def blocks(chapter: Chapter) -> Iterator[Block]:
    """Yield the chapter."""
    name = chapter.kind.name
    yield Heading(2, name)
    for hop in chapter.hops:
        about = name if len(chapter.hops) == 1 else f"{name} {hop.older.name} to {hop.newer.name}"
        yield from _fields(hop, about)
        yield from _new_fields(hop, about)
        yield from _defaults(hop, about)
        yield from _stricter(hop, about)
    yield from _examples(chapter)


# --- fields -------------------------------------------------------------------------------------


def _fields(hop: Hop, about: str) -> Iterator[Block]:
    old, new = hop.older.name, hop.newer.name
    yield Heading(3, f"{about}: fields")
    changed = [match for match in hop.found if match.row.old is not None]
    if not changed:
        yield paragraph(f"All fields of {old} are the same in {new}.")
        return
    if hop.same:
        yield paragraph(f"{_counted(hop.same, 'field')} not listed here: the same in {new}.")
    rows = (*_rows(changed, hop),)
    head = (old, new, "How", "Kept in an annotation")
    yield Table(f"Fields of {about} in {old} and {new}", head, rows)


def _rows(changed: Sequence[Found], hop: Hop) -> Iterator[tuple[Text, ...]]:
    """Yield the rows of a table; fields that are moved together are one row."""
    groups: dict[tuple[Path, Path], list[Found]] = {}
    for match in changed:
        groups.setdefault(_moved_with(match), []).append(match)
    for (old, new), found in groups.items():
        if len(found) == 1 or not old:
            yield from (_row(match, hop) for match in found)
            continue
        below = [(match.row.old or ())[len(old) :] for match in found]
        shared = _shared([path[:-1] for path in below])
        names = [path_of(path[len(shared) :]) for path in below]
        how = text("moved, with the same names: ", *documents.joined(names))
        yield (path_of((*old, *shared)),), (path_of((*new, *shared)),), how, ()


def _shared(paths: Sequence[Path]) -> Path:
    """Return the beginning that paths have in common."""
    first, last = min(paths), max(paths)
    pairs = zip(first, last, strict=False)
    return tuple(one for one, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _moved_with(one: Found) -> tuple[Path, Path]:
    """Return the objects between which a field is moved under its own name, if it is."""
    old, new = one.row.old or (), one.row.new or ()
    is_plain = one.row.way is Way.MOVED and not one.row.is_chosen and not _values(one)
    length = 0
    while is_plain and length < min(len(old), len(new)) and old[-1 - length] == new[-1 - length]:
        length += 1
    if not length:
        return (), (*old, "", *new, "", one.row.how)
    return old[: len(old) - length], new[: len(new) - length]


def _values(one: Found) -> Sequence[JSON]:
    """Return the values that only one version can say."""
    return [value for side in (one.old, one.new) for value in (*side.kept, *side.lost)]


def _row(one: Found, hop: Hop) -> tuple[Text, ...]:
    row = one.row
    how = row.how + ("; depends on other fields" if row.is_chosen else "")
    if row.way is Way.REMOVED:
        how = f"not in {hop.newer.name}"
    elif row.way is Way.SAME or not how:
        how = "the same"
    there: Text = (path_of(row.new),) if row.new is not None else ("\N{EM DASH}",)
    return (path_of(row.old or ()),), there, text(*coded(how)), _kept(one, hop)


def path_of(path: Path) -> Code:
    """Return a place as code: ``spec.steps[].name``."""
    if path[:2] == ("metadata", "annotations"):
        return Code(f"metadata.annotations[{path[2]}]")
    return Code(schema_places.text_of(path))


def coded(sentence: str) -> Iterable[Inline]:
    """Yield a sentence, with what stands in backquotes as code."""
    for index, part in enumerate(_CODE.split(sentence)):
        if part:
            yield Code(part) if index % 2 else part


def _kept(one: Found, hop: Hop) -> Text:
    """Return the values that only one version can say."""
    if one.row.way is Way.FORGOTTEN:
        return ("nothing: the value is dropped",)
    if one.row.way is Way.CONSTANT:
        return ()
    if one.row.way is Way.REMOVED:
        return ("the field",) if not one.old.lost else ("nothing: the value is lost",)
    found: list[Inline] = []
    for version, outcome in ((hop.older, one.old), (hop.newer, one.new)):
        for word, values in (("", outcome.kept), (" (lost)", outcome.lost)):
            telling = sorted(values, key=lambda value: (value in ({}, [], ""), len(brief(value))))
            shown = [Code(brief(value)) for value in telling[:_SHOWN_VALUES]]
            if shown:
                found += ["; "] if found else []
                found += [f"{version.name}: such as ", *documents.joined(shown), word]
    return text(*found)


def brief(value: JSON) -> str:
    """Return a value in one line, cut if it is long."""
    line = step_words.shown(value)
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 1]}\u2026"


def _new_fields(hop: Hop, about: str) -> Iterator[Block]:
    added = [match for match in hop.found if match.row.old is None and match.row.new is not None]
    if not added:
        return
    yield Heading(3, f"{about}: new in {hop.newer.name}")
    rows = []
    for match in added:
        path = match.row.new or ()
        node = _node(hop.pair.new, path) or {}
        first = str(node.get("description") or "").partition(". ")[0].rstrip(".")
        value = match.row.how if match.row.way is Way.CONSTANT else _default(node)
        sentence = text(*coded(f"{first}.")) if first else ()
        rows.append(((path_of(path),), sentence, text(*coded(value))))
    head = ("Field", "Meaning", "Value of converted objects")
    yield Table(f"Fields of {about} that only {hop.newer.name} has", head, tuple(rows))


def _default(node: Schema) -> str:
    if node.get("default") is None:
        return "absent"
    return f"`{brief(node['default'])}`"


def _node(schema: Schema, path: Path) -> Schema | None:
    return specimens.node_at(schema, correspondence.field_steps(path))


# --- defaults and limits ------------------------------------------------------------------------


def _defaults(hop: Hop, about: str) -> Iterator[Block]:
    """Yield the fields of both versions whose defaults mean different things."""
    old, new = hop.pair.old, hop.pair.new
    rows = []
    for row in _in_both(hop):
        values = [(_node(schema, path) or {}).get("default") for schema, path in
                  ((old, row.old or ()), (new, row.new or ()))]  # fmt: skip
        meant = values[0] if row.step is None or values[0] is None else row.step.up(values[0])
        if values[0] != values[1] and meant != values[1]:
            shown = [_value(value) for value in values]
            rows.append(((path_of(row.new or ()),), *shown))
    if rows:
        yield Heading(3, f"{about}: defaults")
        head = ("Field", f"Default in {hop.older.name}", f"Default in {hop.newer.name}")
        yield Table(f"Defaults of {about}", head, tuple(rows))


def _value(value: JSON) -> Text:
    return (Code(brief(value)),) if value is not None else ("none",)


def _in_both(hop: Hop) -> Iterator[Row]:
    yield from (row for row in hop.pair.rows if row.old is not None and row.new is not None)


def _stricter(hop: Hop, about: str) -> Iterator[Block]:
    """Yield what the newer version refuses and the older one accepts."""
    rows = [*_grouped(_tighter(hop)), *_new_rules(hop)]
    if not rows:
        return
    yield Heading(3, f"{about}: stricter in {hop.newer.name}")
    action = {
        "refuse": "are refused",
        "warn": "are accepted, with a warning",
        "off": "are accepted",
    }[hop.older.hub_rules]
    yield paragraph(f"Writes in {hop.older.name} that break these rules {action}.")
    head = ("Field", "Rule")
    yield Table(f"Rules of {about} that only {hop.newer.name} has", head, tuple(rows))


def _grouped(found: Iterable[tuple[Code, str]]) -> Iterator[tuple[Text, ...]]:
    """Yield a row for each field."""
    by_field: dict[Code, list[str]] = {}
    for path, message in found:
        by_field.setdefault(path, []).append(message)
    for path, messages in by_field.items():
        yield (path,), documents.joined([Code(message) for message in messages])


def _tighter(hop: Hop) -> Iterator[tuple[Code, str]]:
    old, new = hop.pair.old, hop.pair.new
    for row in _in_both(hop):
        before, after = _node(old, row.old or ()), _node(new, row.new or ())
        if row.way not in {Way.SAME, Way.MOVED} or before is None or after is None:
            continue
        for change in schema_changes.compare(_wrapped(before), _wrapped(after)):
            if Audience.WRITERS in change.safe or change.rule.startswith(_OTHER_CHAPTERS):
                continue
            path = (*(row.new or ()), *correspondence.place(change.steps[1:]))
            yield path_of(path), change.message.removesuffix(" added")


_OTHER_CHAPTERS: Final = ("field-", "rule-", "default", "map-values", "list-")


def _wrapped(schema: Schema) -> Schema:
    return {"type": "object", "properties": {"value": schema}}


def _new_rules(hop: Hop) -> Iterator[tuple[Text, ...]]:
    old, new = ([*_rules(schema)] for schema in (hop.pair.old, hop.pair.new))
    known = {rule.expression for _, rule in old}
    for path, rule in new:
        if rule.expression not in known:
            said = [*coded(rule.message), ": "] if rule.message else []
            yield (Code(path or "the object"),), text(*said, Code(rule.expression))


def _rules(schema: Schema) -> Iterator[tuple[str, fields.Rule]]:
    yield from (("", rule) for rule in fields.rules_of(schema))
    for field in fields.every(fields.of(schema)):
        yield from ((field.path, rule) for rule in field.rules)


# --- examples -----------------------------------------------------------------------------------


def _examples(chapter: Chapter) -> Iterator[Block]:
    if not chapter.examples:
        return
    name = chapter.kind.name
    yield Heading(3, f"{name}: examples")
    for example in chapter.examples:
        before = _listing(name, example.old, "as written" if example.is_from_old else "converted")
        after = _listing(name, example.new, "converted" if example.is_from_old else "as written")
        yield Pair(before, after)
        if example.warnings:
            yield paragraph("Warnings on writing the older one:")
            yield Items(tuple(text(*coded(warning)) for warning in example.warnings))


def _listing(kind: str, value: dict[str, JSON], how: str) -> tuple[str, Listing]:
    version = str(value["apiVersion"]).rpartition("/")[2]
    about = f"{kind} {value['metadata'].get('name', '')} in {version}, {how}"
    return f"{version}, {how}:", Listing(about, "yaml", yaml.dumps(value))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{' is' if number == 1 else 's are'}"
