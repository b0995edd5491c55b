"""Fix CRD files where no verdict changes: edit lines, keep the rest, and ask the judge. Shell.

Only lines that a fix is about change, so comments and formatting stay. A file is written if it then
has exactly the CRDs that were meant, and if the judge's verdicts on drawn objects are the same
before and after.
"""

import copy
import dataclasses
import pathlib
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from schemagen import files, judge
from schemagen.compat import sources
from schemagen.compat.lint import drawing, run
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target
from schemagen.problems import JSON, UserError
from schemagen.schema.keywords import Schema

_SUFFIXES: Final = frozenset({".yaml", ".yml"})
_ARRAY: Final = re.compile(r"""(\s*)(- )?["']?type["']?:\s*["']?array["']?\s*(#.*)?""")
_KEY: Final = re.compile(r"(\s*)(- )?\S")
_LIST_TYPE: Final = "x-kubernetes-list-type"
# Objects drawn for each version to compare verdicts.
_DRAWS: Final = 80


@dataclasses.dataclass(frozen=True)
class _Edit:
    """Lines, from 0, that are replaced."""

    start: int
    end: int
    lines: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Fix:
    """A fix of one place: what it does to the CRD, and to the text."""

    change: Callable[[Schema], None]
    node: Schema
    edit: _Edit


def fix(
    definitions: Sequence[sources.Definition], oracle: judge.Judge, rules: Sequence[Rule]
) -> Iterator[str]:
    """Fix what rules find in files; yield a line for each file.

    Raises:
        files.OutputError: if a file cannot be written.
    """
    fixing = [rule for rule in rules if rule.is_fixed]
    by_source: dict[str, list[sources.Definition]] = {}
    for definition in definitions:
        by_source.setdefault(definition.source, []).append(definition)
    for source, of_source in by_source.items():
        path = pathlib.Path(source)
        if path.suffix in _SUFFIXES and path.is_file():
            yield from _fix_file(path, of_source, oracle, fixing)


def _fix_file(
    path: pathlib.Path,
    definitions: Sequence[sources.Definition],
    oracle: judge.Judge,
    rules: Sequence[Rule],
) -> Iterator[str]:
    # Not read_text, which translates line ends.
    text = path.read_bytes().decode(errors="replace")
    lines = text.splitlines(keepends=True)
    expected: list[JSON] = []
    edits: list[_Edit] = []
    for definition in definitions:
        fixes = [*_fixes(definition, oracle, rules, lines)]
        expected.append(_changed(definition.value, fixes))
        edits += [proposal.edit for proposal in fixes]
    if not edits:
        return
    after = _edited(lines, edits)
    if _read(after, path) != expected:
        yield f"left {path}: its layout cannot be edited line by line; fix it where it is generated"
        return
    for definition, value in zip(definitions, expected, strict=True):
        difference = _difference(definition, value, oracle)
        if difference:
            yield f"left {path}: {difference}"
            return
    files.write_all({path: after})
    yield f"fixed {len(edits)} place{'' if len(edits) == 1 else 's'} in {path}"


def _read(text: str, path: pathlib.Path) -> list[JSON] | None:
    """Return the CRDs of a file's new text, or None if it is not YAML any more."""
    try:
        return [document.value for document in sources.parsed(text.encode(), str(path))]
    except UserError:
        return None


def _fixes(
    definition: sources.Definition,
    oracle: judge.Judge,
    rules: Sequence[Rule],
    lines: Sequence[str],
) -> Iterator[_Fix]:
    for place, finding in run.found(definition, oracle, rules):
        make = _FIXES.get(finding.rule)
        made = make(definition, place, lines) if make is not None else None
        if made is not None:
            yield made


def _changed(value: JSON, fixes: Sequence[_Fix]) -> JSON:
    """Return a copy of a CRD with fixes."""
    copies: dict[int, JSON] = {}
    changed = copy.deepcopy(value, copies)
    for proposal in fixes:
        proposal.change(copies[id(proposal.node)])
    return changed


def _edited(lines: Sequence[str], edits: Sequence[_Edit]) -> str:
    edited = [*lines]
    for edit in sorted(set(edits), key=lambda edit: edit.start, reverse=True):
        edited[edit.start : edit.end] = edit.lines
    return "".join(edited)


# -------------------------------------------------------------------------------------- the fixes


def _list_type(definition: sources.Definition, place: Found, lines: Sequence[str]) -> _Fix | None:
    at = definition.line_of(f"{place.field}.type") - 1
    match = _ARRAY.fullmatch(_line(lines, at))
    if match is None or place.node is None:
        return None
    indent = match[1] + " " * len(match[2] or "")
    new = f"{indent}{_LIST_TYPE}: atomic{_end(lines[at])}"

    def change(node: Schema) -> None:
        node[_LIST_TYPE] = "atomic"

    return _Fix(change, place.node.raw, _Edit(at + 1, at + 1, (new,)))


