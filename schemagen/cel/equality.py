"""``==`` and ordering, in the semantics of cel-go and the API server.

cel-go 0.29 ``common/types``; for data apiserver 1.37 ``pkg/cel/common/valuesunstructured.go``.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

from schemagen.cel.data import LISTS, MAPS, ListData, MapData, ObjectData
from schemagen.cel.values import (
    MIN_INT,
    MISSING,
    Duration,
    EvaluationError,
    KeyedList,
    Map,
    Optional,
    SetList,
    Timestamp,
    Typed,
    TypeValue,
    Uint,
    UndecidedError,
    Value,
    no_such_overload,
)
from schemagen.model import cel_identifiers
from schemagen.problems import JSON

_IS_LIST, _IS_MAP = frozenset(LISTS), frozenset(MAPS)
_NUMBERS = frozenset((int, Uint, float))


def equal(left: Value, right: Value) -> bool:
    """``left == right``."""
    if left is None or right is None:
        return left is right
    return same(left, right)


def same(left: Value, right: Value) -> bool:
    """Return whether the left value considers the right one equal (``ref.Val.Equal``)."""
    kind = type(left)
    if kind is type(right) and kind in _PLAIN:
        return bool(left == right)
    if kind in _NUMBERS:
        return type(right) in _NUMBERS and _compare_numbers(left, right) == 0
    compare = _COMPARERS.get(kind)
    if compare is not None:
        return compare(left, right)
    if isinstance(left, Typed):
        return left.equals(right)
    return False


_PLAIN = frozenset((str, bool, int, Uint, float, bytes, Timestamp, Duration, TypeValue))


def _compare_numbers(left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1; None for a non-number. An integer beside a double counts as a double."""
    is_double, is_other_double = type(left) is float, type(right) is float
    if is_double and not is_other_double:
        return _compare_double(left, right)
    if is_other_double and not is_double:
        reverse = _compare_double(right, left)
        return None if reverse is None else -reverse
    if is_double and (math.isnan(left) or math.isnan(right)):
        return None
    return int(left > right) - int(left < right)


def _compare_double(left: float, right: int) -> int | None:
    if math.isnan(left):
        return None
    minimum, maximum = (0.0, 2.0**64) if type(right) is Uint else (float(MIN_INT), 2.0**63)
    if left < minimum:
        return -1
    if left > maximum:
        return 1
    return (left > float(right)) - (left < float(right))


_ORDERED = frozenset((bool, str, bytes, Timestamp, Duration))


def compare(left: Value, right: Value, operator: str) -> int:
    """Return -1, 0 or 1 for ``left < right`` and the like."""
    kind = type(left)
    if kind in _NUMBERS:
        if type(right) not in _NUMBERS:
            _no_numbers(left)
            raise no_such_overload()
        order = _compare_numbers(left, right)
        if order is None:
            raise EvaluationError("NaN values cannot be ordered")
        return order
    if kind not in _ORDERED:
        raise EvaluationError(f"no such overload: {operator}")
    if type(right) is not kind:
        raise no_such_overload()
    return int(left > right) - int(left < right)


def _no_numbers(left: float) -> None:
    if math.isnan(left):
        raise EvaluationError("NaN values cannot be ordered")


def is_comparable(value: Value) -> bool:
    """Return whether values of this type are ordered."""
    return type(value) in _NUMBERS or type(value) in _ORDERED


def contains(items: Value, sought: Value) -> bool:
    """Evaluate ``item in items`` for a list."""
    if isinstance(items, ListData):
        return _data_contains(items, sought)
    return any(is_same(sought, item) for item in items)


def _data_contains(items: ListData, sought: Value) -> bool:
    failure = None
    for item in items:
        try:
            if same(item, sought):
                return True
        except EvaluationError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return False


def is_same(left: Value, right: Value) -> bool:
    """Like ``same``, where cel-go only checks for true."""
    try:
        return same(left, right)
    except EvaluationError:
        return False


def _lists(left: list[Value], right: Value) -> bool:
    """Compare a list of an expression; incomparable items count as equal (baseList.Equal)."""
    if type(right) not in _IS_LIST or len(left) != len(right):
        return False
    for item, other in zip(left, right, strict=True):
        try:
            if not equal(item, other):
                return False
        except EvaluationError:
            continue
    return True


def _list_data(left: ListData, right: Value) -> bool:
    if type(right) not in _IS_LIST:
        raise no_such_overload()
    if len(left) != len(right):
        return False
    if left.node.list_type == "set":
        return _set_keys(left) == _set_keys(right)
    if left.node.list_type == "map":
        return _map_data(left, right)
    return all(same(item, other) for item, other in zip(left, right, strict=True))


def _set_lists(left: SetList, right: Value) -> bool:
    if type(right) not in _IS_LIST:
        raise no_such_overload()
    return len(left) == len(right) and _set_keys(left) == _set_keys(right)


def _set_keys(items: Iterable[Value]) -> set[Hashable]:
    return {set_key(item) for item in items}


_SAFE_OFFSETS = range(-12 * 3600, 14 * 3600 + 1, 3600)


