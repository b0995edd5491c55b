"""A schema as a tree of fields, as people read it. Pure."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Final

from schemagen.pages.reference import constraints
from schemagen.pages.reference.constraints import Fact
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

ENVELOPE: Final = ("apiVersion", "kind", "metadata")


@dataclasses.dataclass(frozen=True)
class Rule:
    """A CEL rule.

    Attributes:
        expression: The rule.
        message: The message on violation; empty if the API server writes its own.
        of: Whose rule it is, if not the field's own: ``each item``.
    """

    expression: str
    message: str = ""
    of: str = ""


@dataclasses.dataclass(frozen=True)
class Field:
    """A field with all below it.

    Attributes:
        name: Its name.
        steps: Its place: ``(".spec", ".steps", "[]", ".name")``.
        type: Its type in words: ``list of strings``.
        description: Its description.
        is_required: Whether the object around it needs it.
        facts: What its value has to be, besides the type.
        rules: The CEL rules at this place.
        children: Its fields, or those of its items or values.
    """

    name: str
    steps: tuple[str, ...]
    type: str
    description: str = ""
    is_required: bool = False
    facts: tuple[Fact, ...] = ()
    rules: tuple[Rule, ...] = ()
    children: tuple["Field", ...] = ()

    @property
    def path(self) -> str:
        """Return the path as shown: ``spec.steps[].name``, ``spec.labels{}``."""
        return shown(self.steps)


def shown(steps: Sequence[str]) -> str:
    """Return a place as people write it: ``spec.steps[].name``."""
    return "".join(steps).removeprefix(".")


def of(schema: Schema) -> tuple[Field, ...]:
    """Return the fields of an object's schema, without those that every object has."""
    return tuple(
        field
        for field in _children(schema, ())
        if field.name not in ENVELOPE or (field.name == "metadata" and field.children)
    )


def every(fields: Sequence[Field]) -> Iterator[Field]:
    """Yield some fields and all below them, in the order of the page."""
    for field in fields:
        yield field
        yield from every(field.children)


def rules_of(schema: Schema, of: str = "") -> tuple[Rule, ...]:
    """Return the CEL rules of a node."""
    found = schema.get("x-kubernetes-validations")
    return tuple(
        Rule(
            str(example.get("rule", "")),
            str(example.get("message") or example.get("messageExpression") or ""),
            of,
        )
        for example in (found if isinstance(found, list) else ())
        if isinstance(example, dict)
    )


def _children(schema: Schema, steps: tuple[str, ...]) -> Iterator[Field]:
    required = schema.get("required")
    names = set(required) if isinstance(required, list) else set()
    for name, child in _object(schema.get("properties")).items():
        yield _field(name, _object(child), (*steps, f".{name}"), is_required=name in names)


def _field(name: str, schema: Schema, steps: tuple[str, ...], *, is_required: bool) -> Field:
    facts = [*constraints.of(schema)]
    rules = [*rules_of(schema)]
    children: list[Field] = [*_children(schema, steps)]
    for below, inner, whose in contained(schema):
        facts += constraints.of(inner, whose)
        rules += rules_of(inner, whose)
        children += _children(inner, (*steps, *below))
    return Field(
        name,
        steps,
        constraints.type_of(schema),
        str(schema.get("description") or ""),
        is_required,
        tuple(facts),
        tuple(rules),
        tuple(children),
    )


def contained(schema: Schema) -> Iterator[tuple[tuple[str, ...], Schema, str]]:
    """Yield what lists and maps contain, at every depth: the place, the schema, whose it is."""
    steps: tuple[str, ...] = ()
    whose = ""
    while True:
        for keyword, step, word in (
            ("items", "[]", "each item"),
            ("additionalProperties", "{}", "each value"),
        ):
            if isinstance(schema.get(keyword), dict):
                schema, steps = schema[keyword], (*steps, step)
                whose = f"{word} of {whose}" if whose else word
                break
        else:
            return
        yield steps, schema, whose


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}
