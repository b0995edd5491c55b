"""``schemagen check``: whether CRDs can be installed. Shell."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from schemagen.compat import findings

if TYPE_CHECKING:
    from schemagen.compat import installation, releases, sources

_NAME = "schemagen check"

References = Annotated[
    list[str],
    typer.Argument(
        metavar="CRDS...",
        help="File, directory, pattern, MODULE:API, git REV:PATH, cluster:CONTEXT, or -.",
    ),
]
Kubernetes = Annotated[
    str | None,
    typer.Option(
        metavar="VERSIONS",
        help="Minor versions of Kubernetes, such as 1.29..1.37 or 1.34,1.37; by default the "
        "newest. Judges of others are built from Go modules, once (minutes).",
    ),
]


def check(
    references: References,
    kubernetes: Kubernetes = None,
    old: Annotated[
        str | None,
        typer.Option(
            metavar="CRDS",
            help="CRDs in the cluster: check the update of those that have the same name.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="Refuse unknown fields, as kubectl does by default.")
    ] = True,
    output: Annotated[
        findings.Format, typer.Option("--output", "-o", help="Output format.")
    ] = findings.Format.TEXT,
) -> None:
    """Check with the API server's own code whether CRDs can be installed, without a cluster.

    For each minor version: the verdict, the cost of CEL rules, fields dropped in silence, and the
    smallest change that makes a refused CRD fit, if one is found.

    Exit codes: 0 every CRD would be accepted; 1 a CRD would be refused; 2 a file cannot be read, or
    a judge cannot be built.
    """
    from schemagen.compat import installation, releases, sources

    wanted = (releases.NEWEST,) if kubernetes is None else releases.parsed(kubernetes)
    found = sources.read(*references)
    new = sources.by_name(found.definitions)
    before = sources.by_name(sources.read_all(old)) if old is not None else {}
    for problem in found.problems:
        typer.echo(f"schemagen: {problem}", err=True)
    rows = _rows(new, before, wanted, strict=strict)
    reported = [
        finding
        for name, definition in new.items()
        for finding in installation.report(definition, rows[name])
    ]
    named = {finding.subject for finding in reported}
    if output is findings.Format.TEXT:
        typer.echo(installation.table(rows), nl=False)
    text = findings.rendered(
        reported,
        output,
        command=_NAME,
        passed=[name for name in rows if name not in named],
        rules=installation.RULES,
        more={"verdicts": installation.fields(rows)},
    )
    typer.echo(text, nl=False)
    raise typer.Exit(2 if found.problems else int(findings.has_errors(reported)))


def _rows(
    new: "dict[str, sources.Definition]",
    before: "dict[str, sources.Definition]",
    wanted: "Sequence[releases.Release]",
    *,
    strict: bool,
) -> "dict[str, dict[releases.Release, installation.Outcome]]":
    """Judge all CRDs by one judge after the other: each takes 100 MB while it is open."""
    from schemagen.compat import installation, releases

    rows: dict[str, dict[releases.Release, installation.Outcome]] = {name: {} for name in new}
    for release in wanted:
        with releases.opened(release) as oracle:
            for name, definition in new.items():
                old = before[name].value if name in before else None
                rows[name][release] = installation.judged(
                    oracle, definition.value, old=old, strict=strict
                )
    return rows
