"""CEL rules on Python values: messages of violations, old values, and undecided rules."""

from collections.abc import Iterator
from typing import Any

import celpy
import pytest
from celpy import adapter
from hypothesis import given, settings
from hypothesis import strategies as st

from schemagen import cel, judge
from schemagen.problems import JSON
from tests.support import depth

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "maxLength": 64}
INTEGER: Schema = {"type": "integer"}
META = {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "thing-1"}}


@pytest.fixture(scope="module")
def oracle() -> Iterator[judge.Judge]:
    with judge.Judge(deadline_seconds=60) as opened:
        yield opened


def definition(spec: Schema, rules: list[Schema] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": {"spec": spec}}
    if rules is not None:
        schema["x-kubernetes-validations"] = rules
    version = {"name": "v1", "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{**version, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def of(properties: dict[str, Schema], *rules: Schema) -> Schema:
    return {"type": "object", "properties": properties, "x-kubernetes-validations": [*rules]}


def shown(outcome: cel.Outcome) -> list[tuple[str, str, str]]:
    """Return the outcome in the form of the judge's causes."""
    return sorted(
        (".".join(("spec", *finding.field_path)), finding.reason, finding.message)
        for finding in outcome.findings
    )


def causes(verdict: judge.Verdict) -> list[tuple[str, str, str]]:
    return sorted((cause.field, cause.reason, cause.message) for cause in verdict.causes)


def created(oracle: judge.Judge, spec: Schema, value: JSON) -> list[tuple[str, str, str]]:
    with oracle.load(definition(spec)) as loaded:
        return causes(loaded.create({**META, "spec": value}))


WORDS = {
    "neither": {},
    "message": {"message": "  a is not b  "},
    "expression": {"message": "never", "messageExpression": "' a is %d '.format([self.a])"},
    "expression that fails": {"message": "fell back", "messageExpression": "string(1 / self.a)"},
    "expression that fails, no message": {"messageExpression": "string(1 / self.a)"},
    "empty expression": {"message": "fell back", "messageExpression": "self.s.replace('x', ' ')"},
    "two lines": {"message": "fell back", "messageExpression": "self.s + '\\n' + self.s"},
    "too long": {"message": "fell back", "messageExpression": "self.t"},
    "required": {"reason": "FieldValueRequired"},
    "forbidden": {"reason": "FieldValueForbidden", "message": "no"},
    "duplicate": {"reason": "FieldValueDuplicate", "message": "no"},
    "invalid": {"reason": "FieldValueInvalid", "message": "no"},
    "field": {"fieldPath": ".a"},
    "deep field": {"fieldPath": ".o.x"},
    "key": {"fieldPath": ".m['a.b']"},
    "quoted field": {"fieldPath": "['o'].x"},
}


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_words_of_a_broken_rule_are_the_judges(oracle: judge.Judge, words: Schema) -> None:
    properties = {
        "a": INTEGER,
        "s": TEXT,
        "t": {"type": "string", "maxLength": 6000},
        "o": {"type": "object", "properties": {"x": INTEGER}},
        "m": {"type": "object", "maxProperties": 3, "additionalProperties": TEXT},
    }
    schema = of(properties, {"rule": "self.a == 7", **words})
    value = {"a": 0, "s": "x", "t": "y" * 5500, "o": {"x": 1}, "m": {}}

    outcome = cel.Rules(schema).check(value)

    assert created(oracle, schema, value) == shown(outcome)


SCALARS: dict[str, tuple[Schema, str, JSON]] = {
    "string": (TEXT, "self == 'a'", 'b"\n'),
    "integer": (INTEGER, "self > 5", 1),
    "number": ({"type": "number"}, "self > 5000000.0", 1234567.5),
    "number as an integer": ({"type": "number"}, "self > 5.0", 1),
    "boolean": ({"type": "boolean"}, "self", False),
    "int or string": ({"x-kubernetes-int-or-string": True, "maxLength": 9}, "self == 5", "x"),
    "error": (INTEGER, "10 / self > 1", 0),
    "whole number": (INTEGER, "self > 5", 1.0),
    "duration": ({"type": "string", "format": "duration"}, "self > duration('1h')", "1m"),
    "list": ({"type": "array", "maxItems": 3, "items": INTEGER}, "self.size() > 1", [1]),
    "duplicate": (TEXT, "self == 'a'", "b"),
}


@pytest.mark.parametrize(("schema", "rule", "value"), SCALARS.values(), ids=SCALARS)
def test_value_is_quoted_as_the_judge_does(
    oracle: judge.Judge, schema: Schema, rule: str, value: JSON
) -> None:
    reason = {"reason": "FieldValueDuplicate"} if value == "b" else {}
    node = {**schema, "x-kubernetes-validations": [{"rule": rule, **reason}]}

    outcome = cel.Rules(node).check(value)

    assert created(oracle, node, value) == shown(outcome)


TRANSITIONS: dict[str, Schema] = {
    "changed": {"rule": "self.a == oldSelf.a"},
    "grows": {"rule": "self.l.all(x, x in oldSelf.l)", "message": "only fewer"},
    "same object": {"rule": "self.o == oldSelf.o"},
    "same keyed list": {"rule": "self.k == oldSelf.k"},
    "union of keyed lists": {"rule": "(self.k + oldSelf.k).size() == 1"},
    "same set": {"rule": "self.l == oldSelf.l"},
    "whole": {"rule": "self == oldSelf"},
    "optional": {
        "rule": "oldSelf.hasValue() && oldSelf.value().a < self.a",
        "optionalOldSelf": True,
    },
    "optional chain": {
        "rule": "oldSelf.?o.?x.orValue(9) == self.o.x",
        "optionalOldSelf": True,
    },
    "optional that is none": {
        "rule": "!oldSelf.hasValue() && self.a > 100",
        "optionalOldSelf": True,
    },
    "words of an optional": {
        "rule": "oldSelf.?a.orValue(0) == 100",
        "optionalOldSelf": True,
        "messageExpression": "'was %d'.format([oldSelf.?a.orValue(0)])",
    },
    "words of an old value": {
        "rule": "self.a == oldSelf.a",
        "messageExpression": "'was %d'.format([oldSelf.a])",
    },
    "words of an old value, no transition": {
        "rule": "self.a == 100",
        "message": "fell back",
        "messageExpression": "'was %d'.format([oldSelf.a])",
    },
}
BEFORE = {"a": 1, "l": ["x", "y"], "o": {"x": 1}, "k": [{"name": "a"}, {"name": "b", "v": 2}]}
AFTER = {"a": 2, "l": ["z", "y"], "o": {"x": 2}, "k": [{"name": "b", "v": 2}, {"name": "a"}]}
MOVING = {
    "a": INTEGER,
    "l": {"type": "array", "maxItems": 5, "items": TEXT, "x-kubernetes-list-type": "set"},
    "o": {"type": "object", "properties": {"x": INTEGER}},
    "k": {
        "type": "array",
        "maxItems": 5,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": TEXT, "v": INTEGER},
        },
    },
}


@pytest.mark.parametrize("rule", TRANSITIONS.values(), ids=TRANSITIONS)
def test_transitions_are_the_judges(oracle: judge.Judge, rule: Schema) -> None:
    schema = of(MOVING, rule)
    old, new = {**META, "spec": BEFORE}, {**META, "spec": AFTER}
    ours = cel.Rules(schema)

    with oracle.load(definition(schema)) as loaded:
        expected = causes(loaded.update(new, old)), causes(loaded.create(new))

    assert expected == (shown(ours.check(AFTER, BEFORE)), shown(ours.check(AFTER)))


def test_rules_of_one_node_share_their_old_value(oracle: judge.Judge) -> None:
    schema = of(MOVING, *TRANSITIONS.values())
    ours = cel.Rules(schema)

    with oracle.load(definition(schema)) as loaded:
        expected = causes(loaded.update({**META, "spec": AFTER}, {**META, "spec": BEFORE}))

    assert expected == shown(ours.check(AFTER, BEFORE))


@pytest.mark.parametrize(
    ("rule", "may_stay"),
    [
        ({"rule": "self.a == 7"}, True),
        ({"rule": "1 / self.a == 7"}, False),
        ({"rule": "self.a == oldSelf.a + 1"}, False),
    ],
    ids=["broken", "failed", "transition"],
)
def test_only_a_broken_rule_lets_an_unchanged_value_stay(
    oracle: judge.Judge, rule: Schema, *, may_stay: bool
) -> None:
    schema = of({"a": INTEGER, "b": INTEGER}, rule)
    (finding,) = cel.Rules(schema).check({"a": 0}, {"a": 0}).findings

    with oracle.load(definition(schema)) as loaded:
        allowed = loaded.update({**META, "spec": {"a": 0}}, {**META, "spec": {"a": 0}}).allowed

    assert (may_stay, allowed) == (finding.may_stay, may_stay)


def test_only_name_metadata_is_visible_to_root_rules(oracle: judge.Judge) -> None:
    rules = [
        {"rule": "self.metadata.name.startsWith('x')", "fieldPath": ".spec"},
        {"rule": "self.kind == 'Other' || has(self.metadata.generateName)"},
        {"rule": "self.apiVersion == 'v2'", "reason": "FieldValueForbidden"},
    ]
    spec: Schema = {"type": "object", "properties": {"a": INTEGER}}
    root = definition(spec, rules)
    schema = root["spec"]["versions"][0]["schema"]["openAPIV3Schema"]

    findings = cel.Rules(schema, is_resource_root=True).check({**META, "spec": {}}).findings

    with oracle.load(root) as loaded:
        expected = causes(loaded.create({**META, "spec": {}}))
    fields = [".".join(finding.field_path) or "<nil>" for finding in findings]
    assert expected == sorted(
        (field, finding.reason, finding.message)
        for field, finding in zip(fields, findings, strict=True)
    )


def test_null_is_not_looked_at() -> None:
    rules = cel.Rules({**TEXT, "nullable": True, "x-kubernetes-validations": [{"rule": "false"}]})

    assert cel.Outcome() == rules.check(None)


LEFT = {
    "no CEL": "self.a ==",
    "unknown function": "self.a.unheard() == 1",
    "unknown variable": "other == 1",
    "protobuf": "google.protobuf.Int32Value{value: 1} == 1",
    "broken pattern": "self.s.matches('(')",
}


@pytest.mark.parametrize("rule", LEFT.values(), ids=LEFT)
def test_rule_that_cannot_be_run_is_left(rule: str) -> None:
    rules = cel.Rules(of({"a": INTEGER, "s": TEXT}, {"rule": rule}, {"rule": "self.a == 1"}))

    assert [rule] == [left.rule for left in rules.left]
    assert all(left.why for left in rules.left)
    assert 1 == len(rules.check({"a": 2}).findings), "the others are run"


UNDECIDED: dict[str, tuple[str, JSON]] = {
    "pattern": ("'a'.matches(self.s)", {"s": "("}),
    "sizes": ("quantity(self.s).isLessThan(quantity('1'))", {"s": "1e999999999"}),
    "sum": ("self.l.map(x, x > 1 ? x : 1).sum() == 0", {"l": []}),
}


@pytest.mark.parametrize(("rule", "value"), UNDECIDED.values(), ids=UNDECIDED)
def test_what_is_not_known_is_not_guessed(rule: str, value: JSON) -> None:
    listed = {"type": "array", "maxItems": 5, "items": INTEGER}
    rules = cel.Rules(of({"s": TEXT, "l": listed}, {"rule": f"{rule} || true"}, {"rule": "true"}))

    outcome = rules.check(value)

    assert ((), [f"{rule} || true"]) == (outcome.findings, [one.rule for one in outcome.undecided])


NAMES = {"type": "object", "properties": {"name": TEXT, "size": INTEGER}}
UNIQUE = {
    "items": ("self.names.all(x, self.names.exists_one(y, x == y))", "names"),
    "items, turned round": ("self.names.all(x, self.names.exists_one(y, y == x))", "names"),
    "a field": ("self.things.all(x, self.things.exists_one(y, x.name == y.name))", "things"),
    "by number": ("self.things.all(x, self.things.exists_one(y, x.size == y.size))", "things"),
}


@pytest.mark.parametrize(("rule", "field"), UNIQUE.values(), ids=UNIQUE)
def test_uniqueness_of_many_is_decided(rule: str, field: str) -> None:
    properties = {
        "names": {"type": "array", "items": TEXT},
        "things": {"type": "array", "items": NAMES},
    }
    rules = cel.Rules(of(properties, {"rule": rule}))
    names = [f"n{number}" for number in range(2000)]
    things = [{"name": name, "size": place} for place, name in enumerate(names)]
    good: list[JSON] = [*names] if field == "names" else [*things]

    assert () == rules.check({field: good}).findings
    assert 1 == len(rules.check({field: [*good, good[7]]}).findings)
    assert () == rules.check({field: []}).findings


def test_variable_that_hides_the_list_is_no_uniqueness(oracle: judge.Judge) -> None:
    kids = {"type": "array", "maxItems": 3, "items": {"type": "object", "properties": {"n": TEXT}}}
    inner = {"type": "object", "properties": {"n": TEXT, "kids": kids}}
    outer = {"type": "object", "properties": {"kids": {**kids, "items": inner}}}
    schema = of(
        {"g": {**kids, "items": outer}},
        {"rule": "self.g.all(x, x.kids.all(x, x.kids.exists_one(y, x.n == y.n)))"},
    )
    value = {"g": [{"kids": [{"n": "a", "kids": [{"n": "a"}]}, {"n": "b", "kids": [{"n": "a"}]}]}]}

    outcome = cel.Rules(schema).check(value)

    assert created(oracle, schema, value) == shown(outcome) != []


def test_nested_macros_go_beyond_ten_thousand_steps() -> None:
    listed = {"type": "array", "items": INTEGER}
    rule = {"rule": "self.l.all(x, self.l.exists(y, y == x + 1 || y == x - 1))"}

    outcome = cel.Rules(of({"l": listed}, rule)).check({"l": [*range(300)]})

    assert cel.Outcome() == outcome


MIXED = of(
    {
        "s": TEXT,
        "i": INTEGER,
        "n": {"type": "number"},
        "d": {"type": "string", "format": "duration"},
        "x": {"x-kubernetes-int-or-string": True, "maxLength": 20},
        "l": {"type": "array", "maxItems": 6, "items": TEXT},
        "m": {"type": "object", "maxProperties": 5, "additionalProperties": INTEGER},
    },
    *(
        {"rule": rule}
        for rule in (
            "self.i + 1 > self.i && self.i * 2 != 3",
            "self.n > 1.5 || self.i > 1",
            "self.d < duration('90m')",
            "type(self.x) == int ? self.x > 1 : self.x.matches('^[0-9]+%$')",
            "self.l.all(x, self.l.exists_one(y, x == y))",
            "self.l.isSorted() && self.l.indexOf(self.s) < 1",
            "sets.contains(self.l, [self.s]) || self.s in self.m",
            "self.m.all(k, v, v > 0 && k.size() > 1)",
            "self.m.map(k, self.m[k]).sum() < 10",
            "self.?l[0].orValue('none') == self.s.lowerAscii().trim()",
            "isQuantity(self.s) && quantity(self.s).isLessThan(quantity('1Gi'))",
            "isSemver(self.s, true) || isIP(self.s) || isURL(self.s)",
            "format.dns1123Label().validate(self.s).hasValue()",
            "self.s.split('-').exists(x, x.find('[0-9]+') != '')",
            "'%s %d %f'.format([self.l, self.i, self.n]).size() < 20",
        )
    ),
)
INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
WORD = st.text(st.sampled_from("ab1-. %:/eMié\t"), max_size=12)
VALUES = st.fixed_dictionaries(
    {
        "s": WORD,
        "i": st.integers(-3, 3) | INT64,
        "n": st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-3, 3),
        "d": st.sampled_from(["1h", "2h30m", "-5s", "1 day", "0s"]),
        "x": st.integers(-3, 3) | st.sampled_from(["5%", "a", ""]),
        "l": st.lists(WORD, max_size=5),
    },
    optional={"m": st.dictionaries(WORD, st.integers(-3, 9), max_size=1)},
)


