"""A server's part in a cluster: installed there, believed there, its certificates kept. Shell."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Final, Protocol

from certs import directory as own_directory
from certs import injector, keeper, monitor
from controllers import kube
from schemagen import Api
from webhooks import install, related, supervisor, trust

REPORTER: Final = "kubewright.dev/certs"


class CertificateKeeper(Protocol):
    """What looks after the certificate that is served: ``certs.keeper``, ``certs.directory``."""

    @property
    def names(self) -> Collection[str]:
        """The DNS names and addresses that it is valid for."""

    async def start(self) -> None:
        """Have one to serve."""

    async def wait_until_valid(self) -> None:
        """Wait for the time of one that is good only later."""

    async def publish(self) -> None:
        """Make every configuration that is there trust it."""

    async def keep(self) -> None:
        """Renew it until cancelled."""

    async def leave(self) -> None:
        """End this replica's part."""

    def unready(self) -> str:
        """Why no call should come here; nothing if one may."""

    def status(self) -> monitor.Status | None:
        """What is known of it."""


@dataclasses.dataclass(frozen=True)
class Joining:
    """What to do in a cluster, and with the certificate.

    Attributes:
        kubeconfig: Which; as kubectl's if None.
        source: The directory of certificates, where no Secret has the authority.
        is_installing: Apply CRDs and webhook configurations.
        service: Namespace and name of the Service that calls come by; None: see ``install``.
        is_checking_trust: Be ready only while callers trust what is served.
        secret: Namespace and name of the Secret that all replicas share the authority by.
        settings: How long its steps take.
    """

    kubeconfig: pathlib.Path | None
    source: pathlib.Path
    is_installing: bool = False
    service: tuple[str, str] | None = None
    is_checking_trust: bool = False
    secret: tuple[str, str] | None = None
    settings: keeper.Settings = dataclasses.field(default_factory=keeper.Settings)

    @property
    def needs_cluster(self) -> bool:
        """Whether anything is to be done there."""
        return self.is_installing or self.is_checking_trust or self.secret is not None


@contextlib.asynccontextmanager
async def member(
    joining: Joining,
    api: Api,
    names: Sequence[str],
    directory: pathlib.Path,
    *,
    served: Callable[[], Collection[str]],
) -> AsyncIterator["Member"]:
    """A server that takes part inside the context, with its first certificate.

    Args:
        joining: What to do.
        api: What is served.
        names: Of the certificate.
        directory: Where the certificate goes; workers read it there.
        served: Fingerprints of the certificates that workers serve now.
    """
    async with contextlib.AsyncExitStack() as stack:
        cluster = None
        if joining.needs_cluster:
            client = await stack.enter_async_context(related.client_of(joining.kubeconfig))
            recorder = kube.Recorder(client, REPORTER, keeper.new_identity())
            cluster = Cluster(client, await stack.enter_async_context(recorder), api)
        found = Member(joining, api, cluster, _keeper(joining, names, directory, cluster, served))
        await found.start()
        try:
            yield found
        finally:
            await found.leave()


@dataclasses.dataclass(frozen=True)
class Cluster:
    """A cluster that calls the server."""

    client: kube.Client
    recorder: kube.Recorder
    api: Api

    async def publish(self, ca_pem: bytes) -> bool:
        """Write a bundle to whatever calls the server; whether any of it had another."""
        return await injector.publish(self.client, ca_pem, install.targets(self.api))

    def announce(self, kind: monitor.EventType, reason: str, note: str) -> None:
        """Tell whoever describes the API's first CRD, or looks at the events of ``default``."""
        target = install.targets(self.api)[0]
        regarding = kube.Regarding(
            api_version=target.resource.api_version, kind=target.resource.kind, name=target.name
        )
        self.recorder.event(regarding, type=kind, reason=reason, action="Serve", note=note)


def _keeper(
    joining: Joining,
    names: Sequence[str],
    directory: pathlib.Path,
    cluster: Cluster | None,
    served: Callable[[], Collection[str]],
) -> CertificateKeeper:
    if joining.secret is not None and cluster is not None:
        return keeper.Keeper(
            cluster.client,
            joining.secret,
            install.targets(cluster.api),
            names,
            directory,
            identity=keeper.new_identity(),
            settings=joining.settings,
            served=served,
            recorder=cluster.recorder,
        )
    return own_directory.DirectoryKeeper(
        joining.source,
        names,
        directory,
        lifetimes=joining.settings.lifetimes,
        hold_seconds=joining.settings.hold_seconds,
        publish=cluster.publish if cluster is not None and joining.is_installing else None,
        announce=monitor.announce_nothing if cluster is None else cluster.announce,
    )


class Member:
    """A server that takes part.

    Args:
        joining: What to do.
        api: What is served.
        cluster: Where, if anywhere.
        certificates: Looks after the certificate.
    """

    def __init__(
        self,
        joining: Joining,
        api: Api,
        cluster: Cluster | None,
        certificates: CertificateKeeper,
    ) -> None:
        self._joining, self._api, self._cluster = joining, api, cluster
        self._certificates = certificates
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Have a certificate in the directory."""
        await self._certificates.start()

    def show(self, found: supervisor.Supervisor) -> None:
        """Let the certificate decide about readiness, and be among the metrics."""
        found.show(self._certificates.status)
        found.checks.append(self._certificates.unready)

    async def join(
        self, found: supervisor.Supervisor, base_url: str, address: tuple[str, int]
    ) -> None:
        """Be known and believed; workers serve already.

        Raises:
            kube.KubeError: The API server said no.
            TimeoutError: It took too long.
        """
        # Until then nobody could be called back here, which installing needs.
        await self._certificates.wait_until_valid()
        if self._cluster is not None:
            await self._join(self._cluster, base_url)
        self._tasks.append(asyncio.create_task(self._certificates.keep()))
        if self._cluster is not None and self._joining.is_checking_trust:
            observed = trust.Trust(self._cluster.client, self._api, address)
            await observed.look()
            found.checks.append(lambda: observed.reason)
            self._tasks.append(asyncio.create_task(observed.watch()))

    async def _join(self, cluster: Cluster, base_url: str) -> None:
        if self._joining.is_installing:
            await install.install(
                cluster.client,
                self._api,
                base_url=base_url,
                service=self._joining.service,
                names=self._certificates.names,
                publish=self._certificates.publish,
            )
        elif self._joining.secret is not None:
            await self._certificates.publish()

    async def leave(self) -> None:
        """Take part no more."""
        for task in self._tasks:
            task.cancel()
        await self._certificates.leave()
