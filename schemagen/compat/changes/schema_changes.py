"""Compare two structural schemas, node by node, keyword by keyword. Pure.

Order does not count where the API server does not mind it: of properties, ``required``, enums, list
map keys, junctors and rules.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemagen.compat.changes import keyword_changes, renames
from schemagen.compat.changes.changes import NARROWER, WIDER, Audience, Change, all_safe
from schemagen.compat.changes.nodes import Node
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

DOCUMENTATION: Final = frozenset(
    {"description", "title", "example", "externalDocs", "id", "$schema"}
)
_NEW_FIELD: Final = "a new optional field refuses nothing, and is absent from what is stored"


def compare(old: Schema, new: Schema, *, version: str = "", place: str = "") -> Iterator[Change]:
    """Yield the changes between two schemas of a version, outermost first.

    Args:
        old: The ``openAPIV3Schema`` before.
        new: The one now.
        version: The version's name.
        place: The field of the CRD that holds the schema.
    """
    for change in _nodes(Node(_rooted(old), _rooted(new), (), place)):
        yield dataclasses.replace(change, version=version)


_TEXT: Final[Schema] = {"type": "string"}


def _rooted(schema: Schema) -> Schema:
    """Return the schema of an object with what every object has."""
    properties = _children(schema)
    metadata = {"type": "object", **properties.get("metadata", {})}
    metadata["properties"] = {"name": _TEXT, "generateName": _TEXT, **_children(metadata)}
    own = {"apiVersion": _TEXT, "kind": _TEXT}
    return {**schema, "properties": {**own, **properties, "metadata": metadata}}


def _nodes(node: Node) -> Iterator[Change]:
    """Yield the changes of a node and of all below it."""
    if node.old == node.new:
        return
    yield from keyword_changes.of(node)
    yield from _documentation(node)
    if node.is_retyped:
        return  # what it contains is another matter
    yield from _properties(node)
    yield from _contained(node, "items", "[]")
    yield from _values(node)


def _documentation(node: Node) -> Iterator[Change]:
    for keyword in sorted(DOCUMENTATION):
        before, after = node.old.get(keyword), node.new.get(keyword)
        if before != after:
            yield node.change(
                f"{_dashed(keyword)}-changed",
                f"{keyword} changed",
                before=before,
                after=after,
                keyword=keyword,
                safe=all_safe("documentation is not validated"),
            )


def _dashed(keyword: str) -> str:
    return {"externalDocs": "external-docs", "$schema": "json-schema"}.get(keyword, keyword)


def _properties(node: Node) -> Iterator[Change]:
    old, new = _children(node.old), _children(node.new)
    renamed = renames.pairs(
        {name: old[name] for name in old if name not in new},
        {name: new[name] for name in new if name not in old},
    )
    for name in old:
        if name in new:
            yield from _nodes(node.child(f".{name}", old[name], new[name]))
        elif name in renamed:
            yield _renamed(node, name, renamed[name])
            # The values of a renamed field may be constrained otherwise as well.
        else:
            yield _removed(node, name)
    taken = set(renamed.values())
    for name in new:
        if name not in old and name not in taken:
            yield _added(node, name)
    yield from _required(node)


def _children(schema: Schema) -> Mapping[str, Schema]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _renamed(node: Node, name: str, other: str) -> Change:
    child = node.child(f".{name}", node.old["properties"][name], node.new["properties"][other])
    return child.change(
        "field-renamed",
        f"renamed to {other}; nothing copies the values of {name}",
        before=name,
        after=other,
        place=f"{node.place}.properties.{other}",
        gone=True,
    )


def _removed(node: Node, name: str) -> Change:
    schema = node.old["properties"][name]
    child = node.child(f".{name}", schema, {})
    keyword = "x-kubernetes-preserve-unknown-fields"
    is_kept = bool(node.old.get(keyword) and node.new.get(keyword))
    keeps = bool(node.new.get(keyword)) or isinstance(node.new.get("additionalProperties"), dict)
    return child.change(
        "field-removed",
        "removed, and its value is kept unvalidated" if keeps else "removed",
        before=_brief(schema),
        safe={Audience.STORED: "its value is kept, and no longer validated"} if is_kept else {},
        place=node.place,
        gone=True,
    )


def _added(node: Node, name: str) -> Change:
    schema = node.new["properties"][name]
    child = node.child(f".{name}", {}, schema)
    is_required = name in node.new.get("required", ())
    has_default = schema.get("default") is not None
    was_open = _is_open(node.old)
    safe: dict[Audience, str] = {}
    if is_required and not has_default:
        rule, text = "required-field-added", "added as a required field without default"
    elif is_required:
        rule, text = "defaulted-field-added", "added as a required field with a default"
    elif has_default:
        rule, text = "defaulted-field-added", "added with a default"
    else:
        rule, text, safe = "field-added", "added", all_safe(_NEW_FIELD)
    values = node.old.get("additionalProperties")
    if isinstance(values, dict) and stripped(values) == stripped(schema):
        text = "was a value of any key, with the same schema"
        safe = all_safe("its schema is the same")
        return child.change("field-added", text, after=_brief(schema), safe=safe)
    if was_open:
        text, safe = f"{text}, where any value was kept before", {}
    if is_required and not was_open:
        safe = {Audience.READERS: "readers ignore fields that they do not know"}
    if has_default and not was_open and not child.is_counted:
        safe = all_safe("its default fills it in, and readers ignore fields that they do not know")
    return dataclasses.replace(
        child.change(rule, text, after=_brief(schema), safe=safe), is_anywhere=has_default
    )


def _required(node: Node) -> Iterator[Change]:
    old, new = set(node.old.get("required") or ()), set(node.new.get("required") or ())
    before, after = _children(node.old), _children(node.new)
    for name in sorted(new - old):
        if name in after and name not in before:
            continue  # told with the new field
        child = node.child(f".{name}", before.get(name, {}), after.get(name, {}))
        if after.get(name, {}).get("default") is not None:
            safe = all_safe("the default fills it in")
        else:
            safe = {Audience.READERS: NARROWER}
        yield child.change("required-added", "required now", after=True, safe=safe, at=node)
    for name in sorted(old - new):
        if name in before and name not in after:
            continue  # told with the removed or renamed field
        child = node.child(f".{name}", before.get(name, {}), after.get(name, {}))
        safe = {Audience.WRITERS: WIDER, Audience.STORED: WIDER}
        if after.get(name, {}).get("default") is not None:
            safe[Audience.READERS] = "the default fills it in, so that it is never absent"
        yield child.change("required-removed", "optional now", before=True, safe=safe, at=node)


def _contained(node: Node, keyword: str, step: str) -> Iterator[Change]:
    old, new = node.old.get(keyword), node.new.get(keyword)
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _nodes(node.child(step, old, new, keyword=keyword))
    elif old != new:
        yield node.change(
            f"{keyword}-changed", f"{keyword} changed", before=old, after=new, keyword=keyword
        )


def _values(node: Node) -> Iterator[Change]:
    """Compare what is allowed besides the properties."""
    old, new = node.old.get("additionalProperties"), node.new.get("additionalProperties")
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _nodes(node.child("{}", old, new, keyword="additionalProperties"))
        return
    if old == new:
        return
    if new is None or new is False:
        rule, text = "map-values-removed", "holds no arbitrary keys any more"
    elif old is None or old is False:
        rule, text = "map-values-added", "holds arbitrary keys now"
    else:
        rule, text = "map-values-changed", "values of arbitrary keys changed"
    safe: dict[Audience, str] = {}
    if rule == "map-values-added" and not _is_open(node.old) and not _children(node.old):
        safe = {
            Audience.WRITERS: WIDER,
            Audience.STORED: WIDER,
            Audience.READERS: "readers ignore fields that they do not know",
        }
    yield node.change(rule, text, before=old, after=new, keyword="additionalProperties", safe=safe)


def _is_open(schema: Schema) -> bool:
    """Return whether a schema keeps fields that it does not declare."""
    return bool(schema.get("x-kubernetes-preserve-unknown-fields")) or isinstance(
        schema.get("additionalProperties"), dict | bool
    )


def _brief(schema: Schema) -> JSON:
    """Return a schema without documentation, as shown with a change."""
    return stripped(schema)


def stripped(schema: Any, *, is_map: bool = False) -> Any:
    """Return a schema without its documentation."""
    if isinstance(schema, list):
        return [stripped(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if is_map:
        return {name: stripped(child) for name, child in schema.items()}
    return {
        keyword: value
        if keyword in _DATA
        else stripped(value, is_map=keyword in {"properties", "patternProperties", "definitions"})
        for keyword, value in schema.items()
        if keyword not in DOCUMENTATION
    }


_DATA: Final = frozenset({"default", "enum", "x-kubernetes-validations"})
