"""List functions: Kubernetes' own, and version 3 of the lists extension (cel-go 0.29)."""

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
_MAX_RANGE = 10_000_000
# Up to this length sort.Slice is stable (insertion sort, Go 1.26).
_MAX_STABLE = 12
_ZEROS: dict[type, Value] = {int: 0, Uint: Uint(0), float: 0.0, Duration: Duration(0)}


def _order(left: Value, right: Value) -> int:
    if not equality.is_comparable(left):
        raise no_such_overload()
    return equality.compare(left, right, "")


def _order_or_none(left: Value, right: Value) -> int | None:
    """Compare; Kubernetes' functions treat a comparison error as false."""
    try:
        return _order(left, right)
    except EvaluationError:
        return None


def _comparable(items: Value, name: str) -> list[Value]:
    """Return the items, after checking the first for comparability."""
    values = list(items)
    if values and not equality.is_comparable(values[0]):
        raise no_such_overload(name, (items,))
    if not all(map(equality.is_comparable, values)):
        raise no_such_overload()
    return values


@function("isSorted", LIST)
def is_sorted(items: Value) -> bool:
    """Return whether no item is less than its predecessor."""
    values = _comparable(items, "isSorted")
    return all(_order_or_none(item, other) != 1 for item, other in itertools.pairwise(values))


@function("sum", LIST)
def total(items: Value) -> Value:
    """Return the sum; the type of an empty list determines its zero (``kinds.zero``)."""
    values = list(items)
    zero = _ZEROS.get(type(values[0]))
    if zero is None:
        raise no_such_overload("sum", (items,))
    return functools.reduce(operators.BINARY["_+_"], values, zero)


@function("min", LIST)
def minimum(items: Value) -> Value:
    """Return the minimum."""
    return _preferred(items, "min", 1)


@function("max", LIST)
def maximum(items: Value) -> Value:
    """Return the maximum."""
    return _preferred(items, "max", -1)


def _preferred(items: Value, name: str, replaced_if: int) -> Value:
    values = _comparable(items, name)
    if not values:
        raise EvaluationError(f"{name} called on empty list")
    best = values[0]
    for item in values[1:]:
        if _order_or_none(best, item) == replaced_if:
            best = item
    return best


@function("indexOf", LIST, ANY)
def index_of(items: Value, sought: Value) -> int:
    """Return the first index of an item; -1 if absent."""
    places = (place for place, item in enumerate(items) if equality.is_same(item, sought))
    return next(places, -1)


@function("lastIndexOf", LIST, ANY)
def last_index_of(items: Value, sought: Value) -> int:
    """Return the last index of an item; -1 if absent."""
    values = list(items)
    places = (
        place for place in range(len(values) - 1, -1, -1) if equality.is_same(values[place], sought)
    )
    return next(places, -1)


@function("includes", ANY, ANY)
def includes(items: Value, sought: Value) -> bool:
    """Return whether a list contains the item, or a value equals it."""
    if type(items) in _IS_LIST:
        return any(equality.is_same(item, sought) for item in items)
    return equality.is_same(items, sought)


@function("sets.contains", LIST, LIST)
def sets_contains(items: Value, sought: Value) -> bool:
    """Return whether the first contains every item of the second."""
    return all(equality.contains(items, item) for item in sought)


@function("sets.equivalent", LIST, LIST)
def sets_equivalent(items: Value, others: Value) -> bool:
    """Return whether each contains every item of the other."""
    return sets_contains(items, others) and sets_contains(others, items)


@function("sets.intersects", LIST, LIST)
def sets_intersects(items: Value, others: Value) -> bool:
    """Return whether they have an item in common."""
    return any(_is_in(others, item) for item in items)


def _is_in(items: Value, sought: Value) -> bool:
    try:
        return equality.contains(items, sought)
    except EvaluationError:
        return False


@function("slice", LIST, int, int)
def slice_(items: Value, start: int, end: int) -> list[Value]:
    """Return the items of a half-open range."""
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
    """Flatten nested lists by one level."""
    return flatten_to(items, 1)


@function("flatten", LIST, int)
def flatten_to(items: Value, depth: int) -> list[Value]:
    """Flatten nested lists by a number of levels."""
    if depth < 0:
        raise EvaluationError("level must be non-negative")
    flat: list[Value] = []
    for item in items:
        if depth and type(item) in _IS_LIST:
            flat += flatten_to(item, depth - 1)
        else:
            flat.append(item)
    return flat


@function("sort", LIST)
def sort(items: Value) -> Value:
    """Sort."""
    values = list(items)
    return sorted_by(values, values) if values else items


def sorted_by(items: Sequence[Value], keys: Sequence[Value]) -> list[Value]:
    """Sort by keys.

    Raises:
        UndecidedError: if the order of equal keys depends on Go's sort.
    """
    if not equality.is_comparable(keys[0]):
        raise EvaluationError("list elements must be comparable")
    if any(type(key) is not type(keys[0]) for key in keys):
        raise EvaluationError("list elements must have the same type")

    def order(index: int, other: int) -> int:
        return _order_or_none(keys[index], keys[other]) or 0

    places = sorted(range(len(items)), key=functools.cmp_to_key(order))
    if items is not keys and len(items) > _MAX_STABLE:
        pairs = itertools.pairwise(places)
        if any(order(position, other) == 0 for position, other in pairs):
            raise UndecidedError("sortBy() with equal keys")
    return [items[place] for place in places]


@function("lists.range", int)
def range_(size: int) -> list[Value]:
    """Return 0 up to, but excluding, the size."""
    if size < 0:
        raise EvaluationError(f"lists.range: size must be non-negative, got {size}")
    if size > _MAX_RANGE:
        raise EvaluationError(f"lists.range: size {size} exceeds maximum allowed ({_MAX_RANGE})")
    return list(range(size))


@function("reverse", LIST)
def reverse(items: Value) -> list[Value]:
    """Reverse."""
    return list(items)[::-1]


@function("distinct", LIST)
def distinct(items: Value) -> Value:
    """Remove duplicates."""
    if not len(items):
        return items
    unique: list[Value] = []
    for item in items:
        if not any(equality.is_same(item, other) for other in unique):
            unique.append(item)
    return unique
