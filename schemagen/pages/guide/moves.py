"""Fields that an Api's conversions move, for the reference of its kinds. Pure."""

from collections.abc import Iterator

from schemagen.model import registry
from schemagen.pages.guide import correspondence
from schemagen.pages.guide.correspondence import Way
from schemagen.pages.reference import fields
from schemagen.pages.reference.history import Change, Moves
from schemagen.versions import records


def of(api: registry.Api, name: str, old: str, new: str) -> Moves:
    """Return the fields that are moved or converted between two adjacent versions.

    Args:
        api: The API.
        name: The name of a CRD; nothing is known of those of other APIs.
        old: The version before.
        new: The version.
    """
    for kind in api.kinds:
        older, newer = kind.version(old), kind.version(new)
        if api.crd_name(kind) == name and older is not None and newer is not None:
            is_adjacent = kind.versions.index(newer) == kind.versions.index(older) + 1
            if is_adjacent and isinstance(older.conversion, records.Conversion):
                return tuple(_moves(older, newer))
    return ()


def _moves(
    older: registry.Version, newer: registry.Version
) -> Iterator[tuple[tuple[str, ...], Change]]:
    for row in correspondence.between(older, newer).of(Way.MOVED, Way.CONVERTED):
        if row.old is None or row.new is None or row.old[0] == "metadata":
            continue
        before, after = correspondence.field_steps(row.old), correspondence.field_steps(row.new)
        place = "" if before == after else f"`{fields.shown(before)}` in {older.name}: "
        yield before, Change(after, f"{place}{row.how}")
