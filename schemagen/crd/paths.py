"""Paths into a model that a version names: columns, selectable fields, scale.

The API server accepts a column or scale path that resolves to nothing and shows nothing; here it is
an error that lists the alternatives. Columns are evaluated on the schema as client-go does.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from schemagen.crd import jsonpath
from schemagen.model import markers, registry
from schemagen.schema.keywords import Schema, SchemaError, nodes

# k8s.io/apiextensions-apiserver 1.37, pkg/apis/apiextensions/validation: MaxSelectableFields.
_MAX_SELECTABLE = 8

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_TIME: Schema = {"type": "string", "format": "date-time"}
_INTEGER: Schema = {"type": "integer"}
_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
_REFERENCE: Schema = {"type": "object", **_ANYTHING}
_METADATA: Schema = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "generateName": _TEXT,
        "namespace": _TEXT,
        "uid": _TEXT,
        "resourceVersion": _TEXT,
        "generation": _INTEGER,
        "creationTimestamp": _TIME,
        "deletionTimestamp": _TIME,
        "deletionGracePeriodSeconds": _INTEGER,
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": {"type": "array", "items": _REFERENCE},
        "managedFields": {"type": "array", "items": _REFERENCE},
    },
}
"""Fields of every object (k8s.io/apimachinery, metav1.ObjectMeta)."""

_OBJECT: Mapping[str, Schema] = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": _METADATA}


class _NothingShownError(Exception):
    """A path resolves to no value; the message says what was expected."""


def check(kind: registry.Kind, version: registry.Version, schema: Schema) -> None:
    """Resolve every path of a version in its schema.

    Raises:
        SchemaError: naming kind, version and path, and the valid names where it fails.
    """
    root = _with_metadata(schema)
    for what, path, problem in _problems(version, root):
        raise SchemaError(f"{kind.name} {version.name}: {what} {path}: {problem}")


def column_problem(schema: Schema, path: str, column_type: str) -> str | None:
    """Return why a column of a type shows nothing for a path, or None."""
    try:
        schemas = _shown(_with_metadata(schema), path)
    except _NothingShownError as error:
        return str(error)
    fitting = [node for node in schemas if _is_shown_as(column_type, node)]
    if fitting or not schemas:
        return None
    return _misfit(column_type, schemas[0])


def _problems(version: registry.Version, schema: Schema) -> Iterator[tuple[str, str, str]]:
    for column in version.columns:
        problem = column_problem(schema, column.path, column.type) if column.checked else None
        if problem is not None:
            yield f"column {column.name}", column.path, problem
    seen: set[str] = set()
    for path in version.selectable:
        problem = _selectable_problem(path, schema, seen)
        if problem is not None:
            yield "selectable field", path, problem
    if len(seen) > _MAX_SELECTABLE:
        yield "selectable fields", ", ".join(seen), f"expected at most {_MAX_SELECTABLE}"
    if version.scale is not None and version.scale.checked:
        yield from _scale_problems(version.scale, schema)


def _with_metadata(schema: Schema) -> Schema:
    """Return a schema with the fields of every object, which it need not declare."""
    own = schema.get("properties", {})
    return {**schema, "properties": {**_OBJECT, **own, "metadata": _METADATA}}


# ----------------------------------------------------------------------------------------- columns


def _misfit(column_type: str, node: Schema) -> str:
    kind, format_ = node.get("type", "a value"), node.get("format")
    if column_type == "date":
        shown = f"string of format {format_}" if kind == "string" else str(kind)
        return (
            f"expected a time (wire.Timestamp) for a column of type date, got {shown}: "
            "kubectl would show none; leave type out"
        )
    expected = {"integer": "integer", "number": "number", "boolean": "boolean"}.get(kind, "string")
    return (
        f"expected a field of type {column_type}, got {kind}: kubectl would show nothing; "
        f'write type="{expected}"'
    )


# JSON types that a column can show (tableconvertor.go, cellForJSONValue); a string column shows
# any.
_SHOWN_AS: Mapping[str, frozenset[str]] = {
    "integer": frozenset({"integer", "number"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"string"}),
}
_TIMES = frozenset({"date-time", "datetime"})


def _is_shown_as(column_type: str, node: Schema) -> bool:
    types = _SHOWN_AS.get(column_type)
    kind = node.get("type")
    if types is None or kind is None:
        return True
    if column_type == "date" and node.get("format", "date-time") not in _TIMES:
        return False
    return kind in types


def _shown(schema: Schema, path: str) -> Sequence[Schema]:
    """Return the schemas of the values that a column may show.

    Raises:
        _NothingShownError: if it shows nothing, or varies from run to run.
    """
    _check_start(path)
    try:
        steps = jsonpath.parsed(path)
    except jsonpath.SyntaxProblemError as error:
        raise _NothingShownError(f"expected {error}{_rewritten(schema, path)}") from error
    try:
        return _followed([schema], steps)
    except _NothingShownError as error:
        raise _NothingShownError(f"{error}{_rewritten(schema, path)}") from error


def _check_start(path: str) -> None:
    """Apply the API server's own syntax check of a path (validateSimpleJSONPath)."""
    if not path.startswith("."):
        raise _NothingShownError(
            "expected a JSONPath of fields such as .spec.name, got another expression"
        )


