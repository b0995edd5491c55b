"""Memories whose real stores are stopped, paused, given another password, and switched to TLS.

The controller's reconciler runs on the API server in process, in real time.
"""

import asyncio
import base64
import contextlib
import dataclasses
import datetime as dt
import pathlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

import crds
from certs import authority
from controllers import kube
from controllers.kube import testing
from controllers.readiness.reconciler import Readiness
from controllers.runs import projections
from controllers.runs.caches import Caches
from tests.support import stores
from tests.support.stores import CHANGED, PASSWORD, Store

TEAM: Final = "team"
INTERVAL_SECONDS: Final = 4
TIMEOUT_SECONDS: Final = 1
"""A quarter of the interval: what is promised holds for timeouts up to that."""
SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Disturbance:
    """Something that happens to a store, and is undone.

    Attributes:
        name: What happens.
        reasons: Reasons of which Ready has one meanwhile.
        begin: Makes it happen.
        end: Undoes it.
    """

    name: str
    reasons: frozenset[str]
    begin: Callable[[], Any]
    end: Callable[[], Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds until the condition was right.

    Attributes:
        name: Kind of the store, and what happened.
        reason: Reason of Ready meanwhile.
        down_seconds: After it began.
        up_seconds: After it ended.
    """

    name: str
    reason: str
    down_seconds: float
    up_seconds: float


def postgres_disturbances(store: Store) -> Iterator[Disturbance]:
    """What happens to a PostgreSQL."""

    def restart(*options: str) -> None:
        store.stop()
        store.start(*options)

    yield from _outages(store, store.start)

    async def password(old: str, new: str) -> None:
        await stores.execute(store, old, f"ALTER USER agent PASSWORD '{new}'")

    yield Disturbance(
        name="password changed",
        reasons=frozenset({"AuthenticationFailed"}),
        begin=lambda: password(PASSWORD, CHANGED),
        end=lambda: password(CHANGED, PASSWORD),
    )
    rules = store.folder / "data" / "pg_hba.conf"
    plain = rules.read_text()

    def require_tls() -> None:
        rules.write_text(plain.replace("host ", "hostssl "))
        restart("-c", "ssl=on")

    def allow_plain() -> None:
        rules.write_text(plain)
        restart()

    yield Disturbance(
        name="TLS switched on",
        reasons=frozenset({"AuthenticationFailed"}),
        begin=require_tls,
        end=allow_plain,
    )


def redis_disturbances(store: Store) -> Iterator[Disturbance]:
    """What happens to a Redis."""

    def restart(*, password: str = PASSWORD, with_tls: bool = False) -> None:
        store.stop()
        store.start(*stores.redis_options(store.port, password, with_tls=with_tls))

    yield from _outages(store, restart)
    yield Disturbance(
        name="password changed",
        reasons=frozenset({"AuthenticationFailed"}),
        begin=lambda: restart(password=CHANGED),
        end=restart,
    )
    yield Disturbance(
        name="TLS switched on",
        reasons=frozenset({"ConnectionFailed"}),
        begin=lambda: restart(with_tls=True),
        end=restart,
    )


def _outages(store: Store, start: Callable[[], None]) -> Iterator[Disturbance]:
    yield Disturbance(
        name="stopped", reasons=frozenset({"ConnectionRefused"}), begin=store.stop, end=start
    )
    yield Disturbance(
        name="paused", reasons=frozenset({"TimedOut"}), begin=store.pause, end=store.resume
    )


STORES: Final[Mapping[str, Callable[[Store], Iterator[Disturbance]]]] = {
    "Postgres": postgres_disturbances,
    "Redis": redis_disturbances,
}


@contextlib.contextmanager
def running_stores(folder: pathlib.Path) -> Iterator[Mapping[str, Store]]:
    """Run a store of each kind."""
    now = dt.datetime.now(dt.UTC)
    ca = authority.new_authority("stores", now=now)
    pair = authority.issue_server(ca, ["localhost"], now=now)
    certificate = pair.certificate_pem.decode(), pair.key_pem.decode()
    with (
        stores.postgres(folder / "postgres", certificate=certificate) as postgres,
        stores.redis_server(folder / "redis", certificate=certificate) as redis,
    ):
        yield {"Postgres": postgres, "Redis": redis}


class World:
    """An API server, the reconciler, and a Memory for each store."""

    def __init__(self, client: kube.Client) -> None:
        self._client = client

    async def make(self, kind: str, store: Store) -> None:
        """Create a Memory and its Secret."""
        values = {
            "host": "localhost",
            "port": str(store.port),
            "password": PASSWORD,
            **({"username": "agent", "sslmode": "disable"} if kind == "Postgres" else {}),
        }
        metadata = {"name": kind.lower(), "namespace": TEAM}
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        await self._client.create(
            kube.SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        )
        spec = {
            "type": kind,
            "connection": {"secretKeyRef": {"name": kind.lower()}},
            "health": {"interval": f"{INTERVAL_SECONDS}s", "timeout": f"{TIMEOUT_SECONDS}s"},
        }
        resource = projections.MEMORIES
        named = {"apiVersion": resource.api_version, "kind": resource.kind}
        await self._client.create(resource, {**named, "metadata": metadata, "spec": spec})

    async def until(self, kind: str, reasons: frozenset[str]) -> tuple[str, float]:
        """Wait until Ready has one of the reasons; return it, and the seconds."""
        started, reason = time.monotonic(), ""
        while reason not in reasons:
            assert time.monotonic() < started + SECONDS, (reason, reasons)
            await asyncio.sleep(_POLL_SECONDS)
            found = await self._client.get(projections.MEMORIES, kind.lower(), namespace=TEAM)
            for condition in (found.get("status") or {}).get("conditions") or ():
                if condition["type"] == "Ready":
                    reason = condition["reason"]
        return reason, time.monotonic() - started

    async def measure(self, kind: str, disturbance: Disturbance) -> Measured:
        """Let something happen to a store, and undo it."""
        await self.until(kind, _READY)
        await _done(disturbance.begin)
        reason, down_seconds = await self.until(kind, disturbance.reasons)
        await _done(disturbance.end)
        _, up_seconds = await self.until(kind, _READY)
        return Measured(
            name=f"{kind} {disturbance.name}",
            reason=reason,
            down_seconds=down_seconds,
            up_seconds=up_seconds,
        )


_READY: Final = frozenset({"Reachable"})


async def _done(act: Callable[[], Any]) -> None:
    """Run something that may be asynchronous, or else blocks."""
    found = await asyncio.to_thread(act)
    if asyncio.iscoroutine(found):
        await found


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Run the reconciler."""
    server = testing.ApiServer(crds.api)
    async with server.client() as client, kube.Recorder(client, "example.dev/x", "x") as recorder:
        await client.create(kube.NAMESPACES, {"metadata": {"name": TEAM}})
        caches = Caches(client, kube.Queue())
        readiness = Readiness(
            client, caches, recorder, secrets=["*"], endpoints=["localhost", "127.0.0.1"]
        )
        reflectors = [*caches.reflectors(with_jobs=False)]
        tasks = [asyncio.ensure_future(reflector.run()) for reflector in reflectors]
        for reflector in reflectors:
            await reflector.synced.wait()
        tasks.append(asyncio.ensure_future(readiness.run()))
        try:
            yield World(client)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
