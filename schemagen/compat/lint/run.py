"""Lint CRDs: run the rules, and apply suppressions."""

import dataclasses
from collections.abc import Iterator, Sequence
from http import HTTPStatus

from schemagen import judge
from schemagen.compat import sources
from schemagen.compat.findings import Finding
from schemagen.compat.lint import catalog, suppressions
from schemagen.compat.lint.registry import Rule
from schemagen.compat.lint.targets import Found, Target

KNOWN = frozenset(rule.id for rule in catalog.RULES)


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of linting.

    Attributes:
        findings: By file and line.
        suppressed: Number of suppressed findings.
        passed: CRDs without a finding.
    """

    findings: tuple[Finding, ...]
    suppressed: int
    passed: tuple[str, ...]


def lint(
    definitions: Sequence[sources.Definition],
    oracle: judge.Judge,
    rules: Sequence[Rule],
    *,
    suppress: Sequence[suppressions.Suppression] = (),
    known: frozenset[tuple[str, ...]] = frozenset(),
) -> Report:
    """Lint CRDs.

    Args:
        definitions: The CRDs.
        oracle: The judge.
        rules: The rules to run.
        suppress: Suppressions of a configuration file; those of annotations are added.
        known: Findings to leave out, as ``identity`` returns them.
    """
    findings: list[Finding] = []
    entries = [*suppress]
    for definition in definitions:
        own, problems = suppressions.of_annotation(definition, KNOWN)
        entries += own
        findings += problems
        findings += (finding for _, finding in found(definition, oracle, rules))
    reported, suppressed = suppressions.apply(findings, entries, {rule.id for rule in rules})
    kept = [finding for finding in reported if identity(finding) not in known]
    kept.sort(key=lambda finding: (finding.source, finding.line, finding.rule, finding.path))
    at_fault = {finding.subject.partition(" ")[0] for finding in kept}
    passed = [definition.name for definition in definitions if definition.name not in at_fault]
    return Report(tuple(kept), suppressed, tuple(dict.fromkeys(passed)))


def found(
    definition: sources.Definition, oracle: judge.Judge, rules: Sequence[Rule]
) -> Iterator[tuple[Found, Finding]]:
    """Yield what rules find in a CRD, before suppression."""
    target = Target(definition, oracle)
    for rule in rules:
        # A CRD that cannot be decoded has no schema to look at.
        if target.verdict.code != HTTPStatus.BAD_REQUEST or rule.id == "refused":
            for place in rule.check(target):
                yield place, _finding(definition, rule, place)


def _finding(definition: sources.Definition, rule: Rule, place: Found) -> Finding:
    return Finding(
        rule.id,
        rule.level,
        place.message,
        definition.source,
        definition.line_of(place.field) if place.field else definition.line_of("metadata"),
        f"{definition.name} {place.version}".strip(),
        place.path,
        place.details,
    )


def identity(finding: Finding) -> tuple[str, ...]:
    """Return what makes a finding of two revisions of a CRD the same."""
    return finding.rule, finding.subject, finding.path
