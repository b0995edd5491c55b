"""Values that the judge refuses for a rule, as small as possible: they show what a finding says."""

import asyncio
from typing import Final

from schemagen import judge
from schemagen.compat.lint import cases, drawing
from schemagen.compat.lint.targets import Node, Target
from schemagen.differential import generation, shrinking
from schemagen.problems import JSON

# Values tried for one finding.
_TRIED: Final = 12


def of_refusal(
    target: Target,
    node: Node,
    rule: JSON,
    *,
    absent: cases.Names = (),
    present: cases.Names = (),
) -> dict[str, JSON]:
    """Return a value of a node that is refused by one of its rules alone, as ``witness``.

    Args:
        target: The CRD.
        node: The node.
        rule: The entry of ``x-kubernetes-validations``.
        absent: A field that the value lacks.
        present: A field that it has.
    """
    with drawing.court_alone(target.oracle, node.schema) as court:
        if court is None:
            return {}
        return _smallest(court, rule, absent, present)


def _smallest(
    court: drawing.Court, rule: JSON, absent: cases.Names, present: cases.Names
) -> dict[str, JSON]:
    def is_one(value: JSON) -> bool:
        return (
            not (absent and cases.has(value, ("spec", *absent)))
            and (not present or cases.has(value, ("spec", *present)))
            and _is_refused(court.create(value), rule)
        )

    async def still(value: JSON) -> bool:
        return is_one(value)

    for body in court.bodies(_TRIED):
        value = _prepared(court, body, absent, present)
        if is_one(value):
            return {"witness": asyncio.run(shrinking.smallest(value, still))["spec"]}
    return {}


def _prepared(court: drawing.Court, value: JSON, absent: cases.Names, present: cases.Names) -> JSON:
    if absent and cases.has(value, ("spec", *absent)):
        value = generation.without(value, ("spec", *absent))
    if present and not cases.has(value, ("spec", *present)):
        schema = drawing.schema_at(court.schema, ("spec", *present))
        value = drawing.put(value, ("spec", *present), court.draw.valid(schema))
    return value


def _is_refused(verdict: judge.Verdict, rule: JSON) -> bool:
    shown = str(rule.get("message") or rule.get("rule", "")).strip()
    return bool(verdict.causes) and all(
        cause.field == "spec" and cause.message.endswith(shown) for cause in verdict.causes
    )