def set_key(item: Value) -> Hashable:
    """Return the identity of a list-set item: Go's type and value."""
    kind = type(item)
    if kind in _IS_LIST or kind in _IS_MAP:
        raise EvaluationError("listSet operations are only supported on lists of scalar values")
    if kind is Timestamp:
        # Go also compares the zone, by its address: shared for whole hours only.
        if item.offset not in _SAFE_OFFSETS:
            raise UndecidedError("a list-set of times in a half-hour time zone")
        return kind, item.nanoseconds, item.offset
    return kind, item


def _map_data(left: ListData, right: Value) -> bool:
    by_key = {_raw_key(raw, left.node.keys): raw for raw in left.raw}
    seen = set()
    item_node = left.node.items
    for other in right:
        raw = other.raw if isinstance(other, ObjectData | MapData) else other
        key = _raw_key(raw, left.node.keys)
        if key not in by_key or item_node is None:
            return False
        if not same(item_node.read(by_key[key]), other):
            return False
        seen.add(key)
    return len(seen) == len(by_key)


def _raw_key(raw: JSON, keys: tuple[str, ...]) -> Hashable:
    """Look up list-map keys as the API server does: by identifier instead of property name."""
    if not isinstance(raw, dict):
        raise UndecidedError("an item of a list-map that is not an object")
    values = [raw.get(key) for key in keys]
    if any(isinstance(value, dict | list) for value in values):
        raise UndecidedError("a list-map whose keys are not scalars")
    return tuple((type(value), value) for value in values)


def member_key(item: Value, keys: tuple[str, ...]) -> Hashable:
    """Return the identity of a list-map item, by its fields' values."""
    return tuple(_member(item, key) for key in keys)


def _member(item: Value, key: str) -> Hashable:
    if type(item) not in _IS_MAP:
        return None
    try:
        value = item.find(key)
    except EvaluationError:
        return None
    if value is MISSING or type(value) in _IS_LIST or type(value) in _IS_MAP:
        return None
    return type(value), value


def _keyed_lists(left: KeyedList, right: Value) -> bool:
    if type(right) not in _IS_LIST:
        raise no_such_overload()
    if len(left) != len(right):
        return False
    by_key = {member_key(item, left.keys): item for item in left}
    seen = set()
    for other in right:
        key = member_key(other, left.keys)
        if key not in by_key or not same(by_key[key], other):
            return False
        seen.add(key)
    return len(seen) == len(by_key)


def _maps(left: Map, right: Value) -> bool:
    if type(right) not in _IS_MAP or len(left) != len(right):
        return False
    for key, value in left.items():
        other = right.find(key)
        if other is MISSING:
            return False
        try:
            if not equal(value, other):
                return False
        except EvaluationError:
            continue
    return True


def _object_data(left: ObjectData | MapData, right: Value) -> bool:
    if type(right) not in _IS_MAP:
        raise no_such_overload()
    if len(left) != len(right):
        return False
    return all(_same_member(left, right, name) for name in left.raw)


def _same_member(left: ObjectData | MapData, right: Value, name: str) -> bool:
    if isinstance(left, ObjectData):
        if name not in left.node.properties:
            return _same_unknown(left, right, name)
        mine, other = _under_name(left, name), _under_name(right, name)
    elif left.node.values is None:
        return _same_unknown(left, right, name)
    else:
        mine, other = left.find(name), right.find(name)
    if mine is MISSING or other is MISSING:
        return mine is other
    return same(mine, other)


def _under_name(value: Value, name: str) -> Value:
    """Read the identifier from the property's name and unescape it, as the API server does here."""
    if not isinstance(value, ObjectData):
        return value.find(name)
    property_ = cel_identifiers.unescaped(name)
    node = value.node.properties.get(property_) if property_ is not None else None
    raw = value.raw.get(property_) if property_ is not None else None
    return MISSING if node is None or raw is None else node.read(raw)


def _same_unknown(left: ObjectData | MapData, right: Value, name: str) -> bool:
    """Compare a field invisible to CEL as JSON, if the other side has it."""
    if not isinstance(right, ObjectData | MapData):
        raise no_such_overload()
    return name not in right.raw or same_json(left.raw[name], right.raw[name])


def same_json(left: JSON, right: JSON) -> bool:
    """Return whether JSON is equal in Go: 1 is not 1.0, and true is not 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(
            same_json(value, right[name]) for name, value in left.items()
        )
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_json, left, right))
    return bool(left == right)


def _optionals(left: Optional, right: Value) -> bool:
    if not isinstance(right, Optional):
        return False
    if left.value is MISSING or right.value is MISSING:
        return left.value is right.value
    # Null has its own Equal, unlike in types.Equal.
    return right.value is None if left.value is None else same(left.value, right.value)


_Compare: TypeAlias = Callable[..., bool]
_COMPARERS: dict[type, _Compare] = {
    list: _lists,
    SetList: _set_lists,
    KeyedList: _keyed_lists,
    ListData: _list_data,
    Map: _maps,
    ObjectData: _object_data,
    MapData: _object_data,
    Optional: _optionals,
    type(None): lambda _, right: right is None,
}
