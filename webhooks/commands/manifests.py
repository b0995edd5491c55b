"""``webhooks manifests``: prints what registers a server."""

from typing import Annotated

import typer

from controllers.process import addresses
from schemagen import yaml
from schemagen.problems import UserError
from webhooks.cluster import configuration
from webhooks.commands import options


def manifests(
    reference: options.ApiReference,
    service: Annotated[
        str | None,
        typer.Option(metavar="NAMESPACE/NAME", help="Service in front of the webhook server."),
    ] = None,
    url: options.Url = None,
    port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port of the Service.")
    ] = 443,
    target_port: Annotated[
        int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port that the server listens on.")
    ] = 9443,
    storage: options.Storage = None,
    cert_manager: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/CERTIFICATE",
            help="Let cert-manager inject the caBundle from this Certificate.",
        ),
    ] = None,
) -> None:
    """Print the manifests that register the webhooks, as YAML.

    These are the CRDs with their conversion webhook, the Service, the webhook configurations of the
    kinds that need one, and ValidatingAdmissionPolicies for rules that the API server can evaluate
    itself. The caBundle is left out: `webhooks serve --install` or cert-manager sets it.

    Exit codes: 0 written, 2 the Api cannot be loaded or an option is invalid.
    """
    api = options.load(reference)
    if (service is None) == (url is None):
        raise UserError("expected either --service NAMESPACE/NAME or --url https://HOST")
    try:
        if storage is not None:
            api = api.stored_as(storage)
        if service is not None:
            name = configuration.split(service)
            documents = configuration.manifests(
                api,
                configuration.at_service(*name, port),
                service=configuration.service(*name, port, target_port),
                certificate=cert_manager,
            )
        else:
            documents = configuration.manifests(
                api, configuration.at_url(url or ""), certificate=cert_manager
            )
    except ValueError as error:
        raise UserError(str(error)) from error
    for document in documents:
        typer.echo(f"---\n{yaml.dumps(document)}", nl=False)
