"""Rules about the structure of a schema that the API server accepts, or refuses with few words."""

import re
from collections.abc import Iterator
from typing import Final

from schemagen import formats
from schemagen.compat.findings import Level
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import (
    INT_OR_STRING,
    JUNCTORS,
    PRESERVE,
    Found,
    Node,
    Target,
    at,
)
from schemagen.crd import approval
from schemagen.schema.keywords import Schema

# Formats of numbers that the API server enforces (apiextensions-apiserver 1.37,
# pkg/apiserver/validation/formats.go).
_INTEGER_FORMATS: Final = frozenset({"int32", "int64"})
_NUMBER_FORMATS: Final = frozenset({"float", "double"})
_KEYWORDS: Final = {
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
    | {"multipleOf"},
    "array": frozenset({"items", "minItems", "maxItems", "uniqueItems"}),
    "object": frozenset({"properties", "additionalProperties", "required"})
    | {"minProperties", "maxProperties"},
}
_TYPE_OF: Final = {keyword: kind for kind, words in _KEYWORDS.items() for keyword in words}
# Words of the API server about budgets: any of them, and those about a rule's share of the total.
_COST: Final = "estimated rule cost"
_SHARE: Final = "contributed to estimated rule cost"


def _refused(target: Target) -> Iterator[Found]:
    verdict = target.verdict
    if verdict.allowed:
        return
    # cost-budget explains single rules; of many that are too expensive together it says nothing.
    is_explained = any(cost.cost > cost.limit for cost in verdict.costs)
    explained = _COST if is_explained else _SHARE
    for cause in verdict.causes:
        if "selectableFields" not in cause.field and explained not in cause.message:
            version, path = approval.placed(target.crd, cause.field)
            yield Found(
                f"{cause.message}{_advice(cause.field, cause.message)}",
                version,
                path,
                field_of(cause.field),
            )
    if not verdict.causes:
        yield Found(verdict.message)


def field_of(field: str) -> str:
    """Return a field of a CRD as it is written: the API server puts properties in brackets."""
    if field.startswith("spec.validation."):  # with a single version
        field = field.replace("spec.validation.", "spec.versions[0].schema.", 1)
    return re.sub(r"properties\[([^\]]*)\]", r"properties.\1", field)


def _advice(field: str, message: str) -> str:
    is_junctor = any(f".{junctor}[" in field for junctor in JUNCTORS) or ".not" in field
    if not is_junctor or "structural" not in message:
        return ""
    return (
        "; declare types, defaults and descriptions outside of the junctor, and only constrain "
        "values in it"
    )


