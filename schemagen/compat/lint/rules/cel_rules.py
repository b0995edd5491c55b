"""Rules about CEL rules that the API server accepts though they are wrong."""

import asyncio
import collections
import itertools
from collections.abc import Iterator
from typing import Final

from schemagen import judge
from schemagen.cel import syntax
from schemagen.compat.findings import Level
from schemagen.compat.lint import cases, drawing, witnesses
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Node, Target, at
from schemagen.differential import generation, shrinking
from schemagen.problems import JSON
from schemagen.schema.keywords import Schema

_NO_KEY: Final = "no such key: "
_EVALUATING: Final = " evaluating rule: "
# Values tried for one node.
_TRIED: Final = 24
_HINTS: Final = 24
# Values for which every combination of constants is tried.
_SMALL: Final = 3


def _nodes(target: Target) -> Iterator[Node]:
    """Yield the nodes with rules, if the API server accepts the CRD."""
    if not target.verdict.allowed:
        return
    for version in target.versions:
        yield from (node for node in version.nodes if node.rules)


def _text(rule: JSON) -> str:
    return str(rule.get("rule", "")).strip()


# ----------------------------------------------------------------------------- fields without has()


def _optional(target: Target) -> Iterator[Found]:
    for node in _nodes(target):
        suspects = [(rule, _unguarded(node.schema, _text(rule))) for rule in node.rules]
        if any(names or is_folded for _, (names, is_folded) in suspects):
            yield from _without_fields(
                target, node, {path for _, (ps, _) in suspects for path in ps}
            )


def _unguarded(schema: Schema, rule: str) -> tuple[set[cases.Names], bool]:
    """Return the optional fields that a rule reads, and whether it reads items of lists."""
    expr = cases.parsed(rule)
    if expr is None:
        return set(), False
    names, is_folded = set(), False
    for part in cases.parts(expr):
        chain = cases.chain(part)
        if chain and isinstance(part, syntax.Select):
            optional = _first_optional(schema, chain)
            names |= {optional} if optional else set()
        is_folded |= isinstance(part, syntax.Fold) and not isinstance(part.source, syntax.ListOf)
    return names, is_folded


def _first_optional(schema: Schema, chain: cases.Names) -> cases.Names | None:
    for depth, name in enumerate(chain, 1):
        child = (schema.get("properties") or {}).get(name)
        if not isinstance(child, dict):
            return None
        if name not in (schema.get("required") or ()) and child.get("default") is None:
            return chain[:depth]
        schema = child
    return None


def _without_fields(target: Target, node: Node, absent: set[cases.Names]) -> Iterator[Found]:
    with drawing.court_alone(target.oracle, node.schema) as court:
        if court is not None:
            yield from _refused_without(court, node, absent)


def _refused_without(court: drawing.Court, node: Node, absent: set[cases.Names]) -> Iterator[Found]:
    court.schema = drawing.with_constants(court.schema, [*map(_text, node.rules)])
    told: set[str] = set()
    for value in _tried(court, sorted(absent), _hints(node)):
        for rule, key in _read_in_vain(court.create(value), node):
            if _text(rule) in told:
                continue
            told.add(_text(rule))
            yield at(
                node,
                f"expected has() before an optional field is read, got {_text(rule)!r}: an object "
                f"without {key} is refused with «{_NO_KEY}{key}»; write !has(...) || ... or "
                "require the field",
                rule=_text(rule),
                witness=_smallest(court, node, value, rule)["spec"],
            )


def _smallest(court: drawing.Court, node: Node, value: JSON, rule: JSON) -> JSON:
    """Return a part of a value that still fails for want of a field, and for nothing else."""

    async def still(smaller: JSON) -> bool:
        return any(found is rule for found, _ in _read_in_vain(court.create(smaller), node))

    return asyncio.run(shrinking.smallest(value, still))


