"""``agentctl controller``."""

import typer

from controllers.agentctl import options
from controllers.agentctl.controller.controller_options import ControllerOptions


@options.expanded
def controller(
    *,
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
    given: ControllerOptions,
) -> None:
    """Run a replica of the controller until SIGTERM or SIGINT.

    The replica that holds the Lease reconciles; the others are hot standbys, and also ready.

    Exit codes: 0 stopped by a signal; 1 the Lease was lost or the controller failed: restart it; 2
    invalid input; 3 the Kubernetes API's address or credentials cannot be determined.
    """
    from controllers.agentctl import session
    from controllers.agentctl.controller import replica as command

    raise typer.Exit(command.run(session.Cluster(kubeconfig, context), given))
