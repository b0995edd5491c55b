"""``webhooks dev``: a local API server with an Api and its webhooks."""

import pathlib
from typing import Annotated

import typer

from webhooks.commands import options


def dev(
    reference: options.ApiReference,
    directory: Annotated[
        pathlib.Path,
        typer.Option(help="Directory for kubeconfig, certificates, etcd data and logs."),
    ] = pathlib.Path(".dev"),
    settings: options.SettingsFile = None,
) -> None:
    """Run a local API server with the Api and its webhooks until Ctrl-C.

    CRDs, webhook configurations and policies are installed, and the kubectl commands are printed.
    When a Python file below the working directory changes, everything is installed and served
    again. A module that is broken, or that the API server refuses, is reported while the previous
    one stays in service.

    Exit codes: 0 stopped, 2 failed to start.
    """
    from webhooks.development import dev as command

    raise typer.Exit(command.run(reference, directory, settings))
