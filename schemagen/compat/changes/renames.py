"""Recognise renamed fields among removed and added ones. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any, Final

from schemagen.schema.keywords import Schema

_NAMES_ALIKE: Final = 0.5
_DOCUMENTED: Final = 12
"""A shared description of so many characters identifies a field."""


def pairs(removed: Mapping[str, Schema], added: Mapping[str, Schema]) -> dict[str, str]:
    """Return the new names of fields that were renamed.

    The schemas must be the same without descriptions; a similar name, a shared description or a
    schema of some size tells them from another field that happens to look alike.
    """
    found: dict[str, str] = {}
    candidates = sorted(
        (
            (_likeness(name, schema, other, added[other]), name, other)
            for name, schema in removed.items()
            for other in added
        ),
        reverse=True,
    )
    for likeness, name, other in candidates:
        if likeness > 0 and name not in found and other not in found.values():
            found[name] = other
    return found


def _likeness(name: str, schema: Schema, other: str, other_schema: Schema) -> float:
    """Return how likely a field is another one renamed; 0 for unrelated ones."""
    if _bare(schema) != _bare(other_schema):
        return 0
    names = difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()
    description = schema.get("description", "")
    is_documented = len(description) >= _DOCUMENTED and description == other_schema.get(
        "description"
    )
    is_large = len(_bare(schema).get("properties", ())) > 1
    if is_documented or is_large or names >= _NAMES_ALIKE:
        return 1 + names + is_documented + is_large
    return 0


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value)
        for key, value in schema.items()
        if key != "description" or not isinstance(value, str)
    }
