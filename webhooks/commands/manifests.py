"""``webhooks manifests``: prints what registers a server, and what deploys one. Shell: files."""

import dataclasses
import pathlib
from typing import Annotated, Any, Final, TypeAlias

import typer

from controllers.process import addresses
from schemagen import Api, yaml
from schemagen.cli.migrating import declared
from schemagen.problems import UserError
from webhooks.cluster import configuration
from webhooks.commands import options
from webhooks.deployment import chart as charts
from webhooks.deployment import workloads
from webhooks.server.serve_settings import SERVER_PORT

CHART_VERSION: Final = "0.1.0"

Service: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="NAMESPACE/NAME", help="Service in front of the webhook server."),
]
Port: TypeAlias = Annotated[
    int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port of the Service.")
]
TargetPort: TypeAlias = Annotated[
    int, typer.Option(min=1, max=addresses.MAX_PORT, help="Port that the server listens on.")
]
CertManager: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="NAMESPACE/CERTIFICATE",
        help="Let cert-manager inject the caBundle from this Certificate.",
    ),
]
Deployment: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="IMAGE",
        help="Also print what runs the server: Deployment, ServiceAccount, roles, "
        "PodDisruptionBudget. The image has Kubewright and the module of the Api.",
    ),
]
Reads: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND",
        help="Kind of objects that rules read (Rules.related), for --deployment; may be repeated.",
    ),
]
Chart: TypeAlias = Annotated[
    pathlib.Path | None,
    typer.Option(
        metavar="DIR", help="Write a Helm chart into this directory instead, for --deployment."
    ),
]
Force: TypeAlias = Annotated[
    bool, typer.Option("--force", help="Overwrite the files of an existing chart.")
]


def manifests(
    reference: options.OptionalApi = None,
    crds: declared.Crds = None,
    conversions: declared.Conversions = None,
    service: Service = None,
    url: options.Url = None,
    port: Port = configuration.HTTPS_PORT,
    target_port: TargetPort = SERVER_PORT,
    storage: options.Storage = None,
    cert_manager: CertManager = None,
    deployment: Deployment = None,
    reads: Reads = None,
    chart: Chart = None,
    force: Force = False,
) -> None:
    """Print the manifests that register the webhooks, as YAML.

    These are the CRDs with their conversion webhook, the Service, the webhook configurations of the
    kinds that need one, and ValidatingAdmissionPolicies for rules that the API server can evaluate
    itself. The caBundle is left out: the server or cert-manager writes it.

    Exit codes: 0 written, 2 the Api cannot be loaded, an option is invalid or a file exists.
    """
    if (service is None) == (url is None):
        raise UserError("expected either --service NAMESPACE/NAME or --url https://HOST")
    if deployment is None and (reads or chart):
        option = "--reads" if reads else "--chart"
        raise UserError(f"expected --deployment IMAGE with {option}")
    if deployment is not None:
        _check_deployment(service, crds)
    api = options.load(reference, crds, conversions)
    try:
        api = api if storage is None else api.stored_as(storage)
        if service is None:
            address = configuration.at_url(url or "")
            _print(configuration.manifests(api, address, certificate=cert_manager))
            return
        place = _Place(*configuration.split(service), port, target_port, cert_manager)
        if deployment is None:
            _print(place.manifests(api, []))
            return
        server = place.server(api, reference or "", deployment, reads or [])
        if chart is None:
            _print(place.manifests(api, workloads.workloads(server)))
        else:
            _write(chart, charts.files(server, CHART_VERSION, port, storage), is_forced=force)
    except ValueError as error:
        raise UserError(str(error)) from error


def _check_deployment(service: str | None, crds: list[str] | None) -> None:
    if service is None:
        raise UserError("expected --service NAMESPACE/NAME with --deployment, got --url")
    if crds:
        raise UserError(
            "expected MODULE:API with --deployment, got --crds: an image has no files of yours; "
            "deploy `webhooks serve --crds DIR --conversions DIR` with them mounted"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where a server runs in a cluster: the Service in front of it, and its certificate."""

    namespace: str
    name: str
    port: int
    target_port: int
    certificate: str | None

    def manifests(self, api: Api, workload: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return what runs the server there and registers it."""
        return configuration.manifests(
            api,
            configuration.at_service(self.namespace, self.name, self.port),
            service=configuration.service(self.namespace, self.name, self.port, self.target_port),
            workloads=workload,
            certificate=self.certificate,
        )

    def server(self, api: Api, reference: str, image: str, reads: list[str]) -> workloads.Server:
        """Return the server to be deployed there.

        Raises:
            ValueError: The certificate is not the server's own, or a kind to be read is unknown.
        """
        own = f"{self.namespace}/{self.name}"
        if self.certificate not in (None, own):
            raise ValueError(
                f"expected --cert-manager {own}, the Certificate that is deployed with the server, "
                f"got {self.certificate}"
            )
        return workloads.Server(
            api=api,
            reference=reference,
            image=image,
            namespace=self.namespace,
            name=self.name,
            target_port=self.target_port,
            reads=workloads.resources_read(api, reads),
            is_cert_managed=self.certificate is not None,
        )


def _print(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        typer.echo(f"---\n{yaml.dumps(document)}", nl=False)


def _write(directory: pathlib.Path, files: dict[str, str], *, is_forced: bool) -> None:
    """Write a chart; nothing of it if one of its files exists already."""
    existing = [str(directory / name) for name in files if (directory / name).exists()]
    if existing and not is_forced:
        raise UserError(f"expected new files, got existing {', '.join(existing)}; or --force")
    try:
        for name, text in files.items():
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            typer.echo(f"wrote {path}")
    except OSError as error:
        raise UserError(f"expected a writable directory, got {error}") from error
