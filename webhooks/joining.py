"""A server's part in a cluster: installed there, believed there, its certificates kept. Shell."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from certs import keeper
from controllers import kube
from schemagen import Api
from webhooks import install, related, supervisor, trust

IN_SYNC_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05


@dataclasses.dataclass(frozen=True)
class Joining:
    """What to do in a cluster.

    Attributes:
        kubeconfig: Which; as kubectl's if None.
        is_installing: Apply CRDs and webhook configurations.
        ca_pem: Whom callers are to believe, where no Secret says it.
        is_checking_trust: Be ready only while they do.
        secret: Namespace and name of the Secret that all replicas share the authority by.
        settings: How long its steps take.
    """

    kubeconfig: pathlib.Path | None
    is_installing: bool = False
    ca_pem: bytes | None = None
    is_checking_trust: bool = False
    secret: tuple[str, str] | None = None
    settings: keeper.Settings = dataclasses.field(default_factory=keeper.Settings)

    @property
    def needs_cluster(self) -> bool:
        """Whether anything is to be done there."""
        return self.is_installing or self.is_checking_trust or self.secret is not None


@contextlib.asynccontextmanager
async def member(
    joining: Joining, api: Api, names: Sequence[str], directory: pathlib.Path
) -> AsyncIterator["Member | None"]:
    """A member of a cluster inside the context, with its first certificate; None without one."""
    if not joining.needs_cluster:
        yield None
        return
    async with related.client_of(joining.kubeconfig) as client:
        found = Member(joining, api, client, names, directory)
        await found.prepare()
        try:
            yield found
        finally:
            await found.leave()


class Member:
    """A server that takes part.

    Args:
        joining: What to do.
        api: What is served.
        client: Of the cluster.
        names: Of the certificate.
        directory: Where the certificate goes, if it is kept here.
    """

    def __init__(
        self,
        joining: Joining,
        api: Api,
        client: kube.Client,
        names: Sequence[str],
        directory: pathlib.Path,
    ) -> None:
        self._joining, self._api, self._client = joining, api, client
        self._tasks: list[asyncio.Task[None]] = []
        self._keeper: keeper.Keeper | None = None
        if joining.secret is not None:
            self._keeper = keeper.Keeper(
                client,
                joining.secret,
                install.targets(api),
                names,
                directory,
                identity=keeper.new_identity(),
                settings=joining.settings,
            )

    async def prepare(self) -> None:
        """Have a certificate in the directory."""
        if self._keeper is not None:
            await self._keeper.start()

    async def join(
        self, found: supervisor.Supervisor, base_url: str, address: tuple[str, int]
    ) -> None:
        """Be known and believed; workers serve already.

        Raises:
            kube.KubeError: The API server said no.
            TimeoutError: It took too long.
        """
        if self._joining.is_installing:
            await install.install(
                self._client, self._api, base_url=base_url, ca_pem=self._joining.ca_pem
            )
        if self._keeper is not None:
            self._keeper.served = found.served
            found.show(self._keeper.status)
            found.checks.append(self._keeper.unready)
            self._tasks.append(asyncio.create_task(self._keeper.keep()))
            async with asyncio.timeout(IN_SYNC_SECONDS):
                while not self._keeper.is_in_sync:  # noqa: ASYNC110 - it polls, too
                    await asyncio.sleep(_POLL_SECONDS)
        if self._joining.is_checking_trust:
            observed = trust.Trust(self._client, self._api, address)
            await observed.look()
            found.checks.append(lambda: observed.reason)
            self._tasks.append(asyncio.create_task(observed.watch()))

    async def leave(self) -> None:
        """Take part no more."""
        for task in self._tasks:
            task.cancel()
        if self._keeper is not None:
            await self._keeper.leave()
