"""``schemagen preflight``: what an upgrade of CRDs does to the objects of a cluster."""

from collections.abc import Sequence
from typing import Annotated

import typer

from schemagen.cli import frame
from schemagen.compat import findings


def preflight(
    crds: Annotated[
        list[str],
        typer.Argument(
            metavar="CRDS...",
            help="CRDs to come: a file, directory, pattern, MODULE:API or git REV:PATH.",
        ),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="cluster:CONTEXT|PATH",
            help="Live objects: of a kubeconfig's context, by default of the current one, or of "
            "manifests (kubectl get -o yaml); repeatable.",
        ),
    ] = None,
    output: Annotated[
        findings.Format, typer.Option("--output", "-o", help="Format of the findings.")
    ] = findings.Format.TEXT,
    warn: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Make this rule a warning; repeatable."),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", "-j", min=1, max=16, help="Objects to judge at a time; 110 MiB each."
        ),
    ] = 1,
) -> None:
    """Judge the live objects by CRDs before an upgrade, with the API server's own code.

    Each object is judged in every version as the update and the update of the status that the API
    server would see: with ratcheting, oldSelf, defaults and pruning. Reported are refused writes,
    lost fields, removed versions in status.storedVersions and managedFields, and the field
    managers that write them. The cluster is only read (get, list).

    Exit codes: 0 no error; 1 a write would be refused, or something lost; 2 CRDs or a cluster
    cannot be read.
    """
    raise typer.Exit(_run(crds, against or (), output, warn or (), jobs))


def _run(
    crds: Sequence[str],
    against: Sequence[str],
    output: findings.Format,
    warn: Sequence[str],
    jobs: int,
) -> int:
    """Judge the objects and write the findings; return the exit code."""
    from schemagen.compat import sources
    from schemagen.compat.preflight import live
    from schemagen.compat.preflight import preflight as upgrades

    unknown = {*warn} - upgrades.RULES.keys()
    if unknown:
        names = ", ".join(upgrades.RULES)
        raise typer.BadParameter(f"expected --warn to be one of {names}, got {min(unknown)}")
    definitions = [*sources.by_name(sources.read_all(*crds)).values()]
    report = live.run(definitions, against or [live.CLUSTER], jobs)
    lowered = findings.lowered(report.findings, warn)
    text = findings.rendered(
        lowered,
        output,
        command="schemagen preflight",
        passed=report.passed,
        rules=upgrades.RULES,
    )
    typer.echo(text, nl=False)
    typer.echo(report.summary, err=True)
    for problem in report.problems:
        frame.complain("schemagen", problem)
    if report.problems:
        return frame.WRONG_INPUT
    return 1 if findings.has_errors(lowered) else 0