def _followed(schemas: Sequence[Schema], steps: jsonpath.Path) -> Sequence[Schema]:
    before: jsonpath.Step | None = None
    for step in steps:
        if isinstance(before, jsonpath.Recursive) and isinstance(step, jsonpath.Field):
            schemas = _somewhere(schemas, step.name)
        else:
            schemas = _FOLLOW[type(step)](schemas, step)
        before = step
    return schemas


def _somewhere(schemas: Sequence[Schema], name: str) -> Sequence[Schema]:
    """Return the only field with this name; several are ambiguous, as Go's maps have no order."""
    declared = [node["properties"][name] for node in schemas if name in node.get("properties", {})]
    if len(declared) == 1:
        return declared
    if not declared and any(_is_open(node) for node in schemas):
        return [_ANYTHING]
    count = f"{len(declared)} of them, and kubectl would show one at random" if declared else "none"
    raise _NothingShownError(
        f"expected one field {name} in the object for .., got {count}; write the whole path"
    )


def _field(schemas: Sequence[Schema], step: jsonpath.Field) -> Sequence[Schema]:
    children = [child for node in schemas if (child := _member(node, step.name)) is not None]
    if children:
        return children
    node = schemas[0]
    raise _NothingShownError(f"expected {_choices(node)}, got {step.name}{_meant(node, step.name)}")


def _is_open(node: Schema) -> bool:
    """Return whether a value may have arbitrary names: metadata allows any."""
    is_map = isinstance(node.get("additionalProperties"), dict)
    return (is_map or _is_free_form(node)) and node is not _TEXTS and node is not _REFERENCE


def _member(node: Schema, name: str) -> Schema | None:
    if isinstance(node.get("additionalProperties"), dict):
        values: Schema = node["additionalProperties"]
        return values
    child: Schema | None = node.get("properties", {}).get(name)
    if node.get("x-kubernetes-embedded-resource"):
        child = _OBJECT.get(name, child)
    return _ANYTHING if child is None and _is_free_form(node) else child


def _is_free_form(node: Schema) -> bool:
    return "x-kubernetes-preserve-unknown-fields" in node


def _slice(schemas: Sequence[Schema], step: jsonpath.Slice) -> Sequence[Schema]:
    lists = [_items(node, "an index") for node in schemas]
    start, end = step.start or 0, step.end
    if step.step is not None and step.step <= 0:
        raise _NothingShownError(f"expected a step above 0, got {step.step}")
    if end is not None and end <= start and (start < 0) == (end < 0):
        raise _NothingShownError(f"expected a slice that is not empty, got {start}:{end}")
    max_items = max(node.get("maxItems", start + 1) for node in schemas)
    if start >= max_items:
        raise _NothingShownError(
            f"expected an index below maxItems, which is {max_items}, got {start}"
        )
    return lists


def _items(node: Schema, what: str) -> Schema:
    if "items" in node:
        items: Schema = node["items"]
        return items
    if node.get("type") is None and _is_free_form(node):
        return _ANYTHING
    raise _NothingShownError(f"expected a list for {what}, got {_described(node)}; leave it out")


def _wildcard(schemas: Sequence[Schema], step: jsonpath.Wildcard) -> Sequence[Schema]:
    del step
    for node in schemas:
        if "items" not in node:
            raise _NothingShownError(
                f"expected .* on a list, got {_described(node)}, of which kubectl would show a "
                f"member at random; name one{_listed(node)}"
            )
    return [node["items"] for node in schemas]


def _recursive(schemas: Sequence[Schema], step: jsonpath.Recursive) -> Sequence[Schema]:
    """Return all containers below."""
    del step
    return [node for schema in schemas for _, node in nodes(schema) if _is_container(node)]


def _is_container(node: Schema) -> bool:
    return node.get("type") in {"object", "array"} or _is_free_form(node)


def _filter(schemas: Sequence[Schema], step: jsonpath.Filter) -> Sequence[Schema]:
    items = [_items(node, "a filter") for node in schemas]
    lefts = _followed(items, step.left)
    if step.operator == "exists":
        return items
    if step.operator not in _OPERATORS:
        raise _NothingShownError(
            f"expected one of {' '.join(_OPERATORS)} in the filter, got {step.operator}"
        )
    rights = _followed(items, step.right)
    if not any(_are_comparable(left, right, step.operator) for left in lefts for right in rights):
        raise _NothingShownError(
            f"expected two sides that can be compared by {step.operator}, got "
            f"{_described(lefts[0])} and {_described(rights[0])}"
        )
    return items


_OPERATORS = ("==", "!=", "<", "<=", ">", ">=")


def _are_comparable(left: Schema, right: Schema, operator: str) -> bool:
    """Return whether two types compare: Go's templates compare only within one type."""
    kinds = {left.get("type"), right.get("type")}
    if None in kinds:
        return True
    if kinds & {"object", "array"} or (operator not in {"==", "!="} and "boolean" in kinds):
        return False
    # Go's JSON reader yields an integer for a number without a fraction.
    return len(kinds) == 1 or kinds == {"integer", "number"}


