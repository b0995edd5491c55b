"""Operators: arithmetic with Go's overflow, ordering, membership, indexing."""

import math
import operator
from collections.abc import Callable
from typing import TypeAlias

from schemagen.cel import equality, times
from schemagen.cel.data import LISTS, MAPS, ListData
from schemagen.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    MISSING,
    NONE,
    Duration,
    EvaluationError,
    KeyedList,
    Optional,
    SetList,
    Timestamp,
    Uint,
    Value,
    no_such_overload,
    shown,
    type_name,
)

Binary: TypeAlias = Callable[[Value, Value], Value]

_IS_LIST, _IS_MAP = frozenset(LISTS), frozenset(MAPS)


def _int(value: int) -> int:
    if MIN_INT <= value <= MAX_INT:
        return value
    raise EvaluationError("integer overflow")


def _uint(value: int) -> Uint:
    if 0 <= value <= MAX_UINT:
        return Uint(value)
    raise EvaluationError("unsigned integer overflow")


def _quotient(left: int, right: int) -> int:
    """Divide as Go does: truncating toward zero."""
    if right == 0:
        raise EvaluationError("division by zero")
    whole = abs(left) // abs(right)
    return whole if (left < 0) == (right < 0) else -whole


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise EvaluationError("modulus by zero")
    if left == MIN_INT and right == -1:
        raise EvaluationError("integer overflow")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def _float_quotient(left: float, right: float) -> float:
    if right:
        return left / right
    if not left or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1, right)


def _float_product(left: float, right: float) -> float:
    return left * right


def _arithmetic(exact: Callable[[int, int], int], floating: Binary | None) -> dict[type, Binary]:
    """Return the implementations for each numeric type."""
    implementations: dict[type, Binary] = {
        int: lambda left, right: _int(exact(left, right)),
        Uint: lambda left, right: _uint(exact(int(left), int(right))),
    }
    return implementations | ({float: floating} if floating is not None else {})


def _moved(moment: Timestamp, by: int) -> Timestamp:
    moved = moment.nanoseconds + by
    if not times.MIN_SECOND <= moved // times.SECOND <= times.MAX_SECOND:
        raise EvaluationError("timestamp overflow")
    return Timestamp(moved, moment.offset)


def _add_to_timestamp(left: Timestamp, right: Value) -> Timestamp:
    if type(right) is not Duration:
        raise no_such_overload()
    return _moved(left, right.nanoseconds)


def _add_to_duration(left: Duration, right: Value) -> Value:
    if type(right) is Timestamp:
        return _moved(right, left.nanoseconds)
    if type(right) is not Duration:
        raise no_such_overload()
    return Duration(_int(left.nanoseconds + right.nanoseconds))


def _subtract_from_timestamp(left: Timestamp, right: Value) -> Value:
    if type(right) is Duration:
        return _moved(left, _int(-right.nanoseconds))
    if type(right) is not Timestamp:
        raise no_such_overload()
    return Duration(_int(left.nanoseconds - right.nanoseconds))


def _subtract_from_duration(left: Duration, right: Value) -> Duration:
    if type(right) is not Duration:
        raise no_such_overload()
    return Duration(_int(left.nanoseconds - right.nanoseconds))


def _add_to_list(left: Value, right: Value) -> list[Value]:
    if type(right) not in _IS_LIST:
        raise no_such_overload()
    kind = left.node.list_type if isinstance(left, ListData) else ""
    if kind == "set" or isinstance(left, SetList):
        return _union(left, right)
    if isinstance(left, KeyedList):
        return _merged(left, right, left.keys)
    if isinstance(left, ListData) and kind == "map":
        return _merged(left, right, left.node.keys)
    return [*left, *right]


def _union(left: Value, right: Value) -> SetList:
    union = SetList(left)
    keys = {equality.set_key(item) for item in union}
    for item in right:
        key = equality.set_key(item)
        if key not in keys:
            keys.add(key)
            union.append(item)
    return union


def _merged(left: Value, right: Value, keys: tuple[str, ...]) -> KeyedList:
    """Merge: items of the right list replace those with the same keys."""
    merged = KeyedList(left, keys)
    places = {equality.member_key(item, keys): place for place, item in enumerate(merged)}
    for item in right:
        place = places.get(equality.member_key(item, keys))
        if place is None:
            merged.append(item)
        else:
            merged[place] = item
    return merged


_ADD = _arithmetic(operator.add, operator.add) | {
    str: operator.add,
    bytes: operator.add,
}
_ADD_MIXED: dict[type, Binary] = {
    Timestamp: _add_to_timestamp,
    Duration: _add_to_duration,
    **dict.fromkeys(LISTS, _add_to_list),
}
_SUBTRACT = _arithmetic(operator.sub, operator.sub)
_SUBTRACT_MIXED: dict[type, Binary] = {
    Timestamp: _subtract_from_timestamp,
    Duration: _subtract_from_duration,
}
_MULTIPLY = _arithmetic(operator.mul, _float_product)
_DIVIDE = _arithmetic(_quotient, _float_quotient)
_MODULO = _arithmetic(_remainder, None)

