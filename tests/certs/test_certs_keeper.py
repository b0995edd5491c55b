"""The keeper of certificates on the API server in process: years of rotations in seconds."""

import asyncio
import contextlib
import datetime as dt
import pathlib
from collections.abc import AsyncIterator

from certs import authority, injector, rotation_secret, rotator
from certs.directory import files
from controllers import kube
from controllers.kube import testing

SECRET = ("default", "webhooks")
HOST = "webhooks.default.svc"
LIFETIMES = authority.Lifetimes(authority=dt.timedelta(days=2), leaf=dt.timedelta(hours=12))
SETTINGS = rotator.Settings(
    hold_seconds=3600.0, lease_seconds=3600.0, period_seconds=1500.0, lifetimes=LIFETIMES
)
TARGET = injector.Target(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, "things")


class Replica:
    """A replica whose workers serve its certificate at once."""

    def __init__(
        self, server: testing.ApiServer, client: kube.Client, directory: pathlib.Path, name: str
    ) -> None:
        self._directory = directory / name
        self.keeper = rotator.Rotator(
            client,
            SECRET,
            [TARGET],
            [HOST],
            self._directory,
            identity=name,
            settings=SETTINGS,
            served=self.served,
            now=server.clock.now,
            clock=server.clock.seconds,
        )

    def served(self) -> list[str]:
        """The fingerprint of the certificate in the directory."""
        try:
            pair = files.read_pair(self._directory)
        except (OSError, authority.CertificateError):
            return []
        return [authority.fingerprint(pair.certificate)]


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[tuple[testing.ApiServer, kube.Client]]:
    server = testing.ApiServer()
    async with server.client() as client:
        config = {"url": "https://webhooks.test"}
        body = {"metadata": {"name": "things"}, "webhooks": [{"name": "a", "clientConfig": config}]}
        await client.create(kube.VALIDATING_WEBHOOK_CONFIGURATIONS, body)
        yield server, client


def bundle(server: testing.ApiServer) -> str:
    """The caBundle of the configuration."""
    (found,) = server.objects(kube.VALIDATING_WEBHOOK_CONFIGURATIONS)
    return str(found["webhooks"][0]["clientConfig"].get("caBundle", ""))


def state(server: testing.ApiServer) -> rotation_secret.Stored:
    """What the Secret holds."""
    (found,) = server.objects(kube.SECRETS)
    return rotation_secret.read(found)


async def keep(one: Replica) -> None:
    """Reconcile more often than its Lease expires."""
    while True:
        await one.keeper.reconcile_once()
        await asyncio.sleep(SETTINGS.period_seconds)


@contextlib.asynccontextmanager
async def keeping(*replicas: Replica) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:  # a replica that fails is a failure of the test
        tasks = [group.create_task(keep(one)) for one in replicas]
        yield
        for task in tasks:
            task.cancel()


@testing.virtual_time
async def test_bundle_is_published(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        await one.keeper.start()
        await one.keeper.publish()

        assert injector.encode(one.keeper.bundle_pem) == bundle(server)
        assert one.keeper.is_in_sync


@testing.virtual_time
async def test_replicas_share_an_authority(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        replicas = [Replica(server, client, tmp_path, name) for name in "ab"]
        for one in replicas:
            await one.keeper.start()
        await replicas[0].keeper.publish()
        before = state(server).state

        async with keeping(*replicas):
            await asyncio.sleep(0.4 * 86400)

        assert before == state(server).state
        assert ["", ""] == [one.keeper.unready() for one in replicas]
        assert replicas[0].keeper.bundle_pem == replicas[1].keeper.bundle_pem


@testing.virtual_time
async def test_authority_is_rotated_before_it_expires(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        await one.keeper.start()
        await one.keeper.publish()
        first = state(server)
        ends = first.active.certificate.not_valid_after_utc

        async with keeping(one):
            await asyncio.sleep((ends - server.clock.now()).total_seconds())
            last = state(server)

        assert last.state.active > first.state.active
        assert injector.encode(last.bundle_pem) == bundle(server)
        assert server.clock.now() < last.active.certificate.not_valid_after_utc
        assert "" == one.keeper.unready()


@testing.virtual_time
async def test_lost_answer_of_the_first_secret_makes_no_second_authority(
    tmp_path: pathlib.Path,
) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        fault = server.inject(testing.Fault(verb="create", plural="secrets", loses_answer=True))

        await one.keeper.start()
        await one.keeper.publish()

        assert 1 == fault.taken
        assert state(server).bundle_pem == one.keeper.bundle_pem


@testing.virtual_time
async def test_deleted_secret_is_restored(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        await one.keeper.start()
        await one.keeper.publish()
        before = state(server)
        await client.delete(kube.SECRETS, SECRET[1], namespace=SECRET[0])

        await one.keeper.reconcile_once()

        assert before.bundle_pem == state(server).bundle_pem
        assert before.state == state(server).state


@testing.virtual_time
async def test_changed_bundle_is_put_right(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        await one.keeper.start()
        await one.keeper.publish()
        config = {"url": "https://webhooks.test", "caBundle": "bm90IG91cnM="}
        changes = {"webhooks": [{"name": "a", "clientConfig": config}]}
        await client.patch(TARGET.resource, TARGET.name, changes)

        await one.keeper.publish()

        assert injector.encode(one.keeper.bundle_pem) == bundle(server)


@testing.virtual_time
async def test_replica_that_leaves_deletes_its_lease(tmp_path: pathlib.Path) -> None:
    async with cluster() as (server, client):
        one = Replica(server, client, tmp_path, "a")
        await one.keeper.start()
        assert 1 == len(server.objects(kube.LEASES))

        await one.keeper.leave()

        assert [] == server.objects(kube.LEASES)
