"""``schemagen diff``: what changed between two sets of CRDs, and what it breaks. Shell."""

import datetime as dt
import enum
import pathlib
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    import rich.console

    from schemagen.compat import sources
    from schemagen.compat.verdicts import differences, reports


_LOG_COLUMNS: Final = 160


class Output(enum.StrEnum):
    """How differences are written."""

    TABLE = "table"
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"
    SARIF = "sarif"
    JUNIT = "junit"
    GITHUB = "github"


def diff(
    old: Annotated[
        str, typer.Argument(help="CRDs before: a file, DIR, MODULE:API, REV:PATH, cluster:.")
    ],
    new: Annotated[str, typer.Argument(help="CRDs now: likewise, or WORKTREE:PATH.")],
    output: Annotated[
        Output, typer.Option("--output", "-o", help="How differences are written.")
    ] = Output.TABLE,
    allow: Annotated[
        pathlib.Path | None,
        typer.Option(help="File of allowed changes, each with a reason and an expiry date."),
    ] = None,
    draws: Annotated[
        int, typer.Option(min=1, help="Objects to try for a change that no rule decides.")
    ] = 300,
    show_safe: Annotated[
        bool, typer.Option("--all", help="Show safe changes in the table as well.")
    ] = False,
) -> None:
    """Compare two sets of CRDs: what changed, and whom it breaks, proved by the API server's code.

    Every change has a verdict for those who write manifests, those who read objects, and what is
    stored. A breaking one comes with the smallest request that is answered otherwise; a safe one
    with the rule that proves it; an unproved one with the number of objects that were tried.

    Exit codes: 0 nothing, or only safe and allowed changes; 1 a breaking or unproved change; 2 the
    CRDs, the allow-list or the judge cannot be loaded.
    """
    report = _report(old, new, allow, draws)
    _write(report, output, is_complete=show_safe)
    raise typer.Exit(1 if report.failures else 0)


def _report(old: str, new: str, allow: pathlib.Path | None, draws: int) -> "reports.Report":
    from schemagen import judge
    from schemagen.compat.verdicts import allowances, differences, reports

    allowed = () if allow is None else allowances.read(allow)
    before, after = _definitions(old, new)
    with judge.Judge() as oracle:
        found = [*differences.of(before, after, oracle, draws=draws)]
    today = dt.datetime.now(tz=dt.UTC).date()
    applied = allowances.apply(allowed, found, today)
    return reports.Report(found, applied, sorted(before.keys() | after.keys()))


def _definitions(
    old: str, new: str
) -> "tuple[dict[str, sources.Definition], dict[str, sources.Definition]]":
    """Return the CRDs of both sides; what is unreadable on both sides is told and skipped."""
    from schemagen.compat import sources
    from schemagen.problems import UserError

    sides = [sources.read(reference) for reference in (old, new)]
    problems = [
        {sources.without_origin(line, reference): line for line in side.problems}
        for side, reference in zip(sides, (old, new), strict=True)
    ]
    shared = problems[0].keys() & problems[1].keys()
    for key in sorted(shared):
        typer.echo(f"skipped, as it was before: {problems[1][key]}", err=True)
    others = [line for each in problems for key, line in each.items() if key not in shared]
    if others:
        raise UserError("\n".join(others))
    before, after = (sources.by_name(side.definitions) for side in sides)
    return before, after


def _write(report: "reports.Report", output: Output, *, is_complete: bool) -> None:
    from schemagen.compat import findings
    from schemagen.compat.verdicts import reports

    match output:
        case Output.TABLE:
            _table(report, is_complete=is_complete)
        case Output.MARKDOWN:
            typer.echo(reports.markdown(report), nl=False)
        case _:
            form = findings.Format(output.value)
            typer.echo(reports.structured(report, form, command="schemagen diff"), nl=False)
    typer.echo(report.summary, err=True)


def _table(report: "reports.Report", *, is_complete: bool) -> None:
    import rich.console
    import rich.table
    import rich.text

    from schemagen.compat.changes.changes import Audience, Outcome

    # Logs of CI systems are wider than the 80 columns that are assumed for a file.
    width = None if sys.stdout.isatty() else _LOG_COLUMNS
    console = rich.console.Console(highlight=False, soft_wrap=True, width=width)
    colours = {Outcome.BREAKING: "red", Outcome.UNPROVED: "yellow", Outcome.SAFE: "green"}
    shown = [each for each in report.differences if is_complete or each.outcome is not Outcome.SAFE]
    if shown:
        table = rich.table.Table("CRD", "field", "change", *(a.value for a in Audience))
        for each in shown:
            change = each.change
            verdicts = [each.decided.verdicts.get(audience) for audience in Audience]
            table.add_row(
                rich.text.Text(f"{each.crd} {change.version}".strip()),
                rich.text.Text(change.path),
                rich.text.Text(change.message),
                *(rich.text.Text(v.outcome, colours[v.outcome]) if v else "" for v in verdicts),
            )
        console.print(table)
    for each in shown:
        _show(console, report, each)
    for notice in report.notices:
        console.print(rich.text.Text(str(notice)))


def _show(
    console: "rich.console.Console", report: "reports.Report", each: "differences.Difference"
) -> None:
    """Print a change with its verdicts and witnesses."""
    import rich.text

    from schemagen.compat.verdicts import reports

    allowance = report.allowed.by_change.get(each.id)
    place = f"{each.source}:{each.line}" if each.line else each.source
    console.print(rich.text.Text(f"\n{each.id}", "bold"), rich.text.Text(place, "dim"))
    if allowance is not None:
        console.print(rich.text.Text(f"  allowed: {allowance.reason}"))
    for audience, verdict in each.decided.verdicts.items():
        console.print(rich.text.Text(f"  {audience}: {verdict.outcome}: {verdict.reason}"))
        if verdict.witness is not None:
            for line in reports.shown_witness(verdict.witness):
                console.print(rich.text.Text(f"    {line}"))
