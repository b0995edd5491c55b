"""``agentctl archive``: list, show."""

import pathlib
from typing import Annotated, Literal, TypeAlias

import typer

app = typer.Typer(
    help="Find runs that were deleted from the cluster after their retention.",
    no_args_is_help=True,
)

Directory: TypeAlias = Annotated[
    pathlib.Path,
    typer.Option(
        "--directory", "-d", envvar="AGENTCTL_ARCHIVE", help="Where the controller archives runs."
    ),
]
Namespace: TypeAlias = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Only of this namespace; all if absent.")
]
Uid: TypeAlias = Annotated[str | None, typer.Option(help="Only the run with this uid.")]
Output: TypeAlias = Annotated[
    Literal["table", "json", "jsonl"],
    typer.Option(
        "--output", "-o", help="How to show it; json and jsonl have the whole runs, jsonl by line."
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
        typer.Option(help="Only runs that ended so."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only runs of this name.")] = None,
    uid: Uid = None,
    since: Annotated[
        str | None, typer.Option(help=f"Only runs that ended then or later, {_WHEN}.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only runs that ended before, likewise.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many at most; 0 is all.")] = 100,
    output: Output = "table",
) -> None:
    """List archived runs, those of the day that was archived last first.

    Parts of the archive that are damaged are said on standard error, and passed over.

    Exit codes: 0 listed, even if there are none, 2 the archive could not be read.
    """
    from controllers.agentctl import archive

    wanted = {
        "namespace": namespace,
        "agent": agent,
        "phase": phase,
        "name": name,
        "uid": uid,
        "since": since,
        "until": until,
    }
    raise typer.Exit(archive.list_runs(directory, wanted, limit or None, output))


@app.command()
def show(
    directory: Directory,
    name: Annotated[str, typer.Argument(help="The run's name.")],
    namespace: Namespace = None,
    uid: Uid = None,
    output: Output = "table",
) -> None:
    """Show an archived run; of several with that name the one that was archived last.

    Exit codes: 0 shown, 1 there is none, 2 the archive could not be read.
    """
    from controllers.agentctl import archive

    wanted = {"namespace": namespace, "name": name, "uid": uid}
    raise typer.Exit(archive.show_run(directory, wanted, output))
