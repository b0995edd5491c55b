"""Embedded objects: ``x-kubernetes-embedded-resource``.

Follows apiextensions-apiserver 1.37's ``schema/objectmeta``: apiVersion and kind are required.
Metadata beyond a plain name is left to the judge.
"""

import re
from collections.abc import Iterator

from schemagen import cel
from schemagen.checking.field_errors import Fault, bracketed
from schemagen.checking.nodes import Node, Path
from schemagen.problems import JSON

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_MAX_LABEL = 63
_NO_STRING = "must be a string"
_LABEL_SHAPE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def faults(node: Node, value: JSON, path: Path = ()) -> Iterator[Fault]:
    """Return errors in the apiVersion and kind of embedded objects."""
    if node.embedded and isinstance(value, dict):
        yield from _type_meta(value, path)
    for child, part, key in node.children(value):
        yield from faults(child, part, (*path, key))


def unreadable(node: Node, value: JSON) -> Iterator[Fault]:
    """Return embedded objects that cannot be decoded, wherever they are, even in ignored parts."""
    return (fault for fault in faults(node, value) if fault.detail == _NO_STRING)


_PLAIN_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)


def left(node: Node, value: JSON, path: Path = ()) -> Iterator[cel.UndecidedRule]:
    """Return metadata of embedded objects that only the judge can validate."""
    if node.embedded and isinstance(value, dict) and not _is_plain(value.get("metadata", {})):
        where = bracketed((*path, "metadata"))
        yield cel.UndecidedRule(where, "metadata of an embedded object beyond a plain name")
    for child, part, key in node.children(value):
        yield from left(child, part, (*path, key))


def _is_plain(metadata: JSON) -> bool:
    if not isinstance(metadata, dict) or not metadata.keys() <= {"name"}:
        return False
    name = metadata.get("name", "a")
    return isinstance(name, str) and _PLAIN_NAME.fullmatch(name) is not None


def _type_meta(value: dict[str, JSON], path: Path) -> Iterator[Fault]:
    for name, check in (("apiVersion", _group_version), ("kind", _kind)):
        where = (*path, name)
        if name not in value:
            yield Fault("FieldValueRequired", where, "", field=bracketed(where))
            continue
        detail = check(value[name])
        if detail:
            yield Fault("FieldValueInvalid", where, detail, value[name], bracketed(where))


def _group_version(value: JSON) -> str:
    if not isinstance(value, str):
        return _NO_STRING
    if not value:
        return "must not be empty"
    return f"unexpected GroupVersion string: {value}" if value.count("/") > 1 else ""


def _kind(value: JSON) -> str:
    if not isinstance(value, str):
        return _NO_STRING
    if not value:
        return "must not be empty"
    lower = "".join(character.lower()[0] for character in value)  # rune by rune, as in Go
    wrong = [f"must be no more than {_MAX_LABEL} characters"] * (len(lower) > _MAX_LABEL)
    if not _LABEL.fullmatch(lower):
        wrong.append(_LABEL_SHAPE)
    return "may have mixed case, but should otherwise match: " + ",".join(wrong) if wrong else ""
