"""``schemagen validate``: what kubectl and the API server answer to manifests, offline."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from schemagen import files
from schemagen.cli import frame
from schemagen.compat import findings
from schemagen.problems import UserError

if TYPE_CHECKING:
    from schemagen import judge
    from schemagen.cli import validation
    from schemagen.compat import inputs

_UNREADABLE = {"unreadable": "A file cannot be read, or is not YAML."}


def validate(
    file: Annotated[
        list[str],
        typer.Option(
            "--file",
            "-f",
            metavar="PATH",
            help="Manifests to validate: a file, directory or pattern; repeatable; - is standard "
            "input.",
        ),
    ],
    reference: Annotated[
        str | None,
        typer.Argument(metavar="[MODULE:API]", help="Api to load, such as crds:api."),
    ] = None,
    crd: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH|REV:PATH|cluster:",
            help="CRDs instead of an Api: a file, directory, pattern, git revision, or those of a "
            "cluster (cluster:CONTEXT); repeatable.",
        ),
    ] = None,
    old: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Manifests of objects in the cluster: those of the same kind and name are "
            "updated (ratcheting, oldSelf); repeatable.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="Refuse unknown fields, as kubectl does by default.")
    ] = True,
    rules: Annotated[
        bool | None,
        typer.Option(
            "--rules/--no-rules",
            help="Count byte limits, policies and rules of the Api too; on for MODULE:API.",
        ),
    ] = None,
    output: Annotated[
        findings.Format, typer.Option("--output", "-o", help="Format of the findings.")
    ] = findings.Format.TEXT,
) -> None:
    """Validate manifests as kubectl and the API server do, with their messages, without a cluster.

    Objects of other groups are counted and skipped. Unreadable files are reported at the end; the
    others are validated.

    Exit codes: 0 every object would be accepted; 1 an object would be refused, or there is none;
    2 an Api, a CRD, a file or the judge cannot be loaded, whatever became of the objects.
    """
    code = _run(file, reference, crd or (), old or (), output, strict=strict, rules=rules)
    raise typer.Exit(code)


def _run(
    file: Sequence[str],
    reference: str | None,
    crd: Sequence[str],
    old: Sequence[str],
    output: findings.Format,
    *,
    strict: bool,
    rules: bool | None,
) -> int:
    """Validate manifests and write the findings; return the exit code."""
    from schemagen import judge
    from schemagen.compat import inputs

    with judge.Judge() as oracle:
        before, given = inputs.Inputs(old), inputs.Inputs(file)
        report = _report(reference, crd, oracle, before, strict=strict, rules=rules)
        found = [*_found(report, given, output)]
    problems = [*before.problems, *given.problems]
    for problem in problems:
        frame.complain("schemagen", problem)
    _write(report, found, problems, output)
    is_empty = not report.taken + report.refused + report.foreign
    if not is_empty:
        typer.echo(report.summary, err=True)
    if problems:
        return frame.WRONG_INPUT
    if is_empty:
        frame.complain("schemagen", "expected objects to validate, got none")
    return 1 if report.refused or is_empty else 0


def _report(
    reference: str | None,
    crd: Sequence[str],
    oracle: "judge.Judge",
    before: "inputs.Inputs",
    *,
    strict: bool,
    rules: bool | None,
) -> "validation.Report":
    from schemagen.cli import validation
    from schemagen.compat import api_rules, sources

    if (reference is None) == (not crd):
        got = "both" if crd else "neither"
        raise UserError(f"expected either MODULE:API or --crd, got {got}")
    if rules and reference is None:
        raise UserError("expected MODULE:API with --rules, got --crd: CRDs have no further rules")
    api = None if reference is None else files.load_api(reference)
    options = validation.Options(
        strict=strict,
        has_hints=api is None,
        rules=None if api is None or rules is False else api_rules.ApiRules(api),
        old={validation.identity(item.value): item.value for _, item in before if not item.refusal},
    )
    known = [*sources.by_name(sources.read_all(*crd)).values()] if api is None else api
    return validation.Report(known, oracle, options)


def _found(
    report: "validation.Report", given: "inputs.Inputs", output: findings.Format
) -> Iterator[findings.Finding]:
    """Yield the findings of all files; as text, each is written at once."""
    for content, name in given.contents():
        for finding in given.guarded(report.findings(content, name)):
            if output is findings.Format.TEXT:
                typer.echo(finding.line_text)
            yield finding


def _write(
    report: "validation.Report",
    found: Sequence[findings.Finding],
    problems: Sequence[str],
    output: findings.Format,
) -> None:
    from schemagen.cli import validation

    if output is findings.Format.TEXT:
        return
    unreadable = [
        findings.Finding("unreadable", findings.Level.ERROR, problem) for problem in problems
    ]
    text = findings.rendered(
        [*found, *unreadable],
        output,
        command="schemagen validate",
        passed=report.passed,
        rules=validation.RULES | _UNREADABLE,
        case_of=lambda finding: validation.case_of(finding.subject, finding.source),
    )
    typer.echo(text, nl=False)
