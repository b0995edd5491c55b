"""Probes of real stores: PostgreSQL, with and without pgvector, Redis, and HTTP servers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web

from certs import authority
from controllers.readiness.memory import probe
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.health import Outcome
from controllers.runs.runtimes.egress import Allowed
from tests.support import stores
from tests.support.stores import CHANGED, PASSWORD, Store

LOOPBACK = StoreAddresses(Allowed.of(["127.0.0.1", "localhost"]))
SECONDS = 60.0


async def probed(
    kind: str,
    values: Mapping[str, str],
    *,
    capabilities: tuple[str, ...] = (),
    addresses: StoreAddresses = LOOPBACK,
    seconds: float = SECONDS,
) -> Outcome:
    """The outcome for the values of a Secret."""
    spec = {
        "type": kind,
        "connection": {"secretKeyRef": {"name": "store"}},
        "capabilities": [*capabilities],
    }
    given = {name: text.encode() for name, text in values.items()}
    found = await probe.probe(spec, given, addresses, timeout_seconds=seconds)
    assert PASSWORD not in repr(found)
    assert CHANGED not in repr(found)
    return found


def postgres_secret(store: Store, **changes: str) -> dict[str, str]:
    """A Secret for a PostgreSQL."""
    values = {"host": "localhost", "port": str(store.port), "username": "agent"}
    return {**values, "password": PASSWORD, "database": "agent", **changes}


def redis_url(store: Store, *, scheme: str = "redis", password: str = PASSWORD) -> str:
    """The URL of a Redis."""
    return f"{scheme}://:{password}@localhost:{store.port}/0"


async def test_postgres_is_ready(postgres: Store) -> None:
    found = await probed("Postgres", postgres_secret(postgres, sslmode="disable"))

    assert found.is_ready, found
    assert "PostgreSQL " in found.message
    assert "without TLS" in found.message
    assert found.latency_ms is not None


async def test_postgres_over_tls_with_its_own_ca(postgres: Store, ca: authority.Pair) -> None:
    postgres.stop()
    postgres.start("-c", "ssl=on")
    verified = {"sslmode": "verify-full", "ca.crt": ca.certificate_pem.decode()}
    try:
        found = await probed("Postgres", postgres_secret(postgres, **verified))
        preferred = await probed("Postgres", postgres_secret(postgres))
        wrong_name = await probed(
            "Postgres", postgres_secret(postgres, host="127.0.0.1", **verified)
        )
        wrong_ca = await probed("Postgres", postgres_secret(postgres, sslmode="verify-full"))
    finally:
        postgres.stop()
        postgres.start()

    assert found.is_ready, found
    assert "with TLS" in found.message
    assert "with TLS" in preferred.message
    assert "CertificateNotTrusted" == wrong_name.reason
    assert "CertificateNotTrusted" == wrong_ca.reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong"}, "AuthenticationFailed"),
        ({"username": "nobody"}, "AuthenticationFailed"),
        ({"username": ""}, "InvalidConnection"),
        ({"database": "other"}, "DatabaseMissing"),
        ({"sslmode": "require"}, "ConnectionFailed"),
        ({"ca.crt": "no PEM", "sslmode": "verify-ca"}, "InvalidConnection"),
        ({"port": "1"}, "ConnectionRefused"),
        ({"host": "store.invalid"}, "HostNotFound"),
    ],
)
async def test_postgres_that_cannot_be_used(
    postgres: Store, changes: dict[str, str], reason: str
) -> None:
    found = await probed("Postgres", postgres_secret(postgres, **changes))

    assert (False, reason) == (found.is_ready, found.reason)


async def test_capability_vector_needs_pgvector(postgres: Store, vector: Store) -> None:
    without = await probed("Postgres", postgres_secret(postgres), capabilities=("Vector",))
    await stores.execute(vector, PASSWORD, "CREATE EXTENSION vector")

    found = await probed("Postgres", postgres_secret(vector), capabilities=("Vector",))

    assert "VectorMissing" == without.reason
    assert found.is_ready, found
    assert "pgvector " in found.message


async def test_redis_is_ready(redis_server: Store) -> None:
    found = await probed("Redis", {"uri": redis_url(redis_server)})

    assert found.is_ready, found
    assert "without TLS" in found.message


async def test_redis_over_tls_with_its_own_ca(redis_server: Store, ca: authority.Pair) -> None:
    url = redis_url(redis_server, scheme="rediss")
    trusted = {"uri": url, "ca.crt": ca.certificate_pem.decode()}
    # A Redis without TLS waits for the rest of what it takes for a command.
    plain = await probed("Redis", trusted, seconds=1)
    redis_server.stop()
    redis_server.start(*stores.redis_options(redis_server.port, with_tls=True))
    try:
        found = await probed("Redis", trusted)
        untrusted = await probed("Redis", {"uri": url})
        unencrypted = await probed("Redis", {"uri": redis_url(redis_server)})
    finally:
        redis_server.stop()
        redis_server.start(*stores.redis_options(redis_server.port))

    assert found.is_ready, found
    assert "with TLS" in found.message
    assert "CertificateNotTrusted" == untrusted.reason
    assert not plain.is_ready
    assert not unencrypted.is_ready


async def test_redis_refuses_another_password(redis_server: Store) -> None:
    wrong = await probed("Redis", {"uri": redis_url(redis_server, password="wrong")})  # noqa: S106 - wrong
    none = await probed("Redis", {"uri": f"redis://localhost:{redis_server.port}"})

    assert ["AuthenticationFailed"] * 2 == [wrong.reason, none.reason]


@pytest.mark.parametrize("kind", ["Postgres", "Redis"])
async def test_paused_store_is_given_up_at_the_deadline(
    kind: str, postgres: Store, redis_server: Store
) -> None:
    store = postgres if kind == "Postgres" else redis_server
    values = postgres_secret(store) if kind == "Postgres" else {"uri": redis_url(store)}
    before = asyncio.all_tasks()
    store.pause()
    try:
        started = time.monotonic()
        found = await probed(kind, values, seconds=0.5)
        seconds = time.monotonic() - started
    finally:
        store.resume()

    assert "TimedOut" == found.reason
    # Any number of minutes would mean that something waited for the server.
    assert seconds < SECONDS
    assert before == asyncio.all_tasks()
    assert (await probed(kind, values)).is_ready


@pytest.mark.parametrize("kind", ["Postgres", "Redis", "Weaviate", "Custom"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "[::1]"])
async def test_addresses_of_the_controllers_machine_are_not_probed(kind: str, host: str) -> None:
    scheme = {"Postgres": "postgres", "Redis": "redis"}.get(kind, "http")

    found = await probed(
        kind, {"uri": f"{scheme}://me:x@{host}:9"}, addresses=StoreAddresses(Allowed())
    )

    # A user in a URL of HTTP is refused even before.
    assert found.reason in {"AddressNotAllowed", "InvalidConnection"}
    assert found.is_invalid


@contextlib.asynccontextmanager
async def http_store(status: int) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server that answers with a status; its URL, and the requests."""
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, dict(request.headers)))
        return web.Response(status=status, text=PASSWORD)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        yield f"http://localhost:{runner.addresses[0][1]}", seen
    finally:
        await runner.cleanup()


async def test_weaviate_is_asked_whether_it_is_ready() -> None:
    async with http_store(200) as (url, seen):
        found = await probed("Weaviate", {"url": url, "apiKey": PASSWORD})

    assert found.is_ready, found
    ((method, path, headers),) = seen
    assert ("GET", "/v1/.well-known/ready") == (method, path)
    assert f"Bearer {PASSWORD}" == headers["Authorization"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        *((204, "Reachable"), (401, "AuthenticationFailed"), (403, "AuthenticationFailed")),
        *((503, "NotReady"), (404, "NotReady"), (302, "NotReady")),
    ],
)
async def test_status_of_a_custom_store_decides(status: int, reason: str) -> None:
    async with http_store(status) as (url, _):
        found = await probed("Custom", {"url": f"{url}/healthz", "token": PASSWORD})

    assert reason == found.reason
