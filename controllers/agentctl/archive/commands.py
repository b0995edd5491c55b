"""``agentctl archive``: list, show."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

app = typer.Typer(
    help="Find runs that were deleted from the cluster after their retention period.",
    no_args_is_help=True,
)

Directory: TypeAlias = Annotated[
    pathlib.Path,
    typer.Option(
        "--directory",
        "-d",
        envvar="AGENTCTL_ARCHIVE",
        help="Directory to which the controller archives runs.",
    ),
]
Namespace: TypeAlias = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Only runs in this namespace. \\[default: all]"),
]
Uid: TypeAlias = Annotated[str | None, typer.Option(help="Only the run with this UID.")]
Output: TypeAlias = Annotated[
    Literal["table", "json", "jsonl"],
    typer.Option(
        "--output",
        "-o",
        help="Output format; json and jsonl print complete runs, jsonl one per line.",
    ),
]
_WHEN = "such as 2026-01-31, 2026-01-31T12:00:00Z, or 36h for 36 hours ago"


@app.command("list")
def list_(
    directory: Directory,
    namespace: Namespace = None,
    agent: Annotated[str | None, typer.Option(help="Only runs of this agent.")] = None,
    phase: Annotated[
        Literal["Succeeded", "Failed", "Cancelled"] | None,
        typer.Option(help="Only runs that ended in this phase."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only runs with this name.")] = None,
    uid: Uid = None,
    since: Annotated[
        str | None, typer.Option(help=f"Only runs that ended at or after this time, {_WHEN}.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only runs that ended before this time.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of runs; 0 means all.")] = 100,
    output: Output = "table",
) -> None:
    """List archived runs, most recently archived day first.

    Damaged parts of the archive are skipped and reported on standard error.

    Exit codes: 0 success, even if no run matches; 2 the archive could not be read.
    """
    from controllers.agentctl.archive import search

    filters = {
        "namespace": namespace,
        "agent": agent,
        "phase": phase,
        "name": name,
        "uid": uid,
        "since": since,
        "until": until,
    }
    raise typer.Exit(search.list_runs(directory, filters, limit or None, output))


@app.command()
def show(
    directory: Directory,
    name: Annotated[str, typer.Argument(help="The run's name.")],
    namespace: Namespace = None,
    uid: Uid = None,
    output: Output = "table",
) -> None:
    """Show an archived run; if several have the name, the most recently archived one.

    Exit codes: 0 success; 1 no such run; 2 the archive could not be read.
    """
    from controllers.agentctl.archive import search

    filters = {"namespace": namespace, "name": name, "uid": uid}
    raise typer.Exit(search.show_run(directory, filters, output))
