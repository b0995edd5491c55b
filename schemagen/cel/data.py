"""JSON under its schema as CEL values, read lazily.

Follows apiserver 1.37's ``pkg/cel/common/valuesunstructured.go``.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from schemagen.cel import times
from schemagen.cel.values import (
    MISSING,
    EvaluationError,
    KeyedList,
    Map,
    SetList,
    UndecidedError,
    Value,
    name_type,
)
from schemagen.model import cel_identifiers
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

Convert: TypeAlias = Callable[[JSON], Value] | None
"""Makes a CEL value from non-null JSON; None if no conversion is needed."""

_STRING: Schema = {"type": "string"}
_META_NAMES = ("name", "generateName")


class Node:
    """A structural schema's node, prepared for reading values.

    Attributes:
        kind: The CEL type of its values: ``int``, ``object``, ``opaque``; ``dyn`` is int-or-string.
        members: Fields by identifier: the property's name, its Node, and its reader.
        properties: Their Nodes by property name.
        values: The Node of a map's values.
        items: The Node of a list's items.
        list_type: set, map or atomic.
        keys: Keys of list-map items, as identifiers, as the API server looks them up.
        convert: Reader of a non-null value.
    """

    __slots__ = (
        "convert",
        "items",
        "keys",
        "kind",
        "list_type",
        "members",
        "nullable",
        "properties",
        "values",
    )

    def __init__(self, schema: Schema, *, is_resource_root: bool = False) -> None:
        self.kind = _kind(schema)
        self.nullable: bool = schema.get("nullable", False)
        self.properties: Mapping[str, Node] = {}
        self.members: dict[str, tuple[str, Node, Convert]] = {}
        self.values: Node | None = None
        self.items: Node | None = None
        self.list_type: str = schema.get("x-kubernetes-list-type", "atomic")
        keys = schema.get("x-kubernetes-list-map-keys", ())
        self.keys = tuple(cel_identifiers.escaped(key) or key for key in keys)
        if self.kind == "object":
            self._read_object(schema, is_resource_root=is_resource_root)
        elif self.kind == "list":
            self.items = Node(schema["items"])
        self.convert: Convert = self._converter()

    def _read_object(self, schema: Schema, *, is_resource_root: bool) -> None:
        properties = schema.get("properties", {})
        if is_resource_root or schema.get("x-kubernetes-embedded-resource"):
            properties = _with_meta(properties)
        additional = schema.get("additionalProperties")
        if properties:
            self.properties = {name: Node(child) for name, child in properties.items()}
            for name, node in self.properties.items():
                identifier = cel_identifiers.escaped(name)
                if identifier is not None:
                    self.members[identifier] = (name, node, node.convert)
        elif isinstance(additional, dict):
            self.kind = "map"
            self.values = Node(additional)
        else:
            self.kind = "opaque"

    def _converter(self) -> Convert:
        made: dict[str, Callable[[JSON], Value]] = {
            "object": lambda raw: ObjectData(_object(raw), self),
            "map": lambda raw: MapData(_object(raw), self),
            "opaque": lambda raw: MapData(_object(raw), self),
            "list": lambda raw: ListData(_list(raw), self),
        }
        return made.get(self.kind) or _SCALARS.get(self.kind)

    @property
    def is_container(self) -> bool:
        """Return whether values are objects, maps or lists."""
        return self.kind in {"object", "map", "opaque", "list"}

    def read(self, raw: JSON) -> Value:
        """Return the CEL value of JSON."""
        if raw is None:
            return self.null()
        return raw if self.convert is None else self.convert(raw)

    def null(self) -> None:
        """Return the CEL value of null.

        Raises:
            EvaluationError: if the schema does not allow null.
        """
        if not self.nullable:
            raise EvaluationError("invalid data, got null for schema with nullable=false")


def _kind(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "dyn"
    kind: str = schema.get("type", "")
    if kind == "string":
        return _FORMATS.get(schema.get("format", ""), "string")
    return _KINDS.get(kind, "unknown")


_FORMATS = {"duration": "duration", "date": "date", "date-time": "date-time", "byte": "bytes"}
_KINDS = {
    "object": "object",
    "array": "list",
    "integer": "int",
    "number": "double",
    "boolean": "bool",
}


def _with_meta(properties: Mapping[str, Schema]) -> Mapping[str, Schema]:
    """Return the visible part of an object: schema/cel/model/schemas.go, WithTypeAndObjectMeta."""
    metadata = properties.get("metadata", {})
    known = metadata.get("properties", {})
    is_complete = metadata.get("type") == "object" and all(
        node.get("type") == "string"
        for node in (
            *(properties.get(name, {}) for name in ("kind", "apiVersion")),
            *(known.get(name, {}) for name in _META_NAMES),
        )
    )
    if is_complete:
        return properties
    meta = {"type": "object", "properties": dict.fromkeys(_META_NAMES, _STRING)}
    return {**properties, "kind": _STRING, "apiVersion": _STRING, "metadata": meta}


# The API server's messages for stored values that violate their schema (common/values.go).
NO_OBJECT = (
    "invalid data, expected map[string]interface{} to match the provided schema with type=object"
)
NO_LIST = "invalid data, expected an array to match the provided schema with type=array"


def _object(raw: JSON) -> dict[str, JSON]:
    if not isinstance(raw, dict):
        raise EvaluationError(NO_OBJECT)
    return raw


def _list(raw: JSON) -> list[JSON]:
    if not isinstance(raw, list):
        raise EvaluationError(NO_LIST)
    return raw


class ObjectData:
    """An object with declared properties; no others are visible to CEL."""

    __slots__ = ("node", "raw")
    type_name = "map"

    def __init__(self, raw: dict[str, JSON], node: Node) -> None:
        self.raw = raw
        self.node = node

    def __len__(self) -> int:
        return len(self.raw)

    def find(self, key: Value) -> Value:
        """Return the value of a field, or MISSING; null counts as absent."""
        if type(key) is not str:
            raise EvaluationError("no such overload")
        member = self.node.members.get(key)
        if member is None:
            return MISSING
        name, _, convert = member
        raw = self.raw.get(name)
        if raw is None:
            return MISSING
        return raw if convert is None else convert(raw)

    def keys(self) -> Iterator[str]:
        """Return the identifiers of the fields present."""
        properties = self.node.properties
        return (cel_identifiers.escaped(name) or name for name in self.raw if name in properties)


class MapData:
    """An object with arbitrary keys; an opaque one exposes none of them."""

    __slots__ = ("node", "raw")
    type_name = "map"

    def __init__(self, raw: dict[str, JSON], node: Node) -> None:
        self.raw = raw
        self.node = node

    def __len__(self) -> int:
        return len(self.raw)

    def find(self, key: Value) -> Value:
        """Return the value of a key, or MISSING."""
        if type(key) is not str:
            raise EvaluationError("no such overload")
        if self.node.values is None or key not in self.raw:
            return MISSING
        return self.node.values.read(self.raw[key])

    def keys(self) -> Iterator[str]:
        """Return the keys."""
        return iter(self.raw if self.node.values is not None else ())


class ListData:
    """A list of data."""

    __slots__ = ("node", "raw")
    type_name = "list"

    def __init__(self, raw: list[JSON], node: Node) -> None:
        self.raw = raw
        self.node = node

    def __len__(self) -> int:
        return len(self.raw)

    def __getitem__(self, index: int) -> Value:
        return self._item.read(self.raw[index])

    def __iter__(self) -> Iterator[Value]:
        item = self._item
        if item.convert is None or (item.kind == "int" and {*map(type, self.raw)} == {int}):
            return iter(self.raw)
        if item.nullable:
            return map(item.read, self.raw)
        return self._converted(item.convert)

    def _converted(self, convert: Callable[[JSON], Value]) -> Iterator[Value]:
        for raw in self.raw:
            try:
                yield convert(raw)
            except EvaluationError as error:
                # In cel-go the variable itself is the error, raised only where it is used.
                raise UndecidedError(f"a list with an unreadable item: {error}") from error

    @property
    def _item(self) -> Node:
        assert self.node.items is not None  # noqa: S101 - what makes it a list
        return self.node.items


for _class in (ObjectData, MapData):
    name_type(_class, "map")
name_type(ListData, "list")


def _integer(raw: JSON) -> int:
    if type(raw) is int:
        return raw
    raise EvaluationError(f"invalid data, expected int, got {_GO_TYPES.get(type(raw), 'float64')}")


def _int_or_string(raw: JSON) -> int | str:
    if type(raw) is int or type(raw) is str:
        return raw
    raise EvaluationError(
        "invalid data, expected XIntOrString value to be either a string or integer"
    )


_GO_TYPES: dict[type[Any], str] = {str: "string", bool: "bool"}


_NO_BASE64 = re.compile(r"[^A-Za-z0-9_=\r\n-]")


def _bytes(raw: JSON) -> bytes:
    """Decode as strfmt.Base64.UnmarshalText: with base64's URL alphabet.

    ``format: byte`` is validated with the standard alphabet, so ``+`` and ``/`` fail here.
    """
    wrong = _NO_BASE64.search(raw)
    if wrong is not None:
        at = len(raw[: wrong.start()].encode())
        problem = f"illegal base64 data at input byte {at}"
        raise EvaluationError(f"Invalid byte formatted string {raw}: {problem}")
    try:
        return base64.urlsafe_b64decode(raw.replace("\r", "").replace("\n", ""))
    except (binascii.Error, ValueError) as error:
        raise UndecidedError("bytes that are not base64") from error


_SCALARS: dict[str, Callable[[JSON], Value]] = {
    "int": _integer,
    "double": float,
    "dyn": _int_or_string,
    "bytes": _bytes,
    "duration": times.data_duration,
    "date": times.data_date,
    "date-time": times.data_date_time,
}

LISTS: Sequence[type[Any]] = (list, SetList, KeyedList, ListData)
MAPS: Sequence[type[Any]] = (Map, ObjectData, MapData)
