"""Settings of ``webhooks serve`` as a value, and what is wrong with them. Pure.

The command line fills it: names of options, bounds and help come from the fields.
"""

import datetime as dt
import pathlib
from collections.abc import Iterator
from typing import Final

import pydantic
from pydantic import Field

from certs import authority, rotator
from controllers.process import addresses
from schemagen.cli.migrating import declared
from webhooks.cluster import configuration
from webhooks.server import review_listener

# Default and maximum of ``workers``: a worker takes about 100 MB.
DEFAULT_WORKERS: Final = 4
SERVER_PORT: Final = 9443
MAX_WORKERS: Final = 64
MAX_SECONDS: Final = 86_400.0
MAX_DAYS: Final = 36_500.0


class ServeSettings(pydantic.BaseModel):
    """Settings of a webhook server; the descriptions are the help of its options."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    reference: str | None = Field(
        None, description="Python module and name of the Api, such as crds:api."
    )
    crds: tuple[str, ...] = Field((), description=declared.CRDS_HELP)
    conversions: tuple[str, ...] = Field((), description=declared.CONVERSIONS_HELP)
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(
        SERVER_PORT,
        ge=0,
        le=addresses.MAX_PORT,
        description="Port to listen on; 0 picks a free one.",
    )
    cert_dir: pathlib.Path | None = Field(
        None,
        description="Directory with ca.crt, tls.crt and tls.key; if empty, a self-managed CA and a "
        "serving certificate are created in it. [default: certificates/GROUP in --state-dir]",
    )
    state_dir: pathlib.Path | None = Field(
        None,
        description="Directory for persistent state, and for temporary files if no other directory "
        "is writable. [default: the user's state directory]",
    )
    cert_secret: str | None = Field(
        None,
        description="Secret with the CA that all replicas share: it is created, published in the "
        "caBundles and rotated without failed calls.",
    )
    cert_hold_seconds: float = Field(
        60.0,
        ge=0,
        le=MAX_SECONDS,
        description="Seconds to publish a new CA before certificates signed by it are served.",
    )
    cert_lease_seconds: float = Field(
        60.0,
        ge=1,
        le=MAX_SECONDS,
        description="Seconds after which a replica that stopped renewing its Lease is considered "
        "dead.",
    )
    leaf_days: float = Field(
        authority.LEAF_LIFETIME.days,
        ge=0,
        le=MAX_DAYS,
        description="Validity of issued serving certificates, in days.",
    )
    authority_days: float = Field(
        authority.AUTHORITY_LIFETIME.days,
        ge=0,
        le=MAX_DAYS,
        description="Validity of created CAs, in days.",
    )
    names: tuple[str, ...] = Field(
        (), description="DNS name or IP address in the certificate; may be repeated."
    )
    is_installing: bool = Field(
        default=False,
        description="Also install the CRDs and webhook configurations in the cluster.",
    )
    is_publishing_ca: bool = Field(
        default=False,
        description="Write the ca.crt of --cert-dir to the caBundles of the installed CRDs and "
        "webhook configurations. Implied by --install.",
    )
    service: str | None = Field(
        None,
        description="Service that the API server calls, for --install. By default an installed "
        "Service is kept if the certificate is valid for its name; otherwise a URL is used.",
    )
    storage: str | None = Field(
        None, description="Storage version for --install, such as v1alpha1."
    )
    kubeconfig: pathlib.Path | None = Field(
        None, description="Kubeconfig for --install and --look-up. [default: as kubectl]"
    )
    look_up: bool | None = Field(
        None,
        description="Read related objects that rules need from the cluster, such as the policy of "
        "a run's agent. [default: on with --install or --kubeconfig]",
    )
    check_trust: bool | None = Field(
        None,
        description="Report ready only while the caBundles in the cluster trust the certificate. "
        "[default: on with --install or --kubeconfig]",
    )
    settings: pathlib.Path | None = Field(
        None,
        description="YAML file with settings for the Api's rules, such as the admission policy.",
    )
    workers: int = Field(
        0,
        ge=0,
        le=MAX_WORKERS,
        description=f"Worker processes; 0: one per processor, at most {DEFAULT_WORKERS}.",
    )
    transport: review_listener.Transport = Field(
        "lean", description="HTTP implementation; aiohttp is the slower reference."
    )
    health_port: int = Field(
        0,
        ge=0,
        le=addresses.MAX_PORT,
        description="Port of /livez, /readyz and /metrics (plain HTTP); 0 picks a free one.",
    )
    audit_log: pathlib.Path | None = Field(
        None, description="Append one JSON line per decision: user, object and verdict."
    )
    is_tracing: bool = Field(
        default=False,
        description="Export one span per review over OTLP/HTTP, configured by the OpenTelemetry "
        "variables (OTEL_EXPORTER_OTLP_ENDPOINT); needs kubewright[traces].",
    )
    client_ca: pathlib.Path | None = Field(
        None,
        description="PEM file with the CAs of clients that may request admission; without it any "
        "client that reaches the port may. The API server's client certificate is set in its "
        "AdmissionConfiguration. Conversion is never authenticated: the API server sends no "
        "certificate for it.",
    )
    is_verifying: bool = Field(
        default=False,
        description="Validate each response as the API server would, and suppress an invalid one. "
        "For tests: it costs as much as the review.",
    )
    quiet_seconds: float = Field(
        1.0,
        ge=0,
        le=MAX_SECONDS,
        description="On SIGTERM, exit once no request arrived for this many seconds.",
    )
    drain_seconds: float = Field(
        30.0,
        ge=0,
        le=MAX_SECONDS,
        description="On SIGTERM, exit after this many seconds at the latest.",
    )

    @property
    def server_names(self) -> tuple[str, ...]:
        """DNS names and IP addresses of the certificate; the first one is used to call it."""
        return self.names or tuple(addresses.names(self.host))

    @property
    def is_looking_up(self) -> bool:
        """Whether related objects are read from the cluster."""
        return self._knows_cluster if self.look_up is None else self.look_up

    @property
    def is_checking_trust(self) -> bool:
        """Whether readiness depends on the caBundles in the cluster."""
        return self._knows_cluster if self.check_trust is None else self.check_trust

    @property
    def _knows_cluster(self) -> bool:
        return self.is_installing or self.kubeconfig is not None

    @property
    def secret_name(self) -> tuple[str, str] | None:
        """Namespace and name of the Secret with the shared CA.

        Raises:
            ValueError: It is not NAMESPACE/NAME.
        """
        return None if self.cert_secret is None else configuration.split(self.cert_secret)

    @property
    def service_name(self) -> tuple[str, str] | None:
        """Namespace and name of the Service; raises as ``secret_name``."""
        return None if self.service is None else configuration.split(self.service)

    @property
    def rotation(self) -> rotator.Settings:
        """Rotation timing settings.

        Raises:
            ValueError: A certificate would outlive its CA, or a lifetime is not positive.
        """
        hold, lease = self.cert_hold_seconds, self.cert_lease_seconds
        return rotator.Settings(
            hold_seconds=hold,
            lease_seconds=lease,
            period_seconds=min(2.0, lease / 10, max(0.2, hold / 10)),
            lifetimes=authority.Lifetimes(
                dt.timedelta(days=self.leaf_days), dt.timedelta(days=self.authority_days)
            ),
        )


def problems(settings: ServeSettings) -> Iterator[str]:
    """Yield what is contradictory or malformed, beyond the bounds of the fields."""
    if settings.cert_dir is not None and settings.cert_secret is not None:
        yield "expected --cert-dir or --cert-secret, got both"
    for name in ("secret_name", "rotation", "service_name"):
        try:
            getattr(settings, name)
        except ValueError as error:
            yield str(error)
