"""``schemagen lint``: find what is wrong with CRDs though the API server accepts it."""

import pathlib
from typing import Annotated

import typer

from schemagen.compat import findings


def lint(
    references: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CRDS|MODULE:API...",
            help="Files, directories, patterns, MODULE:API, git REV:PATH or cluster:CONTEXT.",
        ),
    ] = None,
    output: Annotated[
        findings.Format, typer.Option("--output", "-o", help="Format of the findings.")
    ] = findings.Format.TEXT,
    select: Annotated[
        list[str] | None,
        typer.Option(help="Rule or theme to run instead of the default ones, or all; repeatable."),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Rule or theme not to run; repeatable.")
    ] = None,
    config: Annotated[
        pathlib.Path | None,
        typer.Option(help="File with select, ignore and suppress, each suppression with a reason."),
    ] = None,
    old: Annotated[
        str | None,
        typer.Option(
            metavar="CRDS", help="Earlier CRDs, such as HEAD:crds: their findings are left out."
        ),
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Fix in the files what changes no verdict; comments are kept."),
    ] = False,
    list_rules: Annotated[
        bool, typer.Option("--list-rules", help="List all rules with reason and fix.")
    ] = False,
) -> None:
    """Find what is wrong with CRDs though the API server accepts it.

    A finding about values is shown by an object that the API server's own code judged. Suppress a
    finding with a reason by the annotation lint.kubewright.dev/ignore or in the --config file.

    Exit codes: 0 no errors, at most warnings and notes; 1 an error; 2 a CRD, the configuration or
    the judge cannot be read.
    """
    from schemagen.cli import lint_run

    if list_rules:
        typer.echo(lint_run.listed(output), nl=False)
        return
    raise typer.Exit(
        lint_run.run(
            references or [],
            output,
            select=_words(select),
            ignore=_words(ignore),
            config=config,
            old=old,
            fix=fix,
        )
    )


def _words(options: list[str] | None) -> list[str]:
    """Return the words of a repeatable option that takes several with commas, too."""
    return [word.strip() for option in options or () for word in option.split(",") if word.strip()]
