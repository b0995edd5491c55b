"""Changes of a version since the one before it, field by field. Pure."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from schemagen.compat.changes import changes, schema_changes
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


Moves = Sequence[tuple[tuple[str, ...], Change]]
"""Fields that a conversion moves: their place before, and what is said of the place they get."""


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


def between(old: JSON, new: JSON, moved: Moves = ()) -> History:
    """Return the changes from one version of a CRD to another.

    Args:
        old: The version before, an entry of ``spec.versions``.
        new: The version.
        moved: Fields that the conversion is known to move. Without it, a conversion webhook may do
            anything, and a similar field of another name is only a guess.
    """
    gone = [steps for steps, _ in moved]
    come = [change.steps for _, change in moved]
    told: list[Change] = []
    for one in schema_changes.compare(_schema(old), _schema(new), version=str(new["name"])):
        if one.rule in _UNSAID or one.path in ENVELOPE:
            continue
        told += (
            change
            for change in _told(one)
            if not (change.is_gone and _is_around(change.steps, gone))
            and not (change.is_new and _is_around(change.steps, come))
        )
    return History(str(old["name"]), (*(change for _, change in moved), *told))


def _told(one: changes.Change) -> Iterator[Change]:
    if one.rule == "field-renamed":
        name = str(one.after)
        yield Change(one.steps, f"removed, perhaps renamed to `{name}`", is_gone=True)
        yield Change((*one.steps[:-1], f".{name}"), "added", is_new=True)
        return
    is_gone, is_new = one.rule == "field-removed", one.rule.endswith("field-added")
    yield Change(one.steps, one.message, is_gone, is_new)


def _is_around(steps: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> bool:
    """Return whether a field is one of others, or holds one."""
    return any(other[: len(steps)] == steps for other in others)


def _schema(version: JSON) -> Schema:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema if isinstance(schema, dict) else {}
