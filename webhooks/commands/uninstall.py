"""``webhooks uninstall``: removes an Api's webhooks from a cluster."""

import asyncio
from typing import Annotated

import typer

from schemagen.cli.migrating import declared
from schemagen.problems import UserError
from webhooks.commands import options
from webhooks.server import object_lookup, serve


def uninstall(
    reference: options.OptionalApi = None,
    crds: declared.Crds = None,
    conversions: declared.Conversions = None,
    unserve: Annotated[
        bool,
        typer.Option(
            "--unserve",
            help="Rewrite objects and stop serving versions that need conversion; their clients "
            "get 404.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the steps without changing anything.")
    ] = False,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Remove an Api's webhooks, policies and conversion from a cluster; keep CRDs and objects.

    Run it while the server is running and stop the server afterwards: objects are read through
    conversion until it has been removed. If several versions are served or stored, the command
    refuses and explains the consequences; --unserve accepts them. The Service and the Secret of
    --cert-secret are kept.

    Exit codes: 0 done, 1 refused because clients would be affected, 2 refused by the cluster.
    """
    from webhooks.cluster import uninstall as command

    api = options.load(reference, crds, conversions)

    async def run() -> None:
        # The API server warns on each call of a version that becomes deprecated.
        async with object_lookup.client_of(kubeconfig, on_warning=lambda _: None) as client:
            await command.uninstall(
                client, api, unserves=unserve, is_dry_run=dry_run, report=typer.echo
            )

    try:
        asyncio.run(run())
    except command.CostError as error:
        typer.echo(f"webhooks: {error}", err=True)
        raise typer.Exit(1) from error
    except serve.FAILURES as error:
        raise UserError(str(error)) from error