def _required(definition: sources.Definition, place: Found, lines: Sequence[str]) -> _Fix | None:
    if place.node is None or place.node.parent is None:
        return None
    parent, name = place.node.parent, place.node.name
    required = parent.schema["required"]
    defaulted = [
        field for field in required if parent.properties.get(field, {}).get("default") is not None
    ]
    if len(defaulted) == len(required):  # the last one takes the keyword along
        field = f"{parent.field}.required"
    else:
        field = f"{parent.field}.required[{required.index(name)}]"
    edit = _block(lines, definition.line_of(field) - 1)

    def change(node: Schema) -> None:
        node["required"] = [other for other in (node.get("required") or ()) if other != name]
        if not node["required"]:
            del node["required"]

    return _Fix(change, parent.raw, edit) if edit is not None else None


def _default(definition: sources.Definition, place: Found, lines: Sequence[str]) -> _Fix | None:
    edit = _block(lines, definition.line_of(f"{place.field}.default") - 1)
    if edit is None or place.node is None:
        return None
    return _Fix(lambda node: node.pop("default"), place.node.raw, edit)


def _server_field(
    definition: sources.Definition, place: Found, lines: Sequence[str]
) -> _Fix | None:
    *above, name = place.field.split(".")
    owner = definition.value[above[0]] if above else definition.value
    edit = _block(lines, definition.line_of(place.field) - 1)
    return _Fix(lambda node: node.pop(name), owner, edit) if edit is not None else None


_FIXES: Final[Mapping[str, Callable[[sources.Definition, Found, Sequence[str]], _Fix | None]]] = {
    "list-type-missing": _list_type,
    "default-required": _required,
    "default-null": _default,
    "server-fields": _server_field,
}


def _line(lines: Sequence[str], at: int) -> str:
    return lines[at].rstrip("\r\n") if 0 <= at < len(lines) else ""


def _end(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :] or "\n"


def _block(lines: Sequence[str], at: int) -> _Edit | None:
    """Return the lines of a key or item with what is below it; None if it shares its line."""
    match = _KEY.match(_line(lines, at))
    if match is None or (match[2] and ": " in _line(lines, at)):
        return None
    indent, is_item = len(match[1]), bool(match[2])
    end = at + 1
    for index in range(at + 1, len(lines)):
        line = _line(lines, index)
        own = len(line) - len(line.lstrip())
        is_below = own > indent or (own == indent and not is_item and line.lstrip()[:2] == "- ")
        if line.strip() and not is_below:
            break
        if line.strip():
            end = index + 1
    return _Edit(at, end)


# -------------------------------------------------------------------------------------- the proof


def _difference(definition: sources.Definition, value: JSON, oracle: judge.Judge) -> str:
    """Return how the judge's verdicts differ between a CRD and its fixed form; empty if nowhere."""
    before = Target(definition, oracle)
    after = Target(dataclasses.replace(definition, value=value), oracle)
    if not before.verdict.allowed:
        return f"the API server refuses {definition.name}; correct that first"
    if not after.verdict.allowed:
        return f"the API server would refuse the fixed {definition.name}: {after.verdict.message}"
    with oracle.load(before.crd) as old, oracle.load(after.crd) as new:
        for version in before.versions:
            if version.value.get("served"):
                court = drawing.court_of(before, version, old)
                if (found := _split(court, new)) is not None:
                    return f"the judge's verdict changes for {found!r}"
    return ""


def _split(court: drawing.Court, new: judge.Loaded) -> JSON:
    """Return an object that two CRDs are found to judge otherwise, or None."""
    schema = court.schema
    accepted: list[JSON] = []
    source = random.Random("fix")  # noqa: S311 - nothing secret
    for index, body in enumerate(court.bodies(_DRAWS)):
        fixed, verdict = court.repaired(body)
        accepted += [court.object(fixed)] if verdict.allowed else []
        for candidate in (fixed, court.draw.near_miss(fixed, schema)):
            value = court.object(candidate)
            if _answer(court.loaded, value) != _answer(new, value):
                return value
        if accepted and index % 2:
            value, other = court.object(fixed), source.choice(accepted)
            if _update(court.loaded, value, other) != _update(new, value, other):
                return value
    return None


def _answer(loaded: judge.Loaded, value: JSON) -> JSON:
    return _said(loaded.create(value, strict=False, stored=True))


def _update(loaded: judge.Loaded, value: JSON, old: JSON) -> JSON:
    return _said(loaded.update(value, old, strict=False, stored=True))


def _said(verdict: judge.Verdict) -> JSON:
    return verdict.allowed, verdict.code, set(verdict.causes), verdict.object
