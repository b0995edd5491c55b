"""``schemagen migrate``: the storage version of a CRD in a live cluster, and dropping old ones."""

import pathlib
from typing import Annotated

import typer

from schemagen.cli import frame, help_text

app = typer.Typer(
    name="migrate",
    cls=help_text.Group,
    help="Move the objects of a CRD to another version, in a live cluster.",
    no_args_is_help=True,
)


def _resolved(context: typer.Context, value: str) -> str:
    """Return a CRD's name; a program with kinds of its own also accepts theirs."""
    return str(context.obj(value)) if callable(context.obj) else value


Name = Annotated[
    str,
    typer.Argument(
        metavar="CRD", help="Name of the CRD, such as widgets.example.com.", callback=_resolved
    ),
]
To = Annotated[str, typer.Option("--to", help="Version to store objects in.")]
Drop = Annotated[
    list[str] | None,
    typer.Option(help="Version to remove from the CRD afterwards; repeatable."),
]
Crds = Annotated[
    str | None,
    typer.Option(
        help="CRD to take the new version from, if the cluster's lacks it: a file, directory, "
        "MODULE:API or git REV:PATH."
    ),
]
Kubeconfig = Annotated[
    pathlib.Path | None, typer.Option(help="Kubeconfig of the cluster. \\[default: as kubectl]")
]
Context = Annotated[
    str | None, typer.Option(help="Context of the kubeconfig; by default the current one.")
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="STEP",
        help="Last step: serve, check, switch, rewrite, prune, clean, unserve or remove.",
    ),
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="text|json", help="Output format.")]
Parallel = Annotated[int, typer.Option(min=1, max=256, help="Objects to write at a time.")]
Rate = Annotated[
    float, typer.Option(min=0, help="Maximum number of requests per second; 0 for no limit.")
]
Patience = Annotated[
    float,
    typer.Option(
        min=0, metavar="SECONDS", help="How long to wait for an API server or webhook that is away."
    ),
]

KeepGoing = Annotated[
    bool,
    typer.Option(
        "--keep-going",
        help="Rewrite objects although the rewrite of others would be refused; no version is "
        "removed from status.storedVersions before all are rewritten.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only try the rewrite of every object; write nothing.")
]


@app.command()
def plan(
    name: Name,
    to: To,
    drop: Drop = None,
    crds: Crds = None,
    until: Until = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    output: Output = "text",
) -> None:
    """Show the steps of a migration, and which are done; nothing is written.

    Exit codes: 0 nothing is refused; 1 a step is refused; 2 the CRD or the cluster cannot be read.
    """
    from schemagen.cli.migrate import execution as command

    command.check_output(output)
    goal = command.goal(to, drop or (), until)
    connection = command.Connection(kubeconfig, context, patience_seconds=0)
    raise typer.Exit(command.plan(name, goal, crds, connection, output))


@app.command()
def run(
    name: Name,
    to: To,
    drop: Drop = None,
    crds: Crds = None,
    until: Until = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    parallel: Parallel = 16,
    rate: Rate = 0,
    patience: Patience = 600,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    native: Annotated[
        bool,
        typer.Option(
            "--native",
            help="Let the cluster's StorageVersionMigration rewrite the objects, which is served "
            "since Kubernetes 1.37; it writes one after another, and its failures are explained.",
        ),
    ] = False,
    output: Output = "text",
) -> None:
    """Migrate: execute the steps that are left, each only if it is safe.

    First the rewrite of every object is tried as a dry run, and all that would fail are named. The
    progress is kept in an annotation of the CRD: after a kill, or a failure of the cluster, the
    same command goes on.

    Exit codes: 0 all steps are done; 1 a step is refused, or objects cannot be rewritten; 2 the CRD
    or the cluster cannot be read, or did not come back in time.
    """
    from schemagen.cli.migrate import execution as command
    from schemagen.migrate.storage import steps

    command.check_output(output)
    options = steps.Options(parallel, is_dry_run=dry_run, keeps_going=keep_going, is_native=native)
    goal = command.goal(to, drop or (), until)
    connection = command.Connection(kubeconfig, context, rate, patience)
    with frame.about(f"migrating {name}"):
        raise typer.Exit(command.run(name, goal, crds, connection, options, output))


@app.command()
def verify(
    name: Name,
    to: To,
    drop: Drop = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    rate: Rate = 0,
    patience: Patience = 60,
    output: Output = "text",
) -> None:
    """Look at the CRD and all of its objects for what is left of other versions; write nothing.

    Exit codes: 0 nothing is left; 1 something is; 2 the CRD or the cluster cannot be read.
    """
    from schemagen.cli.migrate import execution as command

    command.check_output(output)
    goal = command.goal(to, drop or (), None)
    with frame.about(f"verifying {name}"):
        raise typer.Exit(
            command.verify(
                name, goal, command.Connection(kubeconfig, context, rate, patience), output
            )
        )


@app.command()
def rollback(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option("--to", help="Version to return to; by default the one stored before."),
    ] = None,
    crds: Crds = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    parallel: Parallel = 16,
    rate: Rate = 0,
    patience: Patience = 600,
    keep_going: KeepGoing = False,
    dry_run: DryRun = False,
    output: Output = "text",
) -> None:
    """Return to the storage version before the migration, in the same steps, with the same checks.

    The version has to be in the CRD, or in one given by --crds.

    Exit codes: 0 all steps are done; 1 a step is refused, or objects cannot be rewritten; 2 the CRD
    or the cluster cannot be read, or did not come back in time.
    """
    from schemagen.cli.migrate import execution as command
    from schemagen.migrate.storage import steps

    command.check_output(output)
    options = steps.Options(parallel, is_dry_run=dry_run, keeps_going=keep_going)
    connection = command.Connection(kubeconfig, context, rate, patience)
    with frame.about(f"rolling {name} back"):
        goal = command.goal(to or command.origin(name, connection), (), None)
        raise typer.Exit(command.run(name, goal, crds, connection, options, output))
