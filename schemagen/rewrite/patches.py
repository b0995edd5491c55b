"""Patches of one object in another version, followed field by field. Pure."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Final

from schemagen.problems import JSON
from schemagen.rewrite import origins, paths
from schemagen.rewrite.objects import Converted, Refusal
from schemagen.rewrite.origins import Origins
from schemagen.rewrite.paths import CannotFollowError, Paths
from schemagen.rewrite.text.places import Place, at, text_of
from schemagen.versions.steps import ABSENT

# What a strategic merge patch says about the object around it.
DIRECTIVES: Final = ("$patch", "$retainKeys")
_INDEX = re.compile("0|[1-9][0-9]*")


@dataclasses.dataclass(frozen=True)
class Way:
    """The versions between which a patch is followed.

    Attributes:
        paths: The paths of its kind.
        source: The apiVersion that it is written for.
        target: The apiVersion that it shall have.
    """

    paths: Paths
    source: str
    target: str


def strategic(value: dict[str, JSON], way: Way) -> Converted | list[Refusal]:
    """Return a strategic merge patch in another version, or why that is not possible."""
    new: dict[str, JSON] = {}
    found: Origins = {(): ()}
    refusals = []
    for place, part in paths.leaves(value):
        try:
            target, converted = _leaf(place, part, way)
            _put(new, target, converted)
        except CannotFollowError as error:
            refusals.append(_refusal(place, error, way))
            continue
        found[target] = place
        found |= _inside(converted, part, target, place)
        for depth in range(1, len(place)):
            # A parent keeps its place in the text if all of it goes one way.
            above = target[: len(target) - len(place) + depth]
            if above and len(target) >= len(place):
                found.setdefault(above, place[:depth])
    return refusals or Converted(new, _injective(found))


def _leaf(place: Place, part: JSON, way: Way) -> tuple[Place, JSON]:
    """Return the place and the value of what a patch sets."""
    if place == ("apiVersion",):
        return place, way.target
    if place[-1:] and place[-1] in DIRECTIVES:
        return (*way.paths.parent(place[:-1]), place[-1]), part
    if part is None or part == {}:  # a field that is removed, or an object that is there
        return way.paths.parent(place), part
    followed = way.paths.follow(place)
    return followed.place, followed.value(part)


def _put(new: dict[str, JSON], place: Place, value: JSON) -> None:
    if at(new, place) is not ABSENT:
        raise CannotFollowError(f"leads to {text_of(place)}, as another field does")
    for name in place[:-1]:
        inner = new.setdefault(str(name), {})
        if not isinstance(inner, dict):
            raise CannotFollowError("is below a field that the patch sets as a whole")
        new = inner
    new[str(place[-1])] = value


def operations(value: list[JSON], way: Way) -> Converted | list[Refusal]:
    """Return a JSON patch (RFC 6902) in another version, or why that is not possible."""
    new: list[JSON] = []
    refusals = []
    for index, operation in enumerate(value):
        try:
            new.append(_operation(operation, way))
        except CannotFollowError as error:
            refusals.append(_refusal((index, "path"), error, way))
    if refusals:
        return refusals
    found: Origins = dict(_inside(new, value, (), ()))
    return Converted(new, {(): (), **found})  # type: ignore[arg-type] # a list of operations


def _operation(operation: JSON, way: Way) -> JSON:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise CannotFollowError("is no operation with a path")
    place, name = place_of(operation["path"]), operation.get("op")
    if place == ("apiVersion",):
        is_own = operation.get("value") == way.source
        return {**operation, "value": way.target} if is_own else operation
    is_added = name in {"add", "move", "copy"}
    followed = way.paths.follow_added(place) if is_added else way.paths.follow(place)
    new = {**operation, "path": pointer_of(followed.place)}
    if "value" in operation:
        new["value"] = followed.value(operation["value"])
    if isinstance(operation.get("from"), str):
        source = way.paths.follow(place_of(operation["from"]))
        if source.way != followed.way:
            raise CannotFollowError("takes its value from a field that is converted otherwise")
        new["from"] = pointer_of(source.place)
    return new


def fits(value: JSON, paths_: Paths) -> bool:
    """Return whether the paths of a JSON patch are all of the other version already."""
    return isinstance(value, list) and all(
        isinstance(operation, dict)
        and isinstance(operation.get("path"), str)
        and paths_.has(place_of(operation["path"]))
        for operation in value
    )


def place_of(pointer: str) -> Place:
    """Return the place of a JSON pointer (RFC 6901)."""
    parts = pointer.split("/")[1:]
    names = (part.replace("~1", "/").replace("~0", "~") for part in parts)
    return tuple(int(name) if _INDEX.fullmatch(name) else name for name in names)


def pointer_of(place: Place) -> str:
    """Return the JSON pointer of a place."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in place)


def _inside(new: JSON, old: JSON, place: Place, origin: Place) -> Iterator[tuple[Place, Place]]:
    """Yield the places that two values have in common."""
    for one, _ in origins.identity(new):
        if one and at(old, one) is not ABSENT:
            yield (*place, *one), (*origin, *one)


def _injective(found: Mapping[Place, Place]) -> Origins:
    taken: dict[Place, Place] = {}
    for place, origin in found.items():
        taken.setdefault(origin, place)
    return {place: origin for origin, place in taken.items()}


def _refusal(place: Place, error: CannotFollowError, way: Way) -> Refusal:
    version = way.target.rpartition("/")[2]
    message = f"expected a field that has one place in {version}, got one that {error}"
    return Refusal("by-hand", f"{message}; change the patch by hand", place)
