"""Changes of a version since the one before it, field by field. Pure."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Final

from schemagen.compat.changes import schema_changes
from schemagen.pages.reference.fields import ENVELOPE
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

# Not changes of what may be written.
_UNSAID: Final = frozenset(f"{name}-changed" for name in ("description", "title", "example"))


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of a field.

    Attributes:
        steps: The field.
        text: The change in a line.
        is_gone: Whether the field is in the version before only.
        is_new: Whether it is in this version only.
    """

    steps: tuple[str, ...]
    text: str
    is_gone: bool = False
    is_new: bool = False


@dataclasses.dataclass(frozen=True)
class History:
    """The changes of a version since another one.

    Attributes:
        since: The version before.
        changes: In the order of the schema.
    """

    since: str
    changes: tuple[Change, ...]

    @property
    def by_field(self) -> Mapping[tuple[str, ...], Sequence[Change]]:
        """Return the changes of the fields that this version has."""
        found: dict[tuple[str, ...], list[Change]] = {}
        for change in self.changes:
            if not change.is_gone:
                found.setdefault(change.steps, []).append(change)
        return found


def between(old: JSON, new: JSON, moved: Sequence[tuple[tuple[str, ...], Change]] = ()) -> History:
    """Return the changes from one version of a CRD to another.

    Args:
        old: The version before, an entry of ``spec.versions``.
        new: The version.
        moved: The fields that the conversion moves, by their place before, with what is to be
            said of them; their removal and addition are not told besides.
    """
    before, after = _schema(old), _schema(new)
    gone = {steps for steps, _ in moved}
    come = {change.steps for _, change in moved}
    told: list[Change] = []
    for one in schema_changes.compare(before, after, version=str(new["name"])):
        if one.rule in _UNSAID or one.path in ENVELOPE:
            continue
        is_gone, is_new = one.rule == "field-removed", one.rule.endswith("field-added")
        if (is_gone and one.steps in gone) or (is_new and one.steps in come):
            continue
        told.append(Change(one.steps, one.message, is_gone or one.rule == "field-renamed", is_new))
    return History(str(old["name"]), (*(change for _, change in moved), *told))


def _schema(version: JSON) -> Schema:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema if isinstance(schema, dict) else {}