@pytest.fixture(scope="module")
def mixed(oracle: judge.Judge) -> Iterator[judge.Loaded]:
    with oracle.load(definition(MIXED)) as loaded:
        yield loaded


@settings(max_examples=depth.draws(300), deadline=None)
@given(value=VALUES)
def test_drawn_values_have_the_judges_causes(mixed: judge.Loaded, value: JSON) -> None:
    outcome = cel.Rules(MIXED).check(value)

    assert causes(mixed.create({**META, "spec": value})) == shown(outcome)


CORE = [
    "self.i * 2 + 1 > 5 && !(self.i in [1, 2])",
    "self.l.filter(x, x.size() > 1).map(x, x + '!').exists(x, x.startsWith('a'))",
    "self.l.size() == 2 ? self.l[0] < self.l[1] : self.s.contains('a')",
    "has(self.s) || self.i / 0 == 1",
]


@pytest.mark.parametrize("rule", CORE)
@pytest.mark.parametrize(
    "value",
    [
        {"i": 3, "l": ["ab", "a"], "s": "cat"},
        {"i": 1, "l": [], "s": "dog"},
        {"i": 9, "l": ["b", "ba"], "s": ""},
    ],
    ids=["first", "second", "third"],
)
def test_another_evaluator_agrees_on_core_cel(rule: str, value: JSON) -> None:
    environment = celpy.Environment()
    program = environment.program(environment.compile(rule))
    listed = {"type": "array", "items": TEXT}

    expected = bool(program.evaluate({"self": adapter.json_to_cel(value)}))

    outcome = cel.Rules(of({"i": INTEGER, "l": listed, "s": TEXT}, {"rule": rule})).check(value)
    assert expected == (not outcome.findings)
