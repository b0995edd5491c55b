"""Registers a server in a cluster and keeps its certificate current. Shell."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final, Protocol

from certs import expiry_report, injector, rotator
from certs.directory import manager as own_directory
from controllers import kube
from schemagen import Api
from webhooks.cluster import ca_bundle_check, install
from webhooks.server import object_lookup, supervisor

REPORTER: Final = "kubewright.dev/certs"


class CertificateRotator(Protocol):
    """Maintains the serving certificate: ``certs.rotator``, ``certs.directory.manager``."""

    @property
    def names(self) -> Collection[str]:
        """DNS names and IP addresses of the certificate."""

    async def start(self) -> None:
        """Provide a certificate to serve."""

    async def wait_until_valid(self) -> None:
        """Wait until the certificate's notBefore has passed."""

    async def publish(self) -> None:
        """Write the CA bundle to every installed configuration."""

    async def keep(self) -> None:
        """Renew the certificate until cancelled."""

    async def leave(self) -> None:
        """End this replica's participation."""

    def unready(self) -> str:
        """Return why the server is not ready; empty if it is."""

    def status(self) -> expiry_report.Status | None:
        """Return the certificate status, if known."""


@dataclasses.dataclass(frozen=True)
class MembershipConfig:
    """How to take part in a cluster, and how to manage the certificate.

    Attributes:
        kubeconfig: Kubeconfig of the cluster; None for kubectl's default.
        source: Directory of certificates, if no Secret holds the CA.
        is_installing: Apply CRDs and webhook configurations.
        is_publishing: Write the ca.crt of ``source`` to the installed caBundles.
        service: Namespace and name of the Service to call; see ``install`` for None.
        is_checking_trust: Be ready only while clients trust the served certificate.
        secret: Namespace and name of the Secret with the CA that all replicas share.
        settings: Rotation timing settings.
    """

    kubeconfig: pathlib.Path | None
    source: pathlib.Path
    is_installing: bool = False
    is_publishing: bool = False
    service: tuple[str, str] | None = None
    is_checking_trust: bool = False
    secret: tuple[str, str] | None = None
    settings: rotator.Settings = dataclasses.field(default_factory=rotator.Settings)

    @property
    def needs_cluster(self) -> bool:
        """Whether a cluster is needed."""
        return (
            self.is_installing
            or self.is_publishing
            or self.is_checking_trust
            or self.secret is not None
        )


@contextlib.asynccontextmanager
async def member(
    config: MembershipConfig,
    api: Api,
    names: Sequence[str],
    directory: pathlib.Path,
    *,
    served: Callable[[], Collection[str]],
) -> AsyncIterator["Member"]:
    """Take part in the cluster inside the context, with a first certificate.

    Args:
        config: What to do.
        api: The served API.
        names: DNS names and IP addresses of the certificate.
        directory: Where the certificate is written for the workers.
        served: Returns the fingerprints of the certificates that workers serve.
    """
    async with contextlib.AsyncExitStack() as stack:
        cluster = None
        if config.needs_cluster:
            client = await stack.enter_async_context(object_lookup.client_of(config.kubeconfig))
            recorder = kube.Recorder(client, REPORTER, rotator.new_identity())
            cluster = Cluster(client, await stack.enter_async_context(recorder), api)
        server = Member(config, api, cluster, _rotator(config, names, directory, cluster, served))
        await server.start()
        try:
            yield server
        finally:
            await server.leave()


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The cluster that calls the server."""

    client: kube.Client
    recorder: kube.Recorder
    api: Api

    async def publish(self, ca_pem: bytes) -> bool:
        """Write a CA bundle to all configurations; return whether any of them changed."""
        return await injector.publish(self.client, ca_pem, install.targets(self.api))

    def announce(self, kind: expiry_report.EventType, reason: str, note: str) -> None:
        """Emit an Event on the API's first CRD, in namespace ``default``."""
        target = install.targets(self.api)[0]
        regarding = kube.Regarding(
            api_version=target.resource.api_version, kind=target.resource.kind, name=target.name
        )
        self.recorder.event(regarding, type=kind, reason=reason, action="Serve", note=note)


def _rotator(
    config: MembershipConfig,
    names: Sequence[str],
    directory: pathlib.Path,
    cluster: Cluster | None,
    served: Callable[[], Collection[str]],
) -> CertificateRotator:
    if config.secret is not None and cluster is not None:
        return rotator.Rotator(
            cluster.client,
            config.secret,
            install.targets(cluster.api),
            names,
            directory,
            identity=rotator.new_identity(),
            settings=config.settings,
            served=served,
            recorder=cluster.recorder,
        )
    may_publish = config.is_installing or config.is_publishing
    return own_directory.DirectoryRotator(
        config.source,
        names,
        directory,
        lifetimes=config.settings.lifetimes,
        hold_seconds=config.settings.hold_seconds,
        publish=cluster.publish if cluster is not None and may_publish else None,
        announce=expiry_report.announce_nothing if cluster is None else cluster.announce,
    )


class Member:
    """A server that takes part in a cluster.

    Args:
        config: What to do.
        api: The served API.
        cluster: The cluster, if any.
        certificates: Maintains the certificate.
    """

    def __init__(
        self,
        config: MembershipConfig,
        api: Api,
        cluster: Cluster | None,
        certificates: CertificateRotator,
    ) -> None:
        self._config, self._api, self._cluster = config, api, cluster
        self._certificates = certificates
        self._tasks: list[asyncio.Task[None]] = []
        self._has_joined = cluster is None

    async def start(self) -> None:
        """Write a first certificate to the directory."""
        await self._certificates.start()

    def show(self, server: supervisor.Supervisor) -> None:
        """Add the certificate to readiness and metrics."""
        server.show(self._certificates.status)
        server.checks.append(self._certificates.unready)
        server.checks.append(self._unregistered)

    def _unregistered(self) -> str:
        return "" if self._has_joined else "not registered yet: clients may not trust the CA"

    async def join(
        self, server: supervisor.Supervisor, base_url: str, address: tuple[str, int]
    ) -> None:
        """Register webhooks and wait until the CA bundle is trusted; workers serve already.

        Raises:
            kube.KubeError: The API server refused a request.
            TimeoutError: It took too long.
        """
        # Until then the API server could not call back, which installing needs.
        await self._certificates.wait_until_valid()
        if self._cluster is not None:
            await self._join(self._cluster, base_url)
        self._tasks.append(asyncio.create_task(self._certificates.keep()))
        if self._cluster is not None and self._config.is_checking_trust:
            observed = ca_bundle_check.Trust(self._cluster.client, self._api, address)
            await observed.observe_once()
            server.checks.append(lambda: observed.reason)
            self._tasks.append(asyncio.create_task(observed.watch()))
        self._has_joined = True

    async def _join(self, cluster: Cluster, base_url: str) -> None:
        if self._config.is_installing:
            await install.install(
                cluster.client,
                self._api,
                base_url=base_url,
                service=self._config.service,
                names=self._certificates.names,
                publish=self._certificates.publish,
            )
        elif self._config.secret is not None or self._config.is_publishing:
            await self._certificates.publish()

    async def leave(self) -> None:
        """End the participation."""
        for task in self._tasks:
            task.cancel()
        await self._certificates.leave()
