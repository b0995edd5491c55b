"""``agentctl audit``: verify."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

app = typer.Typer(help="Work with audit logs of the controller.", no_args_is_help=True)

Output: TypeAlias = Annotated[
    Literal["table", "json"], typer.Option("--output", "-o", help="Output format.")
]


@app.callback()
def _audit() -> None:
    """Work with audit logs of the controller."""


@app.command()
def verify(
    files: Annotated[
        list[pathlib.Path],
        typer.Argument(metavar="FILE...", help="Files of one chain, in its order: that of names."),
    ],
    expect_last: Annotated[
        str | None,
        typer.Option(metavar="HASH", help="Hash of the last record, kept elsewhere."),
    ] = None,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="Hash of the record before the first one. \\[default: a chain begins with it]",
        ),
    ] = None,
    output: Output = "table",
) -> None:
    """Find changed, missing, moved, repeated and inserted records.

    That records are missing at the end is only found with --expect-last.

    Exit codes: 0 nothing found; 1 problems found; 2 invalid input, or a file cannot be read.
    """
    from controllers.agentctl.audit import verify as command

    raise typer.Exit(command.run(files, expect_last, after, output))
