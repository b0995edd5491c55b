"""Helm templates: line by line, as what a template makes of them is not known. Pure.

``apiVersion`` and keys that lead to one place are changed, and values that are written out. Every
other line is left as it is; what has to be done by hand is reported. Nothing between braces is
changed.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Final

from schemagen import yaml
from schemagen.compat.findings import Finding
from schemagen.model import registry
from schemagen.problems import JSON
from schemagen.rewrite import objects
from schemagen.rewrite.documents import Counts
from schemagen.rewrite.objects import Refusal, Target
from schemagen.rewrite.paths import CannotFollowError, Followed, Paths
from schemagen.rewrite.text import pieces
from schemagen.rewrite.text.places import Place, text_of

_SEPARATOR: Final = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_LINE: Final = re.compile(
    r"""(?P<pad>[ ]*)(?P<dashes>(?:-[ ]+)*)
    (?:(?P<quote>["']?)(?P<key>[A-Za-z0-9_][-A-Za-z0-9_./]*)(?P=quote)(?P<colon>:)(?=[ ]|$)
      (?P<gap>[ ]*))?(?P<value>(?!\#).*?)(?P<comment>(?:[ ]+\#.*)?)""",
    re.VERBOSE,
)
_BLOCK: Final = re.compile(r"[|>][-+0-9]*")
# Actions that write nothing themselves.
_CONTROL: Final = re.compile(r"\{\{-?\s*(?:if|else|end|with|range|define|block|/\*|\$)\b")
_COMMENT: Final = re.compile(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", re.DOTALL)


def is_template(source: str, content: bytes) -> bool:
    """Return whether a file is a template of a chart."""
    if b"{{" not in content:
        return False
    parts = pathlib.PurePath(source).parts[:-1]
    return "templates" in parts


@dataclasses.dataclass
class _Level:
    """An object or a list that the next lines may belong to.

    Attributes:
        column: The column of its keys or dashes.
        place: Its place.
        target: Its place in the wanted version; None if it is left as it is.
        items: How many items it has had.
    """

    column: int
    place: Place
    target: Place | None
    items: int = 0


def convert(text: str, source: str, target: Target) -> tuple[str, Counts, list[Finding]]:
    """Convert the documents of a template; return its text and what has to be done by hand."""
    counts, findings = Counts(), list[Finding]()
    written = []
    starts = [0, *(match.start() for match in _SEPARATOR.finditer(text) if match.start())]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        document = _Document(part, source, text.count("\n", 0, start) + 1, target)
        written.append(document.converted(counts))
        findings += document.findings
    return "".join(written), counts, findings


class _Document:
    """One document of a template."""

    def __init__(self, text: str, source: str, first_line: int, target: Target) -> None:
        self._lines, self._source = text.split("\n"), source
        # Comments of templates, which may look like fields, are left out.
        bare = _COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
        self._bare = bare.split("\n")
        self._first_line, self._target = first_line, target
        self._levels: list[_Level] = []
        self._subject = ""
        self.findings: list[Finding] = []

    def converted(self, counts: Counts) -> str:
        """Return its text in the wanted version."""
        group = re.escape(self._target.api.group)
        api_version, at_line = self._top("apiVersion")
        kind_name, _ = self._top("kind")
        found = self._target.find(api_version, kind_name)
        if found is None or at_line is None:
            if self._target.is_own(api_version) and at_line is not None:
                self._report(at_line, Refusal("by-hand", f"expected a kind, got {kind_name}"))
            elif any(re.search(rf"\b{group}/v\w+\b", line) for line in self._lines):
                self._report_mentions()
            elif any(line.strip() for line in self._lines):
                counts.foreign += bool(api_version)
        elif found[1].name == self._target.version or not self._target.has(found[0]):
            counts.unchanged += 1
        else:
            counts.converted += 1
            self._subject = str(kind_name)
            return "\n".join(self._edited(*found))
        return "\n".join(self._lines)

    def _top(self, key: str) -> tuple[str | None, int | None]:
        """Return the value of an outermost key, and its line; a template's value does not count."""
        for number, line in enumerate(self._bare):
            match = _LINE.fullmatch(line)
            if match and not match["pad"] and not match["dashes"] and match["key"] == key:
                value = match["value"].strip().strip("\"'")
                return (None, None) if "{{" in value else (value, number)
        return None, None

    def _report_mentions(self) -> None:
        """Report where the group is named in a document that is not followed."""
        group, version = self._target.api.group, self._target.version
        for number, line in enumerate(self._bare):
            for name in re.findall(rf"\b{re.escape(group)}/(v\w+)\b(?!-)", line):
                if name != version and not line.lstrip().startswith("#"):
                    message = f"expected {group}/{version}, got {group}/{name} in a template"
                    refusal = Refusal("by-hand", f"{message}; change it by hand")
                    self._report(number, refusal)

    def _report(self, number: int, refusal: Refusal) -> None:
        line = self._first_line + number
        self.findings.append(objects.finding(refusal, self._source, line, self._subject))

    # -- lines

    def _edited(self, kind: registry.Kind, version: registry.Version) -> Iterator[str]:
        """Yield the lines in the wanted version."""
        self._paths = Paths(kind, version.name, self._target.version)
        self._levels = [_Level(0, (), ())]
        skipped: int | None = None  # the column of a key whose block follows
        for number, line in enumerate(self._lines):
            column = len(line) - len(line.lstrip(" "))
            if skipped is not None and (not line.strip() or column > skipped):
                yield line
                continue
            skipped = None
            if line != self._bare[number] or self._is_silent(number, line):
                yield line
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                yield line
                continue
            if match["key"] and _BLOCK.fullmatch(match["value"].strip()):
                skipped = len(match["pad"]) + len(match["dashes"])
            yield self._line(number, line, match)

    def _is_silent(self, number: int, line: str) -> bool:
        """Return whether a line writes nothing; report one that writes unknown fields."""
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "---")) or _CONTROL.match(stripped):
            return True
        if not stripped.startswith("{{"):
            return False
        column = len(line) - len(line.lstrip(" "))
        place = next(level.place for level in self._levels[::-1] if level.column <= column)
        if place[:1] != ("metadata",) and not self._is_free(place):
            message = (
                f"expected fields that are written out in {text_of(place) or 'the object'}, got "
                "those of an action; see that they are of the wanted version"
            )
            self._report(number, Refusal("by-hand", message, place))
        return True

    def _is_free(self, place: Place) -> bool:
        """Return whether everything in a field is the same in both versions."""
        try:
            return bool(place) and self._paths.follow(place).is_same
        except CannotFollowError:
            return False

    def _line(self, number: int, line: str, match: re.Match[str]) -> str:
        """Return a line with a key or an item in the wanted version."""
        level = self._enter(match)
        if not match["key"]:
            return self._item(number, line, match, level) if match["dashes"] else line
        place = (*level.place, match["key"])
        column = len(match["pad"]) + len(match["dashes"])
        self._levels.append(_Level(column + 1, place, None))
        if place == ("apiVersion",):
            group, version = self._target.api.group, self._target.version
            return self._with_value(match, f"{group}/{version}")
        if level.target is None:
            return line
        try:
            return self._field(match, place, level.target)
        except CannotFollowError as error:
            message = f"expected a field that has one place in {self._target.version}, got one that"
            self._report(number, Refusal("by-hand", f"{message} {error}; change it by hand", place))
            return line

    def _enter(self, match: re.Match[str]) -> _Level:
        """Return the object or list that a line belongs to."""
        column = len(match["pad"])
        # Dashes may stand below their key, without being indented.
        deepest = column + bool(match["dashes"])
        while len(self._levels) > 1 and self._levels[-1].column > deepest:
            self._levels.pop()
        level = self._levels[-1]
        for dash in re.finditer("-[ ]+", match["dashes"]):
            level = self._item_level(level, column + dash.end())
        return level

    def _item_level(self, level: _Level, inner: int) -> _Level:
        """Return the level of the next item of a list."""
        index = level.items
        level.items += 1
        target = None if level.target is None else (*level.target, index)
        item = _Level(inner, (*level.place, index), target)
        self._levels.append(item)
        return item

    def _field(self, match: re.Match[str], place: Place, above: Place) -> str:
        """Return the line of a field, if it has one place."""
        value = match["value"].strip()
        if place == ("metadata",):
            self._levels[-1].target = place
            return match.string
        if not value or _is_anchor(value):
            target = self._paths.parent(place)
            if target[:-1] != above:
                raise CannotFollowError(f"moves to {text_of(target)}")
            self._levels[-1].target = target
            self._check_parts(place)
            return self._with_key(match, str(target[-1]))
        followed = self._paths.follow(place)
        if followed.place[:-1] != above:
            raise CannotFollowError(f"moves to {text_of(followed.place)}")
        line = self._with_key(match, str(followed.place[-1]))
        if _BLOCK.fullmatch(value) or "{{" in value:
            if not followed.is_same:
                raise CannotFollowError("has other values there, and here that of a template")
            return line
        changed = _converted_value(value, followed)
        if changed is None:
            return line
        renamed = _LINE.fullmatch(line)
        return line if renamed is None else self._with_value(renamed, changed)

    def _check_parts(self, place: Place) -> None:
        """Refuse an object or list whose parts cannot be followed."""
        try:
            followed = self._paths.follow(place)
        except CannotFollowError:
            return
        if not followed.has_fields and not followed.is_same:
            self._levels[-1].target = None
            raise CannotFollowError("is converted as a whole")

    def _item(self, number: int, line: str, match: re.Match[str], level: _Level) -> str:
        """Return the line of an item that is a scalar."""
        value = match["value"].strip()
        if level.target is None or not value:
            return line
        try:
            changed = self._item_value(value, level.place)
        except CannotFollowError as error:
            message = f"expected an item that is the same in {self._target.version}, got one that"
            self._report(
                number, Refusal("by-hand", f"{message} {error}; change it by hand", level.place)
            )
            return line
        return line if changed is None else self._with_value(match, changed)

    def _item_value(self, value: str, place: Place) -> str | None:
        followed = self._paths.follow(place)
        if "{{" not in value:
            return _converted_value(value, followed)
        if followed.is_same:
            return None
        raise CannotFollowError("has other values there, and here that of a template")

    @staticmethod
    def _with_key(match: re.Match[str], key: str) -> str:
        start, end = match.span("key")
        return f"{match.string[:start]}{key}{match.string[end:]}"

    @staticmethod
    def _with_value(match: re.Match[str], value: str) -> str:
        start, end = match.span("value")
        old = match.string[start:end]
        quote = old[:1] if old[:1] in {"'", '"'} else ""
        is_quoted = value[:1] in {"'", '"'}
        written = value if is_quoted or not quote else f"{quote}{value}{quote}"
        return f"{match.string[:start]}{written}{match.string[end:]}"


def _is_anchor(value: str) -> bool:
    return value.startswith(("&", "!")) and " " not in value


def _converted_value(value: str, followed: Followed) -> str | None:
    """Return a value that is written out in the wanted version; None if it stays."""
    try:
        old: JSON = yaml.load(value.encode())
    except yaml.YAMLError as error:
        raise CannotFollowError("is not a value on one line") from error
    new = followed.value(old)
    if new == old and type(new) is type(old):
        return None
    if isinstance(new, dict | list):
        return pieces.flow(new, is_json=False)
    return pieces.scalar(new, 0)