def _read_in_vain(verdict: judge.Verdict, node: Node) -> Iterator[tuple[JSON, str]]:
    """Yield the rules that fail for want of a field, with the field, if nothing else is wrong."""
    if not all(_NO_KEY in cause.message for cause in verdict.causes):
        return
    for cause in verdict.causes:
        key, _, shown = cause.message.partition(_NO_KEY)[2].partition(_EVALUATING)
        for rule in node.rules:
            if shown in {_text(rule), _message(rule)} and cause.field == "spec":
                yield rule, key
                break


def _hints(node: Node) -> list[dict[cases.Names, JSON]]:
    """Return values of fields that rules compare them with, one of each field at a time."""
    found: dict[cases.Names, set[JSON]] = {}
    for rule in node.rules:
        for names, values in cases.constants(_text(rule)).items():
            found.setdefault(names, set()).update(values)
    choices = [sorted(values, key=repr) for names, values in found.items() if names]
    fields = [path for path in found if path]
    combinations = itertools.islice(itertools.product(*choices), _HINTS)
    return [dict(zip(fields, combination, strict=True)) for combination in combinations]


def _message(rule: JSON) -> str:
    return str(rule.get("message", "")).strip()


def _tried(
    court: drawing.Court, absent: list[cases.Names], hints: list[dict[cases.Names, JSON]]
) -> Iterator[JSON]:
    """Yield values, repaired as far as possible, and each without one of the fields."""
    for index, body in enumerate(court.bodies(_TRIED)):
        fixed, _ = court.repaired(body)
        # The smallest ones come first, and with them every combination of constants.
        for hint in hints if index < _SMALL else hints[index % len(hints) :][:1] if hints else ():
            hinted = fixed
            for names, value in hint.items():
                hinted = drawing.put(hinted, ("spec", *names), value)
            yield from _each_without(hinted, absent)
        yield from _each_without(fixed, absent)
        yield body


def _each_without(value: JSON, absent: list[cases.Names]) -> Iterator[JSON]:
    yield value
    for names in absent:
        if cases.has(value, ("spec", *names)):
            yield generation.without(value, ("spec", *names))


# ------------------------------------------------------------------------ always, never, repeated


def _always(target: Target) -> Iterator[Found]:
    for node in _nodes(target):
        for rule in node.rules:
            found = cases.of(node.schema, _text(rule))
            if found is not None and len(found.true) == len(found.values):
                yield at(
                    node,
                    f"expected a rule that refuses something, got {_text(rule)!r}, which is true "
                    "for every value of the schema; leave it out or correct it",
                    rule=_text(rule),
                )


def _never(target: Target) -> Iterator[Found]:
    for node in _nodes(target):
        impossible = False
        for rule in node.rules:
            found = cases.of(node.schema, _text(rule))
            if found is not None and not found.true:
                impossible = True
                yield at(
                    node,
                    f"expected a rule that accepts something, got {_text(rule)!r}, which is false "
                    "for every value of the schema; correct the rule or the bounds",
                    rule=_text(rule),
                    **witnesses.of_refusal(target, node, rule),
                )
        if not impossible:
            yield from _together(node)


def _together(node: Node) -> Iterator[Found]:
    """Find rules of a node of which each accepts something, and all together nothing."""
    decided = [_text(rule) for rule in node.rules if cases.of(node.schema, _text(rule)) is not None]
    if len(decided) < 2:  # noqa: PLR2004 - a contradiction takes two
        return
    found = cases.of(node.schema, " && ".join(f"({text})" for text in decided))
    if found is not None and not found.true:
        yield at(
            node,
            f"expected rules that accept something together, got {' and '.join(map(repr, decided))}"
            ", which contradict each other; correct one",
        )


def _repeated(target: Target) -> Iterator[Found]:
    for node in target.nodes:
        counts = collections.Counter(_text(rule) for rule in node.rules)
        for text, count in counts.items():
            if count > 1:
                yield at(
                    node,
                    f"expected each rule once, got {text!r} {count} times: a refusal is reported "
                    "as often; leave the others out",
                    rule=text,
                )


# ------------------------------------------------------------------------------------- immutability


