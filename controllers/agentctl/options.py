"""Options shared by several commands."""

import pathlib
from typing import Annotated, TypeAlias

import typer

Kubeconfig: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(envvar="AGENTCTL_KUBECONFIG", help="Kubeconfig file. \\[default: as kubectl]"),
]
Context: TypeAlias = Annotated[
    str,
    typer.Option(
        envvar="AGENTCTL_CONTEXT",
        help="Kubeconfig context. \\[default: the current context]",
    ),
]
Namespace: TypeAlias = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        envvar="AGENTCTL_NAMESPACE",
        help="Namespace. \\[default: the context's, else agents]",
    ),
]
Home: TypeAlias = Annotated[
    str, typer.Option(help="Namespace with the controller's Lease and ledger.")
]
DEFAULT_HOME = "agents"