def _undeclared(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        for junctor in JUNCTORS:
            for index, branch in enumerate(node.schema.get(junctor) or ()):
                for name in _strangers(node.schema, branch):
                    yield at(
                        node,
                        f"expected properties that are declared in {node.path}, got {name} in "
                        f"{junctor}[{index}]: the field is pruned, so no object has it; declare it",
                    )


def _strangers(schema: Schema, branch: object) -> Iterator[str]:
    """Yield the names that a branch of a junctor constrains and the node does not declare."""
    if not isinstance(branch, dict) or schema.get(PRESERVE) or "additionalProperties" in schema:
        return
    properties = schema.get("properties") or {}
    named = {*(branch.get("properties") or {}), *(branch.get("required") or ())}
    yield from sorted(named - properties.keys())
    for name, below in (branch.get("properties") or {}).items():
        if name in properties:
            yield from (f"{name}.{stranger}" for stranger in _strangers(properties[name], below))
    for junctor in JUNCTORS:
        for part in branch.get(junctor) or ():
            yield from _strangers(schema, part)
    yield from _strangers(schema, branch.get("not"))


def _required_unknown(target: Target) -> Iterator[Found]:
    for version in target.versions:
        for node in version.nodes:
            if node.is_own or node.is_open or not isinstance(node.schema.get("required"), list):
                continue
            for name in node.schema["required"]:
                if name not in node.properties and not _is_given(node, name):
                    yield at(
                        node,
                        f"expected required fields that are declared, got {name}: it is pruned, so "
                        "every object is refused; declare it or leave it out",
                    )


def _is_given(node: Node, name: str) -> bool:
    is_object = node.parent is None or node.schema.get("x-kubernetes-embedded-resource")
    return bool(is_object) and name in {"apiVersion", "kind", "metadata"}


def _formats(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        name = node.schema.get("format")
        if not name or node.type not in {"string", "number"} or node.schema.get(INT_OR_STRING):
            continue
        if formats.is_known(name) if node.type == "string" else name in _NUMBER_FORMATS:
            continue
        yield at(
            node,
            f"expected a format of a {node.type} that the API server enforces, got {name}, which "
            "it ignores; write a pattern or a CEL rule, or leave it out",
        )


def _integers(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        name = node.schema.get("format")
        if node.type == "integer" and name and name not in _INTEGER_FORMATS:
            yield at(
                node,
                f"expected format int32 or int64, got {name}: the API server ignores it, and "
                "clients read unsigned numbers differently; write int64 with minimum: 0",
            )


def _ignored(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        if not node.type or node.schema.get(INT_OR_STRING):
            continue
        own = "integer" if node.type == "number" else node.type
        wrong = sorted(word for word in node.schema if _TYPE_OF.get(word, own) != own)
        if wrong:
            yield at(
                node,
                f"expected keywords of type {node.type}, got {', '.join(wrong)}, which the API "
                f"server accepts and ignores; leave {'it' if len(wrong) == 1 else 'them'} out",
            )


def _status_subresource(target: Target) -> Iterator[Found]:
    for version in target.versions:
        if "status" in version.root.properties and not version.has_status:
            yield Found(
                "expected the status subresource of a kind with a status, got none: whoever may "
                "write the spec writes the status too; add subresources: {status: {}}",
                version.name,
                "status",
                version.field,
            )


def _status_missing(target: Target) -> Iterator[Found]:
    for version in target.versions:
        root = version.root
        if version.has_status and "status" not in root.properties and not root.is_open:
            yield Found(
                "expected a status in the schema of a version with the status subresource, got "
                "none: every status is pruned; declare it, or leave the subresource out",
                version.name,
                "status",
                f"{version.field}.subresources",
            )


def _status_required(target: Target) -> Iterator[Found]:
    for version in target.versions:
        if version.has_status and "status" in (version.schema.get("required") or ()):
            yield Found(
                "expected no required status with the status subresource, got one: a new object "
                "has none, whatever its writer sends, so every one is refused; leave status out of "
                "required",
                version.name,
                "",
                f"{version.root.field}.required",
            )


def _leftovers(target: Target) -> Iterator[Found]:
    if target.definition.source.startswith("cluster:"):
        return
    metadata = target.crd["metadata"]
    places = {
        "status": "status" in target.crd,
        "metadata.creationTimestamp": "creationTimestamp" in metadata,
    }
    for field, is_there in places.items():
        if is_there:
            yield Found(
                f"expected what its author declares, got {field}, which the API server sets; leave "
                "it out",
                path=field,
                field=field,
            )


THEME: Final = "structure"

RULES: Final = (
    Rule(
        id="refused",
        theme=THEME,
        level=Level.ERROR,
        finds="what the API server refuses, such as a oneOf that is not structural",
        why="the CRD cannot be created",
        fix="as the API server's message says; types, defaults and descriptions belong outside of "
        "oneOf, anyOf, allOf and not",
        check=_refused,
    ),
    Rule(
        id="junctor-undeclared",
        theme=THEME,
        level=Level.ERROR,
        finds="a oneOf, anyOf, allOf or not that names a field that is not declared beside it",
        why="the API server checks it at the root only; below, the field is pruned, so a branch "
        "that requires it never matches",
        fix="declare the field in properties, or correct its name",
        check=_undeclared,
    ),
    Rule(
        id="required-unknown",
        theme=THEME,
        level=Level.ERROR,
        finds="a required field that is not declared",
        why="unknown fields are pruned before validation: no object has it, and all are refused",
        fix="declare the field, or leave it out of required",
        check=_required_unknown,
    ),
    Rule(
        id="format-ignored",
        theme=THEME,
        level=Level.WARNING,
        finds="a format that the API server does not enforce for the type",
        why="it looks like validation and is none",
        fix="write a pattern or a CEL rule, or leave the format out",
        check=_formats,
    ),
    Rule(
        id="integer-format",
        theme=THEME,
        level=Level.WARNING,
        finds="an integer whose format is neither int32 nor int64, such as uint",
        why="the API server ignores it, and languages differ about unsigned integers",
        fix="write int32 or int64, with minimum: 0",
        check=_integers,
        others=("crd-schema-checker NoUints", "kube-api-linter integers"),
    ),
    Rule(
        id="keyword-ignored",
        theme=THEME,
        level=Level.WARNING,
        finds="a keyword that does not apply to the type, such as minLength of an integer",
        why="the API server accepts and ignores it",
        fix="leave it out, or correct the type",
        check=_ignored,
    ),
    Rule(
        id="status-subresource",
        theme=THEME,
        level=Level.WARNING,
        finds="a status without the status subresource",
        why="RBAC cannot tell who may write the spec from who may write the status, and every "
        "status update raises metadata.generation",
        fix="add subresources: {status: {}}; writers of the status must use it from then on",
        check=_status_subresource,
        others=("crd-schema-checker MustHaveStatus", "kube-api-linter statussubresource"),
    ),
    Rule(
        id="status-missing",
        theme=THEME,
        level=Level.WARNING,
        finds="the status subresource without a status in the schema",
        why="every status is pruned",
        fix="declare a status, or leave the subresource out",
        check=_status_missing,
        others=("kube-api-linter statussubresource",),
    ),
    Rule(
        id="status-required",
        theme=THEME,
        level=Level.ERROR,
        finds="a required status with the status subresource",
        why="a new object never has a status, so every one is refused",
        fix="leave status out of required",
        check=_status_required,
    ),
    Rule(
        id="server-fields",
        theme=THEME,
        level=Level.NOTE,
        finds="a status or metadata.creationTimestamp in the file of a CRD",
        why="the API server sets them; GitOps tools see a difference for ever",
        fix="leave them out (--fix does)",
        check=_leftovers,
        is_fixed=True,
    ),
)
