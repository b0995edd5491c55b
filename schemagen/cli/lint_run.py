"""The steps of ``schemagen lint``; loaded when it runs."""

import json
import pathlib
from collections.abc import Sequence
from typing import Final

import typer

from schemagen import files, judge
from schemagen.compat import findings, sources
from schemagen.compat.lint import catalog, registry, suppressions
from schemagen.compat.lint import run as lint_run
from schemagen.problems import UserError

COMMAND: Final = "schemagen lint"


def listed(output: findings.Format) -> str:
    """Return all rules as text, or as JSON."""
    if output is findings.Format.JSON:
        rules = [
            {
                "id": rule.id,
                "theme": rule.theme,
                "level": rule.level,
                "default": rule.is_default,
                "fixed": rule.is_fixed,
                "finds": rule.finds,
                "why": rule.why,
                "fix": rule.fix,
                "others": list(rule.others),
            }
            for rule in catalog.RULES
        ]
        return json.dumps(rules, indent=2, ensure_ascii=False) + "\n"
    return "".join(map(_line, catalog.RULES))


def _line(rule: registry.Rule) -> str:
    marks = [rule.theme, rule.level.value]
    marks += [] if rule.is_default else ["off by default"]
    marks += ["--fix"] if rule.is_fixed else []
    return f"{rule.id} ({', '.join(marks)}): {rule.finds}: {rule.why}; {rule.fix}\n"


def run(
    references: Sequence[str],
    output: findings.Format,
    *,
    select: Sequence[str],
    ignore: Sequence[str],
    config: pathlib.Path | None,
    old: str | None,
    fix: bool,
) -> int:
    """Lint CRDs and write the findings; return the exit code."""
    if not references:
        raise UserError("expected CRDs to lint: a file, a directory, MODULE:API or cluster:")
    settings = suppressions.Config()
    if config is not None:
        settings = suppressions.config(files.read_bytes(config), str(config), lint_run.KNOWN)
    rules = registry.chosen(
        catalog.RULES, [*select] or settings.select, [*ignore, *settings.ignore]
    )
    read = sources.read(*references)
    with judge.Judge() as oracle:
        if fix:
            read = _fixed(read, references, oracle, rules)
        known = frozenset[tuple[str, ...]]()
        if old is not None:
            before = lint_run.lint(sources.read_all(old), oracle, rules)
            known = frozenset(map(lint_run.identity, before.findings))
        report = lint_run.lint(
            read.definitions, oracle, rules, suppress=settings.suppress, known=known
        )
    typer.echo(
        findings.rendered(
            report.findings,
            output,
            command=COMMAND,
            passed=report.passed,
            rules={rule.id: rule.finds for rule in catalog.RULES},
        ),
        nl=False,
    )
    for problem in read.problems:
        typer.echo(f"schemagen: {problem}", err=True)
    typer.echo(_summary(report, len(read.definitions)), err=True)
    return 2 if read.problems else 1 if findings.has_errors(report.findings) else 0


def _fixed(
    read: sources.Sources,
    references: Sequence[str],
    oracle: judge.Judge,
    rules: Sequence[registry.Rule],
) -> sources.Sources:
    from schemagen.compat.lint import fixes

    for line in fixes.fix(read.definitions, oracle, rules):
        typer.echo(line, err=True)
    return sources.read(*references)


def _summary(report: lint_run.Report, count: int) -> str:
    levels = [finding.level for finding in report.findings]
    counts = [
        f"{levels.count(level)} {level.value}{'' if levels.count(level) == 1 else 's'}"
        for level in findings.Level
    ]
    suppressed = f", {report.suppressed} suppressed" if report.suppressed else ""
    return f"schemagen: {count} CRDs: {', '.join(counts)}{suppressed}"
