"""Rules about lists and server-side apply."""

from collections.abc import Iterator
from typing import Final

from schemagen.compat.findings import Level
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target, at

_LIST_TYPE: Final = "x-kubernetes-list-type"
_KEYS: Final = "x-kubernetes-list-map-keys"
# Required fields of a condition (k8s.io/apimachinery, metav1.Condition).
_CONDITION: Final = {
    "type": "string",
    "status": "string",
    "reason": "string",
    "message": "string",
    "lastTransitionTime": "string",
}


def _untyped(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        if node.type == "array" and _LIST_TYPE not in node.schema:
            yield at(
                node,
                f"expected {_LIST_TYPE}, got none, which is atomic: the last applier replaces the "
                "whole list; write atomic, or set or map",
            )


def _sets_of_objects(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        items = node.schema.get("items")
        is_set = node.schema.get(_LIST_TYPE) == "set"
        if is_set and isinstance(items, dict) and items.get("type") in {"object", "array"}:
            yield at(
                node,
                f"expected a set of scalars, got a set of {items['type']}s: appliers that change a "
                "field of an item add a second one; write map with keys, or atomic",
            )


def _conditions(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        if node.name != "conditions" or node.type != "array" or not node.path.startswith("status."):
            continue
        if node.schema.get(_LIST_TYPE) != "map" or node.schema.get(_KEYS) != ["type"]:
            yield at(
                node,
                f"expected {_LIST_TYPE}: map with {_KEYS}: [type], got "
                f"{node.schema.get(_LIST_TYPE, 'none')}; two controllers that apply a condition "
                "each would overwrite the other's",
            )
        problem = _condition_problem(node.schema.get("items"))
        if problem:
            yield at(node, problem)


def _condition_problem(items: object) -> str:
    properties = (items.get("properties") or {}) if isinstance(items, dict) else {}
    missing = [
        name for name, kind in _CONDITION.items() if properties.get(name, {}).get("type") != kind
    ]
    if not missing:
        return ""
    return (
        f"expected the fields of a condition, got no string {', '.join(missing)}; use those of "
        "metav1.Condition, which kubectl wait reads"
    )


def _unnamed_items(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        items = node.schema.get("items")
        if node.type != "array" or not isinstance(items, dict) or items.get("type") != "object":
            continue
        if items.get("properties") and not items.get("required") and not _is_union(items):
            yield at(
                node,
                "expected items with at least one required field, got none: an empty item and two "
                "items run together look alike in YAML; require one",
            )


def _is_union(items: dict[str, object]) -> bool:
    return bool(items.keys() & {"oneOf", "anyOf", "x-kubernetes-validations", "minProperties"})


THEME: Final = "lists"

RULES: Final = (
    Rule(
        id="list-type-missing",
        theme=THEME,
        level=Level.NOTE,
        finds="a list without x-kubernetes-list-type",
        why="it is atomic by default: of two appliers the last one wins the whole list, and to "
        "make it a map or set later changes ownership in stored objects",
        fix="write atomic (--fix does), or set or map where items are merged",
        check=_untyped,
        is_fixed=True,
        others=("crd-schema-checker ListsMustHaveSSATags", "kube-api-linter ssatags"),
    ),
    Rule(
        id="list-set-objects",
        theme=THEME,
        level=Level.WARNING,
        finds="a list-set of objects or lists",
        why="an item is its whole value: to change a field of one adds another",
        fix="write x-kubernetes-list-type: map with keys, or atomic",
        check=_sets_of_objects,
        others=("kube-api-linter ssatags",),
    ),
    Rule(
        id="conditions",
        theme=THEME,
        level=Level.WARNING,
        finds="status.conditions that are no list-map by type of metav1.Condition",
        why="controllers that apply one condition each overwrite the others', and kubectl wait "
        "finds nothing",
        fix="use metav1.Condition with x-kubernetes-list-type: map and keys [type]",
        check=_conditions,
        others=("crd-schema-checker ConditionsMustHaveProperSSATags", "kube-api-linter conditions"),
    ),
    Rule(
        id="list-items-unnamed",
        theme="conventions",
        level=Level.NOTE,
        finds="a list of objects in which no field is required",
        why="an empty item is valid, and two items with a forgotten dash look alike",
        fix="require a field of the items, or one of several by a rule",
        check=_unnamed_items,
        is_default=False,
        others=("kube-api-linter arrayofstruct",),
    ),
)