def _union(schemas: Sequence[Schema], step: jsonpath.Union) -> Sequence[Schema]:
    return [node for branch in step.branches for node in _followed(schemas, branch)]


_CONSTANTS = {str: "string", bool: "boolean", int: "integer", float: "number"}


def _constant(schemas: Sequence[Schema], step: jsonpath.Constant) -> Sequence[Schema]:
    del schemas
    return [{"type": _CONSTANTS[type(step.value)]}]


def _identifier(schemas: Sequence[Schema], step: jsonpath.Identifier) -> Sequence[Schema]:
    del schemas
    raise _NothingShownError(
        f'expected .{step.name} or, as text, "{step.name}" in quotes, got {step.name}'
    )


_FOLLOW: Mapping[type, Callable[[Sequence[Schema], Any], Sequence[Schema]]] = {
    jsonpath.Field: _field,
    jsonpath.Slice: _slice,
    jsonpath.Wildcard: _wildcard,
    jsonpath.Recursive: _recursive,
    jsonpath.Filter: _filter,
    jsonpath.Union: _union,
    jsonpath.Constant: _constant,
    jsonpath.Identifier: _identifier,
}


def _choices(node: Schema) -> str:
    if "items" in node:
        return "an item such as [0]"
    names = list(node.get("properties", {}))
    return f"one of {', '.join(names)}" if names else f"the end of the path at {_described(node)}"


def _described(node: Schema) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "an integer or string"
    kind = node.get("type", "value of any type")
    return {"object": "an object", "array": "a list", "integer": "an integer"}.get(
        kind, f"a {kind}"
    )


def _listed(node: Schema) -> str:
    names = ", ".join(node.get("properties", {}))
    return f" of {names}" if names else ""


def _meant(node: Schema, step: str) -> str:
    close = difflib.get_close_matches(step, node.get("properties", {}), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _rewritten(schema: Schema, path: str) -> str:
    """Suggest a path that avoids a common slip from another JSONPath dialect."""
    for other in _rewritings(path):
        try:
            _followed([schema], jsonpath.parsed(other))
        except (jsonpath.SyntaxProblemError, _NothingShownError):
            continue
        return f"; did you mean {other}?"
    return ""


def _rewritings(path: str) -> Iterator[str]:
    """Yield variants with corrected quotes and escaped dots."""
    single = re.sub(r"\[\"([^\"]*)\"\]", r"['\1']", path)
    dotted = re.sub(r"\['([^']*)'\]", lambda name: f"['{_DOT.sub(_ESCAPED, name[1])}']", single)
    yield from (other for other in (single, dotted) if other != path)


_DOT, _ESCAPED = re.compile(r"(?<!\\)\."), r"\\."


# ------------------------------------------------------------------- selectable fields and scales


def _selectable_problem(path: str, schema: Schema, seen: set[str]) -> str | None:
    """Return why the API server refuses a selectable field: plain names to a scalar, each once."""
    try:
        node = _plain(schema, path)
    except _NothingShownError as error:
        return str(error)
    if path.startswith(".metadata."):
        return (
            "expected a field outside metadata, got metadata; name and namespace are always "
            "selectable"
        )
    if node.get("type") not in {"string", "boolean", "integer"}:
        got = _described(node)
        return f"expected a string, boolean or integer, got {got}; name such a field of it"
    if path in seen:
        return "expected each field once, got a duplicate"
    seen.add(path)
    return None


def _scale_problems(scale: markers.Scale, schema: Schema) -> Iterator[tuple[str, str, str]]:
    for name, path in scale.subresource().items():
        problem = scale_problem(schema, name, path)
        if problem is not None:
            yield "scale", path, problem


SCALE_ROOTS = {
    "specReplicasPath": ((".spec.",), "integer"),
    "statusReplicasPath": ((".status.",), "integer"),
    "labelSelectorPath": ((".spec.", ".status."), "string"),
}


def scale_problem(schema: Schema, name: str, path: str) -> str | None:
    """Return why the scale subresource cannot use a path, such as specReplicasPath, or None."""
    roots, kind = SCALE_ROOTS[name]
    try:
        node = _plain(schema, path)
    except _NothingShownError as error:
        return str(error)
    if not path.startswith(roots):
        return f"expected {name} below {' or '.join(root.strip('.') for root in roots)}; write one"
    if node.get("type") not in {kind, None} or node.get("x-kubernetes-int-or-string"):
        return f"expected {_described({'type': kind})} for {name}, got {_described(node)}"
    return None


def _plain(schema: Schema, path: str) -> Schema:
    """Return the schema at a path of plain names, in which nothing is escaped."""
    _check_start(path)
    node = schema
    for name in path[1:].split("."):
        if re.search(r"[\[\]'\\]", name):
            raise _NothingShownError(
                f"expected plain names separated by dots, got {name}: indices, quotes and escapes "
                "are not supported; name a field outside lists"
            )
        (node,) = _field([node], jsonpath.Field(name))
    return node
