"""Conventions of API design, off by default: a published field cannot be changed to follow them.

They come from Kubernetes' API conventions
(github.com/kubernetes/community, contributors/devel/sig-architecture/api-conventions.md).
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from schemagen.compat.findings import Level
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import INT_OR_STRING, PRESERVE, Found, Node, Target, at

THEME: Final = "conventions"

_CAMEL: Final = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)*")
_PASCAL: Final = re.compile(r"[A-Z][A-Za-z0-9]*")
# What a Go duration's pattern or description looks like.
_DURATION: Final = re.compile(r"\(ns\|us\|µs\|ms\|s\|m\|h\)|\(\?:\[0-9\]\+h\)|h\|m\|s\|ms")
# Fields of core/v1 ObjectReference.
_REFERENCE: Final = frozenset(
    {"apiVersion", "kind", "name", "namespace", "uid", "fieldPath", "resourceVersion"}
)


def _each(problem: Callable[[Node], str]) -> Callable[[Target], Iterator[Found]]:
    """Return the check of a rule about single nodes; the problem is empty where there is none."""

    def check(target: Target) -> Iterator[Found]:
        for node in target.nodes:
            message = problem(node)
            if message:
                yield at(node, message)

    return check


def _boolean(node: Node) -> str:
    if node.type != "boolean":
        return ""
    return "expected an enum with a meaning for each value, got a boolean, which cannot grow"


def _defaulted_boolean(node: Node) -> str:
    if node.type != "boolean" or not isinstance(node.schema.get("default"), bool):
        return ""
    return "expected an enum, got a boolean with a default: no third value can ever be added"


def _float(node: Node) -> str:
    if node.type != "number":
        return ""
    return (
        "expected an integer of a smaller unit or a quantity, got a number, which clients do not "
        "keep exactly"
    )


def _map(node: Node) -> str:
    values = node.schema.get("additionalProperties")
    if not isinstance(values, dict) or values.get("type") == "string":
        return ""
    return (
        "expected a list of named items, got a map: its keys have no name, description or own "
        "rules; write a list with x-kubernetes-list-type: map"
    )


def _duration(node: Node) -> str:
    pattern = str(node.schema.get("pattern", ""))
    if node.type != "string":
        return ""
    if node.schema.get("format") != "duration" and not _DURATION.search(pattern):
        return ""
    return (
        "expected an integer with the unit in its name, such as timeoutSeconds, got a duration as "
        "text, which languages read differently"
    )


def _nullable(node: Node) -> str:
    if not node.schema.get("nullable"):
        return ""
    return "expected an absent field for no value, got nullable: writers must tell null from absent"


def _phase(node: Node) -> str:
    if not node.name or "phase" not in node.name.lower():
        return ""
    return (
        "expected conditions, got a phase, to which no value can be added without breaking readers"
    )


def _reference(node: Node) -> str:
    if not node.name or not re.search(r"references?$|References?(?=[A-Z]|$)", node.name):
        return ""
    return f"expected a name with Ref or Refs, got {node.name}"


def _timestamp(node: Node) -> str:
    if not node.name or not re.search(r"[tT]ime[sS]tamp", node.name):
        return ""
    return f"expected a name that ends with Time, such as startTime, got {node.name}"


def _case(node: Node) -> str:
    if not node.name or _CAMEL.fullmatch(node.name):
        return ""
    return f"expected a name in camelCase, got {node.name}"


def _enum_case(node: Node) -> str:
    wrong = [
        value
        for value in node.schema.get("enum") or ()
        if isinstance(value, str) and value and not _PASCAL.fullmatch(value)
    ]
    if not wrong:
        return ""
    return f"expected enum values in CamelCase, got {', '.join(wrong)}"


def _max_length(node: Node) -> str:
    word = {"string": "maxLength", "array": "maxItems"}.get(node.type, "")
    if isinstance(node.schema.get("additionalProperties"), dict):
        word = "maxProperties"
    is_bounded = node.schema.keys() & {word, "enum", "format"} or node.schema.get(INT_OR_STRING)
    if not word or is_bounded:
        return ""
    return f"expected {word}, got none: a rule over it costs as much as a request of 3 MiB"


def _min_length(node: Node) -> str:
    word = {"string": "minLength", "array": "minItems"}.get(node.type, "")
    is_loose = bool(node.properties) and not node.schema.get("required")
    if isinstance(node.schema.get("additionalProperties"), dict) or is_loose:
        word = "minProperties"
    is_bounded = node.schema.keys() & {word, "enum", "format", "pattern", PRESERVE}
    if not word or is_bounded or node.schema.get(INT_OR_STRING):
        return ""
    return f"expected {word} (0 if an empty value has a meaning), got none"


def _undescribed(node: Node) -> str:
    if node.name is None or node.schema.get("description"):
        return ""
    return "expected a description, got none: kubectl explain shows nothing"


def _comment_start(node: Node) -> str:
    text = str(node.schema.get("description", "")).removeprefix("Deprecated:").strip()
    first = text.split(maxsplit=1)[0].strip("`'\".,:") if text else ""
    if node.name is None or not first or first == node.name:
        return ""
    if first.lower() == node.name.lower():
        return f"expected a description that begins with {node.name}, got {first}"
    return ""


def _object_reference(node: Node) -> str:
    if not node.properties.keys() >= {"fieldPath", "resourceVersion", "uid", "name", "kind"}:
        return ""
    if not node.properties.keys() <= _REFERENCE:
        return ""
    return (
        "expected the fields that are used, got a whole core/v1 ObjectReference, most of which "
        "controllers ignore; declare name, and namespace or kind if they are read"
    )


def _status_optional(node: Node) -> str:
    if node.path.count(".") != 1 or not node.path.startswith("status.") or "[" in node.path:
        return ""
    if "{" in node.path or not node.is_required:
        return ""
    return "expected an optional field in status, got a required one: no partial status can be set"


def _rule_message(target: Target) -> Iterator[Found]:
    for version in target.versions:
        for node in version.nodes:
            for rule in node.rules:
                if not rule.get("message") and not rule.get("messageExpression"):
                    yield at(
                        node,
                        f"expected a message, got none for {rule.get('rule')!r}: users are shown "
                        "the expression",
                    )


def _rule(
    id_: str,
    check: Callable[[Target], Iterator[Found]],
    finds: str,
    why: str,
    fix: str,
    *others: str,
) -> Rule:
    return Rule(
        id=id_,
        theme=THEME,
        level=Level.NOTE,
        finds=finds,
        why=why,
        fix=fix,
        check=check,
        is_default=False,
        others=others,
    )


RULES: Final = (
    _rule(
        "boolean",
        _each(_boolean),
        "a boolean",
        "a third value can never be added",
        "use an enum of strings",
        "crd-schema-checker NoBools",
        "kube-api-linter nobools",
    ),
    _rule(
        "boolean-default",
        _each(_defaulted_boolean),
        "a boolean with a default",
        "clients cannot tell a choice from the default, and no value can be added",
        "use an enum of strings with a default",
        "crd-schema-checker (asked for in its comments)",
    ),
    _rule(
        "float",
        _each(_float),
        "a floating-point number",
        "encoders of different languages do not keep it exactly, so writers fight",
        "use an integer of a smaller unit, or a quantity as text",
        "crd-schema-checker NoFloats",
        "kube-api-linter nofloats",
    ),
    _rule(
        "map",
        _each(_map),
        "a map whose values are not strings",
        "keys have no name and no description, and defaults or rules for one cannot be written",
        "use a list-map of objects with a name",
        "crd-schema-checker NoMaps",
        "kube-api-linter nomaps",
    ),
    _rule(
        "duration",
        _each(_duration),
        "a duration as text",
        "the notation is Go's, and other languages read it differently",
        "use an integer with its unit in the name, such as timeoutSeconds",
        "kube-api-linter nodurations",
    ),
    _rule(
        "nullable",
        _each(_nullable),
        "a nullable field",
        "null and absent mean the same to most clients, and generators differ about it",
        "leave nullable out, and let the field be absent",
        "kube-api-linter nonullable",
    ),
    _rule(
        "phase",
        _each(_phase),
        "a field with phase in its name",
        "readers treat its values as complete, so none can be added",
        "use conditions",
        "kube-api-linter nophase",
    ),
    _rule(
        "reference-name",
        _each(_reference),
        "a field with Reference in its name",
        "Kubernetes abbreviates it",
        "use Ref or Refs",
        "kube-api-linter noreferences",
    ),
    _rule(
        "timestamp-name",
        _each(_timestamp),
        "a field with Timestamp in its name",
        "Kubernetes names times somethingTime",
        "use Time",
        "kube-api-linter notimestamp",
    ),
    _rule(
        "field-case",
        _each(_case),
        "a field name that is not camelCase",
        "CEL rules and clients need escapes, and users misspell it",
        "use camelCase",
        "kube-api-linter jsontags",
        "kube-api-linter namingconventions",
    ),
    _rule(
        "enum-case",
        _each(_enum_case),
        "an enum value that is not CamelCase",
        "Kubernetes writes them so",
        "use CamelCase",
        "crd-schema-checker (asked for in its comments)",
    ),
    _rule(
        "max-missing",
        _each(_max_length),
        "a string, list or map without a maximum",
        "it may fill a whole request, and a CEL rule over it soon exceeds its budget",
        "write maxLength, maxItems or maxProperties",
        "kube-api-linter maxlength",
    ),
    _rule(
        "min-missing",
        _each(_min_length),
        "a string, list, map or object of which nobody said whether it may be empty",
        "empty and absent then both exist",
        "write minLength, minItems or minProperties, 0 if empty has a meaning",
        "kube-api-linter minlength",
    ),
    _rule(
        "description-missing",
        _each(_undescribed),
        "a field without a description",
        "kubectl explain and generated documents show nothing",
        "describe it in the model or source",
    ),
    _rule(
        "description-start",
        _each(_comment_start),
        "a description that begins with the field's name in another spelling",
        "it is the name in the source, not the one that users write",
        "begin with the name as it is in YAML",
        "kube-api-linter commentstart",
    ),
    _rule(
        "object-reference",
        _each(_object_reference),
        "a whole core/v1 ObjectReference",
        "most of its fields are ignored, and users cannot tell which",
        "declare the fields that are read",
        "crd-schema-checker (asked for in its comments)",
    ),
    _rule(
        "status-optional",
        _each(_status_optional),
        "a required field directly in status",
        "a controller cannot write a part of the status",
        "make it optional",
        "kube-api-linter statusoptional",
    ),
    _rule(
        "rule-message",
        _rule_message,
        "a CEL rule without message and messageExpression",
        "users are shown the expression",
        "write what is expected and what to do",
    ),
)
