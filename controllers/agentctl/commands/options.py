"""Options that commands share."""

import pathlib
from typing import Annotated, TypeAlias

import typer

Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(envvar="AGENTCTL_KUBECONFIG", help="Which cluster; as kubectl's if absent."),
]
Context: TypeAlias = Annotated[
    str,
    typer.Option(
        envvar="AGENTCTL_CONTEXT", help="Context of the kubeconfig; its current if absent."
    ),
]
Namespace: TypeAlias = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        envvar="AGENTCTL_NAMESPACE",
        help="Which namespace; the context's if absent, else agents.",
    ),
]
Home: TypeAlias = Annotated[
    str, typer.Option(help="Namespace of the controller, where its Lease and its ledger are.")
]
DEFAULT_HOME = "agents"
