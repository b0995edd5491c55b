"""``webhooks install``: registers a server that runs elsewhere. Shell: the cluster."""

import asyncio
import pathlib
from collections.abc import Callable
from typing import Annotated, TypeAlias

import typer

from controllers import kube
from schemagen import Api
from schemagen.cli.migrating import declared
from schemagen.problems import UserError
from webhooks import reviewer
from webhooks.cluster import configuration
from webhooks.cluster import install as registration
from webhooks.commands import options
from webhooks.server import object_lookup

Preflight: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--preflight",
        help="Judge the live objects first, as schemagen preflight does; change nothing if "
        "writes of them would be refused or fields lost.",
    ),
]


def install(
    reference: options.OptionalApi = None,
    crds: declared.Crds = None,
    conversions: declared.Conversions = None,
    service: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/NAME[:PORT]", help="Service in front of the webhook server."
        ),
    ] = None,
    url: options.Url = None,
    crds_only: Annotated[
        bool,
        typer.Option(
            "--crds-only",
            help="Apply only the CRDs; webhook configurations and policies are left alone.",
        ),
    ] = False,
    preflight: Preflight = False,
    storage: options.Storage = None,
    cert_manager: Annotated[
        str | None,
        typer.Option(
            metavar="NAMESPACE/CERTIFICATE",
            help="Let cert-manager inject the caBundle of the CRDs from this Certificate; needs "
            "--crds-only.",
        ),
    ] = None,
    kubeconfig: options.Kubeconfig = None,
) -> None:
    """Apply an Api's CRDs, policies and webhook configurations for a server that runs elsewhere.

    They are applied server-side, so existing CRDs are upgraded. The caBundle is left out, and
    never overwritten: the server writes it (`webhooks serve --cert-secret` or `--publish-ca`), or
    cert-manager.

    Exit codes: 0 applied; 1 live objects would break, nothing was changed; 2 invalid input, or
    refused by the cluster.
    """
    if (service is None) == (url is None):
        raise UserError("expected either --service NAMESPACE/NAME or --url https://HOST")
    if cert_manager is not None and not crds_only:
        raise UserError("expected --cert-manager together with --crds-only")
    api = options.load(reference, crds, conversions)
    try:
        api = api if storage is None else api.stored_as(storage)
        address = _address(service) if service is not None else configuration.at_url(url or "")
        if cert_manager is not None:
            configuration.split(cert_manager)
        if preflight and not _is_safe(api, address, kubeconfig):
            raise typer.Exit(1)
        asyncio.run(_install(api, address, kubeconfig, cert_manager, crds_only=crds_only))
    except (kube.KubeError, TimeoutError, OSError, ValueError, reviewer.UnreadableError) as error:
        raise UserError(str(error) or "expected established CRDs within 30 s") from error


def _is_safe(
    api: Api,
    address: Callable[[str], configuration.ClientConfig],
    kubeconfig: pathlib.Path | None,
) -> bool:
    """Judge the live objects by the CRDs to come, and print what would break."""
    from schemagen.compat import findings, sources
    from schemagen.compat.preflight import live

    definitions = [
        sources.Definition(manifest, "the CRDs to install")
        for manifest in configuration.crds(api, address)
    ]
    report = live.run(definitions, [live.CLUSTER], 1, kubeconfig=kubeconfig)
    if report.problems:
        raise UserError(
            "expected to judge the live objects before the CRDs are applied, got "
            f"{'; '.join(report.problems)}; nothing was changed. Have the objects readable, or "
            "install without --preflight"
        )
    errors = [problem for problem in report.findings if problem.level is findings.Level.ERROR]
    for finding in errors:
        where = ": ".join(filter(None, (finding.subject, finding.path)))
        typer.echo(f"{where}: {finding.message} ({finding.rule})", err=True)
    if errors:
        typer.echo(
            f"expected live objects that stay valid with the CRDs, got {report.summary}; nothing "
            "was changed. Fix the objects, or install without --preflight",
            err=True,
        )
    else:
        typer.echo(report.summary)
    return not errors


def _address(service: str) -> Callable[[str], configuration.ClientConfig]:
    place, colon, port = service.partition(":")
    if colon and not port.isdecimal():
        raise ValueError(f"expected NAMESPACE/NAME:PORT, got {service}")
    return configuration.at_service(
        *configuration.split(place), int(port or configuration.HTTPS_PORT)
    )


async def _install(
    api: Api,
    address: Callable[[str], configuration.ClientConfig],
    kubeconfig: pathlib.Path | None,
    certificate: str | None,
    *,
    crds_only: bool,
) -> None:
    # The API server warns on each call of a version that becomes deprecated.
    async with object_lookup.client_of(kubeconfig, on_warning=lambda _: None) as client:
        await registration.install_crds(
            client, api, address, certificate=certificate, report=typer.echo
        )
        if not crds_only:
            await registration.install_policies(client, api)
            await registration.install_configurations(client, api, address)
            typer.echo(f"applied the webhook configurations of {api.group}")
