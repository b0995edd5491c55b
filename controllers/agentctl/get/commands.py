"""``agentctl get`` and ``agentctl explain``."""

from typing import Annotated, Literal

import typer

from controllers.agentctl import options


def get(
    kind: Annotated[
        str,
        typer.Argument(
            help="runs, agents, providers, implementations, sources, memories or vcs; or the "
            "singular, the kind or its short name."
        ),
    ] = "runs",
    name: Annotated[str, typer.Argument(help="Name of a single object.")] = "",
    namespace: options.Namespace = "",
    every: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Objects in all namespaces.")
    ] = False,
    selector: Annotated[
        str, typer.Option("--selector", "-l", help="Label selector, such as team=red,tier!=test.")
    ] = "",
    field_selector: Annotated[
        str, typer.Option(help="Field selector, such as metadata.name!=a.")
    ] = "",
    phase: Annotated[str, typer.Option(help="Only runs in this phase, such as Running.")] = "",
    output: Annotated[
        Literal["table", "wide", "json", "yaml", "name", "ndjson"],
        typer.Option("--output", "-o", help="Output format; ndjson is an object per line."),
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """List objects of the platform.

    Exit codes: 0 success, even if nothing matches; 2 invalid input; 3 the Kubernetes API failed, or
    no such object.
    """
    from controllers.agentctl import session
    from controllers.agentctl.get import objects

    cluster = session.Cluster(kubeconfig, context)
    code = objects.run(
        cluster,
        kind,
        name,
        namespace=None if every else cluster.namespace(namespace),
        labels=selector,
        fields=field_selector,
        phase=phase,
        output=output,
    )
    raise typer.Exit(code)


def explain(
    name: Annotated[str, typer.Argument(help="Name of the run.")],
    namespace: options.Namespace = "",
    home: options.Home = options.DEFAULT_HOME,
    output: Annotated[
        Literal["table", "json"], typer.Option("--output", "-o", help="Output format.")
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Explain a run's state: what it waits for, since when, its queue position, and its Events.

    The position assumes that the runs in flight end in the order in which they started, and that no
    new runs are submitted.

    Exit codes: 0 success; 2 invalid input; 3 the Kubernetes API failed, or no such run.
    """
    from controllers.agentctl import session
    from controllers.agentctl.explain import reader as command

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    raise typer.Exit(command.run(cluster, where, name, home, output))