def _immutable(target: Target) -> Iterator[Found]:
    for node in _nodes(target):
        if not node.is_optional or node.parent is None or node.schema.get("nullable"):
            continue
        if not any(_is_immutable(_text(rule)) for rule in node.rules):
            continue
        if any("oldSelf" in _text(rule) for above in node.above for rule in above.rules):
            continue
        witness = _bypass(target, node)
        if witness:
            yield at(
                node,
                "expected an immutable field, got one that is optional: two updates, one that "
                "removes it and one that adds it again, change its value; add the rule "
                f"'!has(oldSelf.{node.name}) || has(self.{node.name})' to its parent, or require "
                "it",
                witness=witness,
            )


def _is_immutable(rule: str) -> bool:
    return "".join(rule.split()) in {"self==oldSelf", "oldSelf==self"}


def _bypass(target: Target, node: Node) -> list[JSON] | None:
    """Return three values of the parent, each an accepted update of the one before it."""
    assert node.parent is not None  # noqa: S101 - optional, so it has one
    assert node.name is not None  # noqa: S101 - likewise
    with drawing.court_alone(target.oracle, node.parent.schema) as court:
        return _accepted_bypass(court, node, ("spec", node.name)) if court is not None else None


def _accepted_bypass(court: drawing.Court, node: Node, path: tuple[str, str]) -> list[JSON] | None:
    values: list[JSON] = []
    for body in court.bodies(_TRIED):
        if not cases.has(body, path):
            body = drawing.put(body, path, court.draw.valid(node.schema))  # noqa: PLW2901
        fixed, verdict = court.repaired(body)
        if verdict.allowed and cases.has(fixed, path):
            values.append(fixed)
    values.sort(key=lambda value: len(repr(value)))
    return _sequence(court, values, path) if values else None


def _sequence(court: drawing.Court, values: list[JSON], path: tuple[str, str]) -> list[JSON] | None:
    old = values[0]
    new = next(
        (
            value
            for value in values
            if value["spec"] != old["spec"]
            and generation.at(value, path) != generation.at(old, path)
        ),
        None,
    )
    if new is None:
        return None
    new = generation.replaced(old, path, generation.at(new, path))
    between = generation.without(old, path)
    accepts = court.loaded.update
    objects = [court.object(value) for value in (old, between, new)]
    is_taken = (
        accepts(objects[1], objects[0], strict=False).allowed
        and accepts(objects[2], objects[1], strict=False).allowed
        and not accepts(objects[2], objects[0], strict=False).allowed
    )
    return [value["spec"] for value in (old, between, new)] if is_taken else None


THEME: Final = "cel"

RULES: Final = (
    Rule(
        id="cel-optional",
        theme=THEME,
        level=Level.ERROR,
        finds="a CEL rule that reads an optional field without has()",
        why="a valid object without the field is refused with «no such key», which the judge shows "
        "with an object",
        fix="write !has(self.x) || ..., or require the field, or give it a default",
        check=_optional,
    ),
    Rule(
        id="cel-always-true",
        theme=THEME,
        level=Level.WARNING,
        finds="a CEL rule that is true for every value of the schema",
        why="it refuses nothing: either its author meant something else, or it costs for nothing",
        fix="correct it, or leave it out",
        check=_always,
    ),
    Rule(
        id="cel-never-true",
        theme=THEME,
        level=Level.ERROR,
        finds="CEL rules that no value of the schema satisfies, alone or together",
        why="every object with the field is refused",
        fix="correct the rules or the bounds",
        check=_never,
    ),
    Rule(
        id="cel-repeated",
        theme=THEME,
        level=Level.NOTE,
        finds="the same CEL rule twice at one place",
        why="it is evaluated and reported twice",
        fix="leave one out",
        check=_repeated,
    ),
    Rule(
        id="cel-immutable-optional",
        theme=THEME,
        level=Level.WARNING,
        finds="self == oldSelf on an optional field",
        why="the rule does not run when the field is removed or added, so two updates change it; "
        "the judge accepts both",
        fix="add !has(oldSelf.x) || has(self.x) to the parent, or require the field",
        check=_immutable,
    ),
)
