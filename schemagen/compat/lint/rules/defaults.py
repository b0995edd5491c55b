"""Rules about defaults."""

from collections.abc import Iterator, Mapping
from typing import Final

from schemagen.compat.findings import Level
from schemagen.compat.lint import cases, witnesses
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Node, Target, at
from schemagen.problems import JSON, quoted
from schemagen.schema import expressions


def _required(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        if node.is_required and node.schema.get("default") is not None and node.parent:
            yield at(
                node,
                "expected a field that is either required or has a default, got both: it is never "
                "missing, but documentation asks for it; leave it out of required",
            )


def _null(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        if "default" in node.raw and node.raw["default"] is None:
            yield at(
                node,
                "expected a default, got null, which the API server ignores; leave it out",
            )


def _duplicates(target: Target) -> Iterator[Found]:
    for node in target.nodes if target.verdict.allowed else ():
        default = node.schema.get("default")
        for path, schema, value in _parts(node.path, node.schema, default):
            key = _repeated(schema, value)
            if key is not None:
                yield at(
                    node,
                    f"expected a default that the API server accepts in an object, got "
                    f"{quoted(key)} twice in the list-{schema['x-kubernetes-list-type']} {path}: "
                    "every object without the field is refused; leave one out",
                )


def _parts(path: str, schema: JSON, value: JSON) -> Iterator[tuple[str, JSON, JSON]]:
    """Yield a value and all values within it, with their schemas."""
    yield path, schema, value
    if isinstance(value, dict):
        rest = schema.get("additionalProperties")
        for name, part in value.items():
            child = (schema.get("properties") or {}).get(name, rest)
            if isinstance(child, dict):
                yield from _parts(f"{path}.{name}", child, part)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for part in value:
            yield from _parts(f"{path}[]", schema["items"], part)


def _repeated(schema: JSON, value: JSON) -> JSON:
    """Return an item or key that a list-set or list-map has twice."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"set", "map"} or not isinstance(value, list):
        return None
    names = schema.get("x-kubernetes-list-map-keys", ())
    keys = [
        [item.get(name) for name in names] if kind == "map" and isinstance(item, dict) else item
        for item in value
    ]
    return next((key for index, key in enumerate(keys) if key in keys[:index]), None)


def _unions(target: Target) -> Iterator[Found]:
    for node in target.nodes if target.verdict.allowed else ():
        defaulted = [name for name, child in node.properties.items() if _has_default(child)]
        if not defaulted:
            continue
        yield from _of_branches(node, defaulted)
        for rule in node.rules:
            for names in cases.unusable(node.schema, str(rule.get("rule", ""))):
                name = ".".join(names)
                yield at(
                    node,
                    f"expected a rule under which {name} can be set, got {rule['rule']!r}, which "
                    f"counts {_named(rule, defaulted)} as set by default: no object may have "
                    f"{name}; leave the default out, or have the rule read its value",
                    rule=str(rule["rule"]),
                    **witnesses.of_refusal(target, node, rule, present=names),
                )


def _named(rule: Mapping[str, JSON], names: list[str]) -> str:
    """Return those of some fields that a rule reads."""
    read = set(expressions.member_names(str(rule["rule"])))
    return " and ".join(name for name in names if name in read)


def _has_default(child: object) -> bool:
    return (
        isinstance(child, dict) and child.get("default") is not None and not child.get("nullable")
    )


def _of_branches(node: Node, defaulted: list[str]) -> Iterator[Found]:
    """Find a oneOf of required fields of which one has a default."""
    branches: JSON = node.schema.get("oneOf") or []
    if any(branch.keys() != {"required"} or len(branch["required"]) != 1 for branch in branches):
        return
    names = [branch["required"][0] for branch in branches]
    for name in defaulted:
        if name in names and len(names) > 1:
            others = ", ".join(other for other in names if other != name)
            yield at(
                node,
                f"expected a oneOf of fields without defaults, got {name}, which is always set: no "
                f"object may have {others}; leave the default out",
            )


def _refused(target: Target) -> Iterator[Found]:
    for node in target.nodes if target.verdict.allowed else ():
        for rule in node.rules:
            refused = cases.refused_defaults(node.schema, str(rule.get("rule", "")))
            for names, default in refused.items():
                yield at(
                    node,
                    f"expected a default of {'.'.join(names)} that {rule['rule']!r} accepts, got "
                    f"{quoted(default)}, which it refuses whatever the other fields are: every "
                    "object must set the field; correct one of them",
                    rule=str(rule["rule"]),
                    **witnesses.of_refusal(target, node, rule, absent=names),
                )


THEME: Final = "defaults"

RULES: Final = (
    Rule(
        id="default-required",
        theme=THEME,
        level=Level.NOTE,
        finds="a required field with a default",
        why="defaults are applied before validation, so it is never missing; editors and "
        "documentation ask for it nevertheless",
        fix="leave it out of required (--fix does)",
        check=_required,
        is_fixed=True,
        others=("kube-api-linter defaultorrequired", "kube-api-linter defaults"),
    ),
    Rule(
        id="default-null",
        theme=THEME,
        level=Level.WARNING,
        finds="a default of null",
        why="the API server ignores it without a word",
        fix="leave it out (--fix does)",
        check=_null,
        is_fixed=True,
    ),
    Rule(
        id="default-duplicates",
        theme=THEME,
        level=Level.ERROR,
        finds="a default of a list-set or list-map in which an item or key is repeated",
        why="the API server accepts the CRD, and refuses every object that does not set the field",
        fix="leave the duplicate out",
        check=_duplicates,
    ),
    Rule(
        id="default-refused",
        theme=THEME,
        level=Level.ERROR,
        finds="a default that a CEL rule around it never accepts",
        why="the API server checks a default by its own schema only: an object that leaves the "
        "field out is refused for a value that nobody wrote",
        fix="correct the default or the rule",
        check=_refused,
    ),
    Rule(
        id="union-default",
        theme=THEME,
        level=Level.ERROR,
        finds="a union, as a oneOf or a CEL rule, of which one field has a default",
        why="that field is always set, so the others never can be",
        fix="leave the default out, or default the union as a whole on its parent",
        check=_unions,
    ),
)
