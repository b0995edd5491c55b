"""A service of sources on the API server in process, and trackers that call it over HTTP."""

import contextlib
import dataclasses
import datetime as dt
import itertools
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import prometheus_client

from controllers import kube
from controllers.audit.records import Entry
from controllers.kube import testing
from controllers.sources.api_constants import SOURCES, SPECS
from controllers.sources.payloads import signatures
from controllers.sources.receiving import endpoint
from controllers.sources.repair.github_reader import PUBLIC_API
from controllers.sources.service import Service

SECRET = b"current"
PREVIOUS = b"previous"
_numbers = itertools.count(1)


@dataclasses.dataclass
class Replica:
    """A service and its callers."""

    namespace: str
    client: kube.Client
    session: aiohttp.ClientSession
    service: Service
    registry: prometheus_client.CollectorRegistry
    url: str = ""

    async def settled(self) -> None:
        """Wait until sources are known and deliveries are received."""
        await testing.settle(lambda: not self.service.problem)

    async def deliver(self, body: bytes, *, path: str = "", **headers: str) -> int:
        """Deliver a body signed as GitHub does; return the status."""
        signed = f"sha256={signatures.signature(SECRET, body)}"
        sent = {
            "Content-Type": "application/json",
            "X-GitHub-Event": "issues",
            "X-GitHub-Delivery": str(next(_numbers)),
            "X-Hub-Signature-256": signed,
        } | {name.replace("_", "-"): value for name, value in headers.items()}
        given = {name: value for name, value in sent.items() if value}
        async with self.session.post(
            f"{self.url}/v1/sources/{path or self.namespace + '/issues'}", data=body, headers=given
        ) as response:
            return response.status

    def count(self, name: str, **labels: str) -> float:
        """A metric."""
        return self.registry.get_sample_value(name, labels) or 0.0


@dataclasses.dataclass
class Bench(Replica):
    """A replica on an API server in process."""

    server: testing.ApiServer = dataclasses.field(kw_only=True)
    entries: list[Entry] = dataclasses.field(default_factory=list, kw_only=True)
    """Of the audit log."""

    def specs(self) -> list[kube.JSON]:
        """The ImplementationSpecs."""
        return self.server.objects(SPECS, self.namespace)


def issue(number: int = 1, title: str = "A title", *, seconds: int = 0, **changes: Any) -> bytes:
    """A delivery of GitHub."""
    updated = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    value = {
        "action": "edited",
        "issue": {
            "number": number,
            "title": title,
            "body": "A body",
            "state": "open",
            "html_url": f"https://github.com/a/b/issues/{number}",
            "labels": [],
            "updated_at": updated.isoformat().replace("+00:00", "Z"),
        },
        "repository": {"full_name": "a/b"},
    }
    return orjson.dumps(value | changes)


async def create_source(client: kube.Client, namespace: str = "team") -> None:
    refs = [{"name": "signing", "key": "current"}, {"name": "signing", "key": "previous"}]
    webhook = {"mode": "Webhook", "webhook": {"signingSecretRefs": refs}}
    spec = {
        "github": {"repository": "a/b"},
        "credentials": {"secretKeyRef": {"name": "token", "key": "token"}},
        "ingestion": webhook,
    }
    body = {
        "apiVersion": SOURCES.api_version,
        "kind": SOURCES.kind,
        "metadata": {"name": "issues", "namespace": namespace},
        "spec": spec,
    }
    await client.create(SOURCES, body)


async def prepare(server: testing.ApiServer) -> None:
    """Create a namespace with a source and its Secret."""
    async with server.client() as client:
        await client.create(kube.NAMESPACES, {"metadata": {"name": "team"}})
        await create_secret(client)
        await create_source(client)


async def create_secret(client: kube.Client, namespace: str = "team") -> None:
    data = {"current": "Y3VycmVudA==", "previous": "cHJldmlvdXM="}
    await client.create(
        kube.SECRETS, {"metadata": {"name": "signing", "namespace": namespace}, "data": data}
    )


@contextlib.asynccontextmanager
async def replica(
    client: kube.Client, namespace: str, github_api: str = PUBLIC_API
) -> AsyncIterator[Replica]:
    """A replica that serves the sources of a namespace, and makes deliveries durable there."""
    registry = prometheus_client.CollectorRegistry()
    service = Service(
        client, registry, namespace=namespace, answer_seconds=120.0, github_api=github_api
    )
    async with aiohttp.ClientSession() as session:
        made = Replica(namespace, client, session, service, registry)
        async with service.serving("127.0.0.1", 0) as made.url:
            await made.settled()
            yield made


@contextlib.asynccontextmanager
async def serving(
    server: testing.ApiServer,
    spool: pathlib.Path | None = None,
    *,
    answer_seconds: float = 120.0,
    rate: kube.Rate = endpoint.RATE,
) -> AsyncIterator[Bench]:
    """A replica on an API server in process."""
    registry = prometheus_client.CollectorRegistry()
    async with server.client() as client, aiohttp.ClientSession() as session:
        entries: list[Entry] = []
        service = Service(
            client,
            registry,
            spool=spool,
            answer_seconds=answer_seconds,
            rate=rate,
            audit=entries.append,
        )
        bench = Bench("team", client, session, service, registry, server=server, entries=entries)
        async with service.serving("127.0.0.1", 0) as bench.url:
            await bench.settled()
            yield bench