# cel-go dispatches these to a receiver method, with shorter error messages.
_RECEIVERS = frozenset((str, Timestamp, Duration))


def _reckoned(name: str, same: dict[type, Binary], mixed: dict[type, Binary]) -> Binary:
    """Compile a binary operator; ``same`` handles equal types, ``mixed`` any others."""

    def reckon(left: Value, right: Value) -> Value:
        kind = type(left)
        function = same.get(kind)
        if function is not None:
            if type(right) is not kind:
                raise no_such_overload()
            return function(left, right)
        function = mixed.get(kind)
        if function is None:
            raise _no_operator(name, kind)
        return function(left, right)

    return reckon


def _no_operator(name: str, kind: type) -> EvaluationError:
    return EvaluationError(
        "no such overload" if kind in _RECEIVERS else f"no such overload: {name}"
    )


def _ordered(name: str, accepted: frozenset[int]) -> Binary:
    return lambda left, right: equality.compare(left, right, name) in accepted


def contains(item: Value, items: Value) -> bool:
    """Evaluate ``item in items``."""
    if type(items) in _IS_LIST:
        return equality.contains(items, item)
    if type(items) in _IS_MAP:
        return items.find(item) is not MISSING
    raise no_such_overload()


def _not_equal(left: Value, right: Value) -> bool:
    """Evaluate ``!=``, where cel-go treats a comparison error as unequal."""
    try:
        return not equality.equal(left, right)
    except EvaluationError:
        return True


BINARY: dict[str, Binary] = {
    "_==_": equality.equal,
    "_!=_": _not_equal,
    "_<_": _ordered("_<_", frozenset((-1,))),
    "_<=_": _ordered("_<=_", frozenset((-1, 0))),
    "_>_": _ordered("_>_", frozenset((1,))),
    "_>=_": _ordered("_>=_", frozenset((0, 1))),
    "_+_": _reckoned("_+_", _ADD, _ADD_MIXED),
    "_-_": _reckoned("_-_", _SUBTRACT, _SUBTRACT_MIXED),
    "_*_": _reckoned("_*_", _MULTIPLY, {}),
    "_/_": _reckoned("_/_", _DIVIDE, {}),
    "_%_": _reckoned("_%_", _MODULO, {}),
    "@in": contains,
}


PLAIN: dict[str, Callable[[Value, Value], bool]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
"""Operators with the same result in Python and Go for two integers or two strings."""


def negate(value: Value) -> Value:
    """``-value``."""
    kind = type(value)
    if kind is int:
        return _int(-value)
    if kind is float:
        return -value
    if kind is Duration:
        return Duration(_int(-value.nanoseconds))
    if kind is bool:
        raise no_such_overload()
    raise _no_operator("-_", kind)


def invert(value: Value) -> bool:
    """``!value``."""
    if value is True:
        return False
    if value is False:
        return True
    raise no_such_overload()


UNARY: dict[str, Callable[[Value], Value]] = {"-_": negate, "!_": invert}


def find(container: Value, key: Value) -> Value:
    """Return a container's value for a field name, key or index; MISSING if absent."""
    kind = type(container)
    if kind in _IS_MAP:
        return container.find(key)
    if kind in _IS_LIST:
        return _item(container, key)
    return MISSING


def _item(items: Value, index: Value) -> Value:
    place = _place(index)
    if not 0 <= place < len(items):
        return MISSING
    if type(index) is not int and isinstance(items, ListData):
        raise EvaluationError(f"unsupported index: {shown(index)}")
    return items[place]


def _place(index: Value) -> int:
    if type(index) is int or (type(index) is Uint and index <= MAX_INT):
        return int(index)
    if type(index) is float and index.is_integer() and MIN_INT < index < MAX_INT:
        return int(index)
    if type(index) in {float, Uint}:
        raise EvaluationError(f"unsupported index value {shown(index)} in list")
    raise EvaluationError(f"unsupported index type '{type_name(index)}' in list")


def get(container: Value, key: Value) -> Value:
    """Evaluate ``container[key]`` and ``container.key``; for an optional, return an optional."""
    if type(container) is Optional:
        return get_optional(container, key)
    value = find(container, key)
    if value is MISSING:
        what = "index out of bounds" if type(container) in _IS_LIST else "no such key"
        raise EvaluationError(f"{what}: {shown(key)}")
    return value


def get_optional(container: Value, key: Value) -> Optional:
    """``container[?key]`` and ``container.?key``."""
    if type(container) is Optional:
        if container.value is MISSING:
            return NONE
        container = container.value
    value = find(container, key)
    return NONE if value is MISSING else Optional(value)


def has(container: Value, field: str) -> bool:
    """``has(container.field)``."""
    if type(container) is Optional:
        container = container.value
        if container is MISSING:
            return False
    return find(container, field) is not MISSING
