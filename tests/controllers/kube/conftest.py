"""A client, a namespace per test, editable kubeconfigs, and servers that misbehave."""

import base64
import dataclasses
import itertools
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from controllers import kube
from controllers.kube.auth import access
from schemagen import yaml

_numbers = itertools.count()


@pytest.fixture(scope="session")
async def client(api_server: Any) -> AsyncIterator[kube.Client]:
    async with kube.Client.from_kubeconfig(api_server.admin_kubeconfig) as opened:
        yield opened


@pytest.fixture
async def namespace(client: kube.Client) -> AsyncIterator[str]:
    body = {"metadata": {"generateName": "kube-client-"}}
    name = (await client.create(kube.NAMESPACES, body))["metadata"]["name"]
    yield name
    # Without a controller manager nobody ends it, but what is in it may pile up no more.
    await client.delete(kube.NAMESPACES, name)


@pytest.fixture
async def things(client: kube.Client) -> AsyncIterator[kube.Resource]:
    """A custom kind, served when the fixture is ready."""
    group = f"things{next(_numbers)}.kubewright.dev"
    body = _crd(group)
    crd = await client.create(kube.CUSTOM_RESOURCE_DEFINITIONS, body)
    resource_version = crd["metadata"]["resourceVersion"]
    watch = client.watch(
        kube.CUSTOM_RESOURCE_DEFINITIONS,
        resource_version=resource_version,
        fields=f"metadata.name=things.{group}",
    )
    async for event in watch:
        conditions = event.object.get("status", {}).get("conditions", ())
        if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            break
    await watch.aclose()
    yield kube.Resource(group, "v1", "things", "Thing")
    await client.delete(kube.CUSTOM_RESOURCE_DEFINITIONS, f"things.{group}")


def _crd(group: str) -> kube.JSON:
    number = {"type": "object", "properties": {"size": {"type": "integer", "maximum": 10}}}
    properties = {
        "spec": number,
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [version],
        },
    }


@dataclasses.dataclass(frozen=True)
class Kubeconfigs:
    """Writes kubeconfigs for the real API server with other users or cluster settings."""

    directory: pathlib.Path
    admin: dict[str, Any]

    def write(
        self,
        user: dict[str, Any] | None,
        *,
        name: str = "config",
        without: tuple[str, ...] = (),
        **cluster: Any,
    ) -> pathlib.Path:
        whole = {**self.admin["clusters"][0]["cluster"], **cluster}
        names = {"cluster": "c"} | ({"user": "u"} if user is not None else {})
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": names}],
            "clusters": [
                {"name": "c", "cluster": {k: v for k, v in whole.items() if k not in without}}
            ],
            "users": [{"name": "u", "user": user}] if user is not None else [],
        }
        path = self.directory / name
        path.write_text(yaml.dumps(content))
        return path

    @property
    def ca_pem(self) -> bytes:
        return _pem(self.admin["clusters"][0]["cluster"], "certificate-authority")

    @property
    def certificate(self) -> tuple[bytes, bytes]:
        user = self.admin["users"][0]["user"]
        return _pem(user, "client-certificate"), _pem(user, "client-key")


def _pem(entry: dict[str, Any], key: str) -> bytes:
    data = entry.get(f"{key}-data")
    return base64.b64decode(data) if data else pathlib.Path(entry[key]).read_bytes()


@pytest.fixture
def configs(api_server: Any, tmp_path: pathlib.Path) -> Kubeconfigs:
    admin = yaml.load(pathlib.Path(api_server.admin_kubeconfig).read_bytes())
    return Kubeconfigs(tmp_path, admin)


@pytest.fixture
async def token(client: kube.Client, namespace: str) -> str:
    """A token of a service account of the namespace."""
    body = {"metadata": {"name": "robot"}}
    await client.create(kube.SERVICE_ACCOUNTS, body, namespace=namespace)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client.create(
        kube.SERVICE_ACCOUNTS, request, name="robot", namespace=namespace, subresource="token"
    )
    return str(answer["status"]["token"])


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def pretending() -> AsyncIterator[Callable[[Handler], Awaitable[kube.Client]]]:
    """Return a client of a server whose responses come from a handler."""
    runners: list[web.AppRunner] = []
    clients: list[kube.Client] = []

    async def start(
        handler: Handler, credentials: access.Credentials | None = None, **options: Any
    ) -> kube.Client:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]

        async def source() -> access.Access:
            server = f"http://{host}:{port}"
            return access.Access(server=server, credentials=credentials or access.Fixed())

        opened = await kube.Client(source, **options).__aenter__()
        clients.append(opened)
        return opened

    yield start
    for opened in clients:
        await opened.close()
    for runner in runners:
        await runner.cleanup()
