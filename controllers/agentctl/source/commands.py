"""``agentctl source``: status, sync."""

from typing import Annotated, Literal

import typer

from controllers.agentctl import options

app = typer.Typer(
    help="See how issues come into the cluster, and read a tracker now.", no_args_is_help=True
)


@app.callback()
def _source() -> None:
    """See how issues come into the cluster, and read a tracker now."""


@app.command()
def status(
    name: Annotated[str, typer.Argument(help="Name of a single source.")] = "",
    namespace: options.Namespace = "",
    every: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Sources in all namespaces.")
    ] = False,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Show whether sources are ready and read, since when, and the issues that came of them.

    Exit codes: 0 every source is ready, and its last read succeeded; 1 one is not, or its read did
    not; 2 invalid input; 3 the Kubernetes API failed, or no such source.
    """
    from controllers.agentctl import session
    from controllers.agentctl.source import status as command

    cluster = session.Cluster(kubeconfig, context)
    where = None if every else cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, output))


@app.command()
def sync(
    names: Annotated[list[str], typer.Argument(help="Names of the sources.")],
    wait: Annotated[
        bool, typer.Option(help="Wait until the controller has read the trackers.")
    ] = True,
    timeout: Annotated[
        str, typer.Option(metavar="TIME", help="Maximum time to wait, such as 10m.")
    ] = "5m",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Have the controller read trackers now, instead of at their intervals.

    Exit codes: 0 read (with --no-wait: asked for); 1 a read failed, or waits for the tracker's rate
    limit; 2 invalid input, or a source that is not read; 3 the Kubernetes API failed, or no such
    source; 4 timed out.
    """
    from controllers.agentctl import session
    from controllers.agentctl.source import sync as command

    cluster = session.Cluster(kubeconfig, context)
    request = command.Request(tuple(dict.fromkeys(names)), cluster.namespace(namespace))
    raise typer.Exit(command.run(cluster, request, timeout if wait else None))
