"""Put the steps of a file beside the schemas of both versions, and make records of them. Pure.

A file names fields by their paths in the whole object; a conversion is a tree of records. Fields
that both versions have at the same path are kept without being named. An object is converted by a
record of its own, unless a step takes a field out of it or into it: then its fields are converted
one by one, as those of the object around it.
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from schemagen.versions import records, schema_places, steps
from schemagen.versions.declared import field_paths
from schemagen.versions.declared.field_paths import is_below
from schemagen.versions.schema_places import ITEMS, VALUES, Fault, Missing, Node
from schemagen.versions.steps import Path, Step

Make: TypeAlias = Callable[[Path, Path], Iterable[records.Part]]
"""Makes the parts of a record, given the paths of its object in both versions."""

_ENVELOPE: Final = ("apiVersion", "kind", "metadata")


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Placed:
    """A step of a file, with the paths that it reads and writes.

    Attributes:
        olds: Paths of the older version.
        news: Paths of the newer version.
        line: Where it stands: ``FILE:LINE``.
        make: Makes the parts; None for a field that only changes its place: what is in it is
            converted by other steps, and kept otherwise.
    """

    olds: tuple[Path, ...]
    news: tuple[Path, ...]
    line: str
    make: Make | None = None

    def is_inside(self, old: Path, new: Path) -> bool:
        """Return whether all that it touches is below two paths."""
        return all(is_below(path, old) for path in self.olds) and all(
            is_below(path, new) for path in self.news
        )

    def touches(self, old: Path, new: Path) -> bool:
        """Return whether anything that it touches is below one of two paths."""
        return any(is_below(path, old) for path in self.olds) or any(
            is_below(path, new) for path in self.news
        )


@dataclasses.dataclass(frozen=True, eq=False)
class _Mount:
    """A field that both versions have, and whose content is converted in place."""

    old: Path
    new: Path
    line: str
    own: Placed | None = None


class Placing:
    """Records for two objects.

    Args:
        old: The older version's.
        new: The newer version's.
        line: Where the conversion is declared.
    """

    def __init__(self, old: Node, new: Node, line: str) -> None:
        self._old, self._new, self._line = old, new, line
        self.faults: list[Fault] = []

    def conversion(self, parts: Sequence[Placed]) -> records.Record:
        """Return the record of two whole objects."""
        self._check_paths(parts)
        kept = records.keep("kind", "metadata")
        return records.record(kept, *self._parts((), (), ((), ()), parts))

    def record(self, parts: Sequence[Placed]) -> records.Record:
        """Return the record of two objects that are parts of others."""
        self._check_paths(parts)
        return records.record(*self._parts((), (), ((), ()), parts))

    def container(self) -> Step:
        """Return the step between two values that are converted in place, whatever they are."""
        return self._container((), (), (), self._line)

    def _check_paths(self, parts: Sequence[Placed]) -> None:
        for part in parts:
            for root, paths in ((self._old, part.olds), (self._new, part.news)):
                for path in paths:
                    found = field_paths.place(root, path)
                    if isinstance(found, Missing):
                        where = schema_places.place_of(root.version, found.path)
                        message = field_paths.missing_message(found)
                        self.faults.append(Fault(where, message, part.line))

    def _parts(
        self, old: Path, new: Path, base: tuple[Path, Path], parts: Sequence[Placed]
    ) -> Iterator[records.Part]:
        """Yield the parts of two objects, with paths relative to those of a record."""
        rest = list(parts)
        for mount in [*self._mounts(old, new, parts)]:
            inside = [part for part in parts if part is not mount.own
                      and part.is_inside(mount.old, mount.new)]  # fmt: skip
            rest = [part for part in rest if part is not mount.own and part not in inside]
            crossing = [part for part in parts if part is not mount.own and part not in inside
                        and part.touches(mount.old, mount.new)]  # fmt: skip
            if crossing and self._is_flattened(mount, crossing):
                yield from self._parts(mount.old, mount.new, base, [*inside, *crossing])
                rest += [part for part in crossing if part not in rest]
            else:
                step = self._container(mount.old, mount.new, inside, mount.line)
                yield _move(mount, base, step)
        for part in rest:
            if part.make is not None and part.is_inside(old, new):
                yield from part.make(*base)

    def _mounts(self, old: Path, new: Path, parts: Sequence[Placed]) -> Iterator[_Mount]:
        """Yield the fields whose content is converted in place, but not those within them."""
        kept = [*self._kept(old, new, parts)]
        yield from kept
        named = [part for part in parts if part.make is None and part.is_inside(old, new)]
        around = [(mount.old, mount.new) for mount in kept]
        around += [(part.olds[0], part.news[0]) for part in named]
        for part in named:
            if not any(part.is_inside(*ends) for ends in around):
                yield _Mount(part.olds[0], part.news[0], part.line, part)

    def _kept(self, old: Path, new: Path, parts: Sequence[Placed]) -> Iterator[_Mount]:
        """Yield the fields that both versions have at the same path, and no step names."""
        here, there = self._at(self._old, old), self._at(self._new, new)
        if here is None or there is None:
            return
        claimed = (
            {path for part in parts for path in part.olds},
            {path for part in parts for path in part.news},
        )
        for name in here.fields:
            ends = (*old, name), (*new, name)
            is_claimed = any(end in paths for end, paths in zip(ends, claimed, strict=True))
            is_envelope = old == self._old.path == () and name in _ENVELOPE
            if name in there.fields and not is_claimed and not is_envelope:
                yield _Mount(*ends, self._line)

    def _is_flattened(self, mount: _Mount, crossing: Sequence[Placed]) -> bool:
        """Return whether two values are objects, whose fields can be converted one by one."""
        here, there = self._at(self._old, mount.old), self._at(self._new, mount.new)
        if here is None or there is None:
            return False
        if here.type == there.type == "object":
            return True
        self.faults += [
            Fault(
                here.place,
                f"expected a step within {schema_places.with_article(here.type)} in both versions, "
                f"got one that leads out of it",
                part.line,
            )
            for part in crossing
        ]
        return False

    def _container(self, old: Path, new: Path, inside: Sequence[Placed], line: str) -> Step:
        """Return the step of a value that is converted in place."""
        here, there = self._at(self._old, old), self._at(self._new, new)
        if here is None or there is None or (not inside and is_same(here, there)):
            return steps.KEEP
        if here.type != there.type:
            self._mismatch(here, there, line)
            return steps.KEEP
        match here.type:
            case "object":
                return records.record(*self._parts(old, new, (old, new), inside))
            case "list":
                items = self._container((*old, ITEMS), (*new, ITEMS), inside, line)
                return _list_step(here, there, items)
            case "map":
                below = self._container((*old, VALUES), (*new, VALUES), inside, line)
                return steps.values(below)
        return self._scalar(here, there, line)

    def _scalar(self, here: Node, there: Node, line: str) -> Step:
        words = here.schema.get("enum"), there.schema.get("enum")
        is_enum = here.type == "string" and None not in words
        common = [word for word in words[0] or () if word in (words[1] or ())] if is_enum else []
        if common:
            return steps.enumeration({word: word for word in common})
        self._mismatch(here, there, line)
        return steps.KEEP

    def _mismatch(self, here: Node, there: Node, line: str) -> None:
        name = schema_places.text_of(here.path)
        got = (
            f"{schema_places.with_article(here.type)} in {here.version} and "
            f"{schema_places.with_article(there.type)} in {there.version}"
        )
        if here.type == there.type:
            got = f"other values in {there.version}"
        message = (
            f"expected a step that converts it, got none for {got}; give sameName or move a step, "
            f"or list {name} in unrelated if the two mean different things"
        )
        self.faults.append(Fault(here.place, message, line))

    def _at(self, root: Node, path: Path) -> Node | None:
        found = field_paths.place(root, path)
        return found if isinstance(found, Node) else None


def _move(mount: _Mount, base: tuple[Path, Path], step: Step) -> records.Move:
    old, new = mount.old[len(base[0]) :], mount.new[len(base[1]) :]
    return records.Move(old, new, step, line=mount.line)


def _list_step(old: Node, new: Node, items: Step) -> Step:
    """Return the step of a list: one whose items have a key gets each key once."""
    keys, known = new.schema.get("x-kubernetes-list-map-keys"), _identity(old)
    if known == _identity(new):
        return steps.each(items)
    if new.schema.get("x-kubernetes-list-type") == "set" and items is steps.KEEP:
        return steps.each_once(steps.KEEP)
    if keys is not None and len(keys) == 1:
        return steps.each_by(keys[0], items)
    return steps.each(items)


def _identity(node: Node) -> tuple[str, ...] | None:
    """Return the keys by which a list's items are known; none of a set, None if there are none."""
    match node.schema.get("x-kubernetes-list-type"):
        case "map":
            return tuple(node.schema.get("x-kubernetes-list-map-keys", ()))
        case "set":
            return ()
    return None


def is_same(old: Node, new: Node) -> bool:
    """Return whether a value can be kept as it is, with everything in it."""
    if next(schema_places.differences(old, new), None) is not None:
        return False
    if old.type == "list" and _identity(old) != _identity(new):
        return False
    below = [(old.field(name), new.field(name)) for name in old.fields if name in new.fields]
    below += [(old.items, new.items)] if old.type == "list" else []
    below += [(old.values, new.values)] if old.type == "map" else []
    return all(is_same(one, other) for one, other in below if one is not None and other is not None)
