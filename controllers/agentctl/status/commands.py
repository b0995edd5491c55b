"""``agentctl status``."""

from typing import Annotated, Literal

import typer

from controllers.agentctl import options


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Print it again whenever it has changed.")
    ] = False,
    interval: Annotated[float, typer.Option(help="Seconds between readings, for --watch.")] = 5.0,
    namespace: options.OneNamespace = None,
    home: options.Home = options.DEFAULT_HOME,
    deadline: options.Deadline = options.DEFAULT_DEADLINE,
    output: Annotated[
        Literal["table", "json", "ndjson", "yaml"],
        typer.Option("--output", "-o", help="Output format; ndjson prints a document per line."),
    ] = "table",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Show the status of the control plane: leader, controllers, webhooks, certificates, queue.

    It is read through the Kubernetes API, and judged by the checks of `agentctl diagnose`, which
    says more about what is degraded.

    Exit codes: 0 nothing is degraded; 1 a component is; 2 invalid input; 3 the Kubernetes API
    could not be reached, or a state is unknown. With --watch: 0 after Ctrl-C.
    """
    from controllers.agentctl import session
    from controllers.agentctl.diagnose.reading import reader
    from controllers.agentctl.status import model
    from controllers.agentctl.status import status as command

    given = reader.Options(
        mode="installed",
        home=home,
        namespace=namespace,
        deadline_seconds=deadline,
        parts=model.PARTS,
    )
    cluster = session.Cluster(kubeconfig, context)
    raise typer.Exit(command.run(cluster, given, output, interval if watch else None))
