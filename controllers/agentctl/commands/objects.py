"""``agentctl get`` and ``agentctl explain``."""

from typing import Annotated, Literal

import typer

from controllers.agentctl.commands import options


def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="runs, agents, providers, implementations, sources, memories or vcs; or the "
            "singular, the kind's own name, its short name."
        ),
    ] = "runs",
    name: Annotated[str, typer.Argument(help="Name of one object.")] = "",
    namespace: options.Namespace = "",
    every: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Those of all namespaces.")
    ] = False,
    selector: Annotated[
        str, typer.Option("--selector", "-l", help="Label selector, such as team=red,tier!=test.")
    ] = "",
    phase: Annotated[str, typer.Option(help="Only runs in this phase, such as Running.")] = "",
    output: Annotated[
        Literal["table", "wide", "json", "yaml", "name"],
        typer.Option("--output", "-o", help="How to show them."),
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Show objects of the platform.

    Exit codes: 0 shown, even if there are none; 2 wrong input; 3 Kubernetes API, or there is no
    object of that name.
    """
    from controllers.agentctl import objects, session

    cluster = session.Cluster(kubeconfig, context)
    code = objects.run(
        cluster,
        kind,
        name,
        namespace=None if every else cluster.namespace(namespace),
        labels=selector,
        phase=phase,
        output=output,
    )
    raise typer.Exit(code)


def explain(
    name: Annotated[str, typer.Argument(help="Name of the run.")],
    namespace: options.Namespace = "",
    home: options.Home = options.DEFAULT_HOME,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="How to show it.")
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Say where a run stands: what it waits for, since when, who is before it, and what happened.

    Its position is where the ledger would admit it if the runs in flight ended in the order in
    which they started, and no others came.

    Exit codes: 0 said; 2 wrong input; 3 Kubernetes API, or there is no such run.
    """
    from controllers.agentctl import explain as command
    from controllers.agentctl import session

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, home, output))
