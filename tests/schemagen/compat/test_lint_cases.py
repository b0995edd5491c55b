"""What is said of a CEL rule for all values holds for every value that the judge is asked."""

import random
from collections.abc import Iterator

import pytest

from schemagen import judge
from schemagen.compat.lint import cases, drawing
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

MANY = 120


def of(rule: str, **properties: Schema) -> str:
    schema = {"type": "object", "properties": properties}
    found = cases.of(schema, rule)
    if found is None:
        return "undecided"
    if len(found.true) == len(found.values):
        return "always"
    return "sometimes" if found.true else "never"


TEXT: Schema = {"type": "string"}
SIZE: Schema = {"type": "integer", "minimum": 1, "maximum": 5, "default": 1}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("true", "always"),
        ("self.size >= 1", "always"),
        ("5 >= self.size", "always"),
        ("self.size in [1, 2, 3, 4, 5]", "always"),
        ("self.size != 7", "always"),
        ("self.size > 5", "never"),
        ("self.size > 4", "sometimes"),
        ("has(self.size)", "always"),
        ("has(self.name)", "sometimes"),
        ("!has(self.name) || self.name.size() >= 0", "always"),
        ("!has(self.name) || self.name != ''", "sometimes"),
        # An absent name is an error, which refuses as well.
        ("self.name == 'a' && self.name == 'b'", "never"),
        ("self.size * 2 > 1", "undecided"),
        ("self.name.matches('a')", "undecided"),
        ("self.size == oldSelf.size", "undecided"),
        ("self.gone == 1", "undecided"),
    ],
)
def test_rule_is_decided(rule: str, expected: str) -> None:
    assert expected == of(rule, size=SIZE, name=TEXT)


def test_union_of_a_defaulted_field_leaves_the_others_unusable() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string", "default": "x"}, "b": TEXT, "c": TEXT},
    }

    one = "(has(self.a) ? 1 : 0) + (has(self.b) ? 1 : 0) == 1"

    assert [("b",)] == cases.unusable(schema, one)
    assert [] == cases.unusable(schema, "!has(self.b) || has(self.c)")
    # Its author forbids it, default or not.
    assert [] == cases.unusable(schema, "has(self.a) && !has(self.b)")


def test_default_that_a_rule_refuses_is_named() -> None:
    schema = {
        "type": "object",
        "properties": {"low": {"type": "integer", "default": 9}, "mode": TEXT},
    }

    assert {("low",): 9} == cases.refused_defaults(schema, "self.low < 5 || self.low > 10")
    assert {} == cases.refused_defaults(schema, "self.low < 5 || has(self.mode)")


def test_claims_hold_for_every_value_that_the_judge_is_asked() -> None:
    source = random.Random(20)  # noqa: S311 - nothing secret
    claims = 0
    with judge.Judge() as oracle:
        for _ in range(MANY):
            schema = {"type": "object", "properties": dict(properties(source))}
            rule = expression(source, schema, 2)
            found = cases.of(schema, rule)
            if found is None or len(found.true) not in {0, len(found.values)}:
                continue
            with drawing.court_alone(oracle, with_rule(schema, rule)) as court:
                if court is None:
                    continue
                claims += 1
                check_claim(court, rule, found)

    assert 10 < claims


def check_claim(court: drawing.Court, rule: str, found: cases.Cases) -> None:
    for body in (*({"spec": value} for value in found.values[:20]), *court.bodies(20)):
        verdict = court.create(body)
        texts = [cause.message for cause in verdict.causes]
        is_told = any("failed rule" in text or "evaluating" in text for text in texts)
        # Values that the schema itself refuses are not shown to the rule.
        if verdict.allowed or is_told:
            assert is_told == (not found.true), (rule, court.schema, body)


def with_rule(schema: Schema, rule: str) -> Schema:
    return schema | {"x-kubernetes-validations": [{"rule": rule}]}


def properties(source: random.Random) -> Iterator[tuple[str, Schema]]:
    for name in "abc":
        kind = source.choice(["string", "integer", "boolean", "array"])
        node: dict[str, JSON] = {"type": kind}
        if kind == "string":
            node |= source.choice([{}, {"maxLength": 3}, {"enum": ["x", "y"]}, {"default": "x"}])
        elif kind == "integer":
            node |= source.choice(
                [{}, {"minimum": 2}, {"minimum": 0, "maximum": 3}, {"default": 1}]
            )
        elif kind == "array":
            node |= {"items": {"type": "integer"}, "maxItems": 3}
        yield name, node


def expression(source: random.Random, schema: Schema, depth: int) -> str:
    if depth and source.random() < 0.6:
        left, right = (expression(source, schema, depth - 1) for _ in range(2))
        return source.choice([f"({left} && {right})", f"({left} || {right})", f"!({left})"])
    name = source.choice("abc")
    kind = schema["properties"][name]["type"]
    number = source.randrange(-1, 5)
    operator = source.choice(["==", "!=", "<", "<=", ">", ">="])
    test = f"has(self.{name})"
    sized = f"self.{name}.size() {operator} {number}"
    by_kind = {
        "string": [f"self.{name} {operator[:2] if operator in {'==', '!='} else '=='} 'x'", sized],
        "integer": [f"self.{name} {operator} {number}", f"self.{name} in [1, {number}]"],
        "boolean": [f"self.{name}", f"self.{name} == true"],
        "array": [sized],
    }
    body = source.choice(by_kind[kind])
    return source.choice([test, body, f"(!{test} || {body})"])
