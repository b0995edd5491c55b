"""``webhooks lint``: checks webhook configurations of any origin."""

import datetime as dt
import pathlib
from typing import Annotated, Literal

import orjson
import typer

from schemagen import files


def lint(
    file: Annotated[
        list[pathlib.Path],
        typer.Argument(help="Manifests to check; - reads standard input.", allow_dash=True),
    ],
    strict: Annotated[bool, typer.Option(help="Exit with 1 on warnings too.")] = False,
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "text",
) -> None:
    """Check webhook configurations against good practice.

    Reads ValidatingWebhookConfigurations, MutatingWebhookConfigurations and CRDs, also as a List
    from `kubectl get -o yaml`. Anything that the API server's own validation refuses is an error.
    Exit codes: 0 no errors, 1 an error was found, 2 a file cannot be read.
    """
    from schemagen import judge
    from webhooks.cluster import manifest_lint

    report = manifest_lint.Report()
    with judge.Judge() as checker:
        for path in file:
            now = dt.datetime.now(dt.UTC)
            report.read(files.read_bytes(path), files.name_of(path), checker, now)
    if output == "json":
        typer.echo(orjson.dumps([finding.members for finding in report.findings]))
    for finding in report.findings if output == "text" else ():
        typer.echo(str(finding))
    levels = report.levels
    typer.echo(
        f"{report.count} configurations: {levels.count('error')} errors, "
        f"{levels.count('warning')} warnings",
        err=True,
    )
    raise typer.Exit(1 if "error" in levels or (strict and levels) else 0)
