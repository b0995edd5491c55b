"""Check that secrets are in both versions or forgotten: residue must not hold them."""

from collections.abc import Iterator, Mapping, Sequence

from schemagen.versions import schema_places
from schemagen.versions.footprint import Side
from schemagen.versions.residue import exclusions, list_items
from schemagen.versions.schema_places import Fault, Node
from schemagen.versions.steps import Path


def faults(
    side: Side, node: Node, other: Node, *, gone: Sequence[Path], kept: Mapping[Path, Path]
) -> Iterator[Fault]:
    """Yield the faults of a version's secrets.

    Args:
        side: Which of the two versions it is.
        node: Its object.
        other: The object of the other version.
        gone: Paths that the conversion forgets.
        kept: Paths whose values are always the same in both versions, and those of the other.
    """
    theirs = {*exclusions.secret_paths(other.schema)}
    for path in exclusions.secret_paths(node.schema):
        if any(path[: len(one)] == one for one in gone):
            continue
        start = next((path[:end] for end in range(len(path) + 1) if path[:end] in kept), None)
        there = None if start is None else (*kept[start], *path[len(start) :])
        place = schema_places.place_of(node.version, path)
        if there is None or _place(other, there) is None:
            yield Fault(
                place,
                f"expected {other.version} to keep the secret unchanged, got no such "
                f"step: it would be lost or remain in an annotation; add the field there "
                f"and keep it, or drop it explicitly with {_forgetting(side, path)}",
            )
        elif there not in theirs:
            yield Fault(
                schema_places.place_of(other.version, there),
                f"expected a secret as in {place}, got a plain string; mark it Secret()",
            )
        else:
            yield from _unkeyed_lists(node, path)


def _unkeyed_lists(node: Node, path: Path) -> Iterator[Fault]:
    """Yield the lists around a secret without keyed items, as residue cannot hold the list."""
    for end in (at for at, name in enumerate(path[:-1]) if name == schema_places.ITEMS):
        items = _place(node, path[: end + 1])
        around = _place(node, path[:end])
        if items is None or around is None or items.type != "object":
            continue
        keys = around.schema.get("x-kubernetes-list-map-keys")
        known = [name for keys_of in list_items.ITEM_KEYS for name in keys_of]
        if not keys and not any(name in items.fields for name in known):
            yield Fault(
                around.place,
                f"expected items with an identity, as they hold a secret, got none of "
                f"{', '.join(known)} and no key; mark the list ListMap(...)",
            )


def _forgetting(side: Side, path: Path) -> str:
    """Return ``forget("password") in the record of spec``."""
    ends = [
        at
        for at, name in enumerate(path)
        if name not in {schema_places.ITEMS, schema_places.VALUES}
    ]
    name = path[ends[-1]]
    call = f'forget("{name}")' if side == "old" else f'forget(new=("{name}",))'
    return f"{call} in the record of {schema_places.text_of(path[: ends[-1]]) or 'the object'}"


def _place(node: Node, path: Path) -> Node | None:
    """Return the place at a path through lists and maps, if it exists."""
    for name in path:
        found = {schema_places.ITEMS: node.items, schema_places.VALUES: node.values}.get(
            name
        ) or node.field(name)
        if found is None:
            return None
        node = found
    return node
