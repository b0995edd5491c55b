"""Functions of lists: Kubernetes' own, and version 3 of the lists extension (cel-go 0.29)."""

import functools
import itertools
from collections.abc import Sequence

from schemagen.cel import equality, operators
from schemagen.cel.data import LISTS
from schemagen.cel.library.registry import ANY, LIST, function
from schemagen.cel.values import (
    Duration,
    EvaluationError,
    Uint,
    UndecidedError,
    Value,
    no_such_overload,
)

_IS_LIST = frozenset(LISTS)
_LONGEST_RANGE = 10_000_000
# Of so few items sort.Slice keeps the order of equals (insertion sort, Go 1.26).
_LONGEST_STABLE = 12
_ZEROS: dict[type, Value] = {int: 0, Uint: Uint(0), float: 0.0, Duration: Duration(0)}


def _order(left: Value, right: Value) -> int:
    if not equality.is_comparable(left):
        raise no_such_overload()
    return equality.compare(left, right, "")


def _order_or_none(left: Value, right: Value) -> int | None:
    """Kubernetes' functions take an error of the comparison for «no»."""
    try:
        return _order(left, right)
    except EvaluationError:
        return None


def _comparable(items: Value, name: str) -> list[Value]:
    """The items; a guard has looked at the first."""
    found = list(items)
    if found and not equality.is_comparable(found[0]):
        raise no_such_overload(name, (items,))
    if not all(map(equality.is_comparable, found)):
        raise no_such_overload()
    return found


@function("isSorted", LIST)
def is_sorted(items: Value) -> bool:
    """Whether no item is less than the one before it."""
    found = _comparable(items, "isSorted")
    return all(_order_or_none(one, other) != 1 for one, other in itertools.pairwise(found))


@function("sum", LIST)
def total(items: Value) -> Value:
    """The sum; of an empty list it is told by its type (``kinds.zero``)."""
    found = list(items)
    zero = _ZEROS.get(type(found[0]))
    if zero is None:
        raise no_such_overload("sum", (items,))
    return functools.reduce(operators.BINARY["_+_"], found, zero)


@function("min", LIST)
def least(items: Value) -> Value:
    """The least item."""
    return _preferred(items, "min", 1)


@function("max", LIST)
def greatest(items: Value) -> Value:
    """The greatest item."""
    return _preferred(items, "max", -1)


def _preferred(items: Value, name: str, replaced_if: int) -> Value:
    found = _comparable(items, name)
    if not found:
        raise EvaluationError(f"{name} called on empty list")
    best = found[0]
    for item in found[1:]:
        if _order_or_none(best, item) == replaced_if:
            best = item
    return best


@function("indexOf", LIST, ANY)
def index_of(items: Value, wanted: Value) -> int:
    """Where the item is first found; -1 if nowhere."""
    places = (place for place, item in enumerate(items) if equality.is_same(item, wanted))
    return next(places, -1)


@function("lastIndexOf", LIST, ANY)
def last_index_of(items: Value, wanted: Value) -> int:
    """Where the item is last found; -1 if nowhere."""
    found = list(items)
    places = (
        place for place in range(len(found) - 1, -1, -1) if equality.is_same(found[place], wanted)
    )
    return next(places, -1)


@function("includes", ANY, ANY)
def includes(items: Value, wanted: Value) -> bool:
    """Whether a list has the item, or a value is the wanted one."""
    if type(items) in _IS_LIST:
        return any(equality.is_same(item, wanted) for item in items)
    return equality.is_same(items, wanted)


@function("sets.contains", LIST, LIST)
def sets_contains(items: Value, wanted: Value) -> bool:
    """Whether the first has all of the second."""
    return all(equality.contains(items, item) for item in wanted)


@function("sets.equivalent", LIST, LIST)
def sets_equivalent(items: Value, others: Value) -> bool:
    """Whether each has all of the other."""
    return sets_contains(items, others) and sets_contains(others, items)


@function("sets.intersects", LIST, LIST)
def sets_intersects(items: Value, others: Value) -> bool:
    """Whether they have an item in common."""
    return any(_is_in(others, item) for item in items)


def _is_in(items: Value, wanted: Value) -> bool:
    try:
        return equality.contains(items, wanted)
    except EvaluationError:
        return False


@function("slice", LIST, int, int)
def slice_(items: Value, start: int, end: int) -> list[Value]:
    """From a place to another."""
    problem = ""
    if start < 0 or end < 0:
        problem = "negative indexes not supported"
    elif start > end:
        problem = "start index must be less than or equal to end index"
    elif len(items) < end:
        problem = f"list is length {len(items)}"
    if problem:
        raise EvaluationError(f"cannot slice({start}, {end}), {problem}")
    return list(items)[start:end]


@function("flatten", LIST)
def flatten(items: Value) -> list[Value]:
    """Lists in the list become their items."""
    return flatten_to(items, 1)


@function("flatten", LIST, int)
def flatten_to(items: Value, depth: int) -> list[Value]:
    """The same, so many levels deep."""
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    found: list[Value] = []
    for item in items:
        if depth and type(item) in _IS_LIST:
            found += flatten_to(item, depth - 1)
        else:
            found.append(item)
    return found


@function("sort", LIST)
def sort(items: Value) -> Value:
    """In order."""
    found = list(items)
    return sorted_by(found, found) if found else items


def sorted_by(items: Sequence[Value], keys: Sequence[Value]) -> list[Value]:
    """In the order of the keys.

    Raises:
        UndecidedError: where Go's order of items with equal keys is its sort's own affair.
    """
    if not equality.is_comparable(keys[0]):
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")

    def order(one: int, other: int) -> int:
        return _order_or_none(keys[one], keys[other]) or 0

    places = sorted(range(len(items)), key=functools.cmp_to_key(order))
    if items is not keys and len(items) > _LONGEST_STABLE:
        pairs = itertools.pairwise(places)
        if any(order(one, other) == 0 for one, other in pairs):
            raise UndecidedError("sortBy() with equal keys")
    return [items[place] for place in places]


@function("lists.range", int)
def range_(size: int) -> list[Value]:
    """0 to the size, without that."""
    if size < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {size}")
    if size > _LONGEST_RANGE:
        raise EvaluationError(
            f"lists.range: size {size} exceeds maximum allowed ({_LONGEST_RANGE})"
        )
    return list(range(size))


@function("reverse", LIST)
def reverse(items: Value) -> list[Value]:
    """From the last to the first."""
    return list(items)[::-1]


@function("distinct", LIST)
def distinct(items: Value) -> Value:
    """Each only once."""
    if not len(items):
        return items
    found: list[Value] = []
    for item in items:
        if not any(equality.is_same(item, other) for other in found):
            found.append(item)
    return found
