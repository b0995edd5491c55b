"""``agentctl delete``."""

from typing import Annotated, Literal

import typer

from controllers.agentctl import options


def delete(
    kind: Annotated[
        str, typer.Argument(help="Kind, such as runs or agents; names as for `agentctl get`.")
    ],
    names: Annotated[list[str], typer.Argument(help="Names of the objects.")],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask, which is done on a terminal only.")
    ] = False,
    dry_run: Annotated[
        Literal["none", "client", "server"],
        typer.Option(
            help="Delete nothing: client checks that the objects exist, server also whether the "
            "API server would delete them."
        ),
    ] = "none",
    namespace: options.Namespace = "",
    kubeconfig: options.Kubeconfig = None,
    context: options.Context = "",
) -> None:
    """Delete objects of the platform by name.

    If one cannot be deleted, the others still are.

    Exit codes: 0 deleted, or being deleted once its finalizers allow it; 1 not confirmed; 2 invalid
    input, or rejected; 3 the Kubernetes API failed, or no such object.
    """
    from controllers.agentctl import session
    from controllers.agentctl.delete import deletion

    cluster = session.Cluster(kubeconfig, context)
    where = cluster.namespace(namespace)
    request = deletion.Deletion(kind, tuple(dict.fromkeys(names)), where, dry_run)
    raise typer.Exit(deletion.run(cluster, request, is_confirmed=yes))
