"""API servers with webhooks for ``schemagen roundtrip``: embedded, or of KUBECONFIG. Shell.

Trials are synchronous: each waits for its response.
"""

import asyncio
import contextlib
import itertools
import secrets
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from controllers import devcluster, kube
from schemagen import Api
from schemagen.problems import UserError
from schemagen.roundtrip import real_server, requests, simulated_server
from webhooks.cluster import api_resources
from webhooks.development import embedded as webhooks_embedded
from webhooks.review import patch

_SERVER_ERROR = 500
# Server-side apply of duplicate list keys is rejected with this text, as a server error.
_NOT_TYPED = "failed to create typed patch object"


class NotInstalledError(UserError):
    """The cluster lacks a CRD; the message names it and says how to install it."""


@contextlib.contextmanager
def embedded(apis: Sequence[Api]) -> Iterator[real_server.Server]:
    """Run an embedded control plane on loopback; this process serves the webhooks."""
    with devcluster.Cluster(tell=_tell) as cluster, contextlib.ExitStack() as stack:
        for api in apis:
            stack.enter_context(webhooks_embedded.serving(api, cluster))
        client = kube.Client.from_kubeconfig(cluster.admin_kubeconfig, on_warning=_ignore)
        yield stack.enter_context(_opened(client, apis))


@contextlib.contextmanager
def kubeconfig(apis: Sequence[Api]) -> Iterator[real_server.Server]:
    """Use the cluster of the current context, which must have the CRDs and webhooks installed."""
    with _opened(kube.Client.from_environment(on_warning=_ignore), apis) as server:
        yield server


@contextlib.contextmanager
def _opened(client: kube.Client, apis: Sequence[Api]) -> Iterator["Server"]:
    """Yield a server with its own namespace, which is deleted with its contents at the end."""
    with _loop() as wait, contextlib.ExitStack() as stack:
        wait(client.__aenter__())
        stack.callback(lambda: wait(client.close()))
        wait(_check_installed(client, apis))
        server = Server(client, wait, f"roundtrip-{secrets.token_hex(4)}")
        server.begin()
        stack.callback(server.end)
        yield server


@contextlib.contextmanager
def _loop() -> Iterator[Callable[[Coroutine[Any, Any, Any]], Any]]:
    """Run an event loop in a thread, for callers that may be in a loop of their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="round trips")
    thread.start()
    try:
        yield lambda work: asyncio.run_coroutine_threadsafe(work, loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _check_installed(client: kube.Client, apis: Sequence[Api]) -> None:
    for api in apis:
        for kind in api:
            try:
                await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, api.crd_name(kind))
            except kube.NotFoundError as error:
                message = (
                    f"expected the CRD {api.crd_name(kind)} in the cluster, got none; install it "
                    "and its webhooks first: webhooks serve MODULE:API --install"
                )
                raise NotInstalledError(message) from error


def _tell(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201 - progress of a command


def _ignore(warning: str) -> None:
    """Ignore warnings: deprecated versions send one per response."""
    del warning


class Server:
    """Sends requests to a namespace of its own.

    Args:
        client: Of the cluster.
        wait: Runs a coroutine of the client and returns its result.
        namespace: Name of the namespace, and prefix of all object names.
    """

    def __init__(
        self,
        client: kube.Client,
        wait: Callable[[Coroutine[Any, Any, Any]], Any],
        namespace: str,
    ) -> None:
        self._client, self._wait = client, wait
        self._numbers = itertools.count()
        self._cluster_wide: dict[tuple[kube.Resource, str], None] = {}
        self.namespace = namespace

    def begin(self) -> None:
        """Create the namespace, and print its name."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        self._wait(self._client.create(kube.NAMESPACES, body))
        _tell(f"using namespace {self.namespace}")

    def end(self) -> None:
        """Delete the namespace, and the cluster-scoped objects."""
        for resource, name in (*self._cluster_wide, (kube.NAMESPACES, self.namespace)):
            with contextlib.suppress(kube.NotFoundError):
                self._wait(self._client.delete(resource, name))

    def new_name(self) -> str:
        """Return an unused object name."""
        return f"{self.namespace}-{next(self._numbers)}"

    def send(self, request: requests.Request) -> simulated_server.Value:
        """Send a request, and return the object of the response.

        Raises:
            simulated.RefusedError: The API server or a rule rejected it.
            served.LostServerError: The API server does not respond.
        """
        try:
            answer: simulated_server.Value = self._wait(self._answer(request))
        except kube.ApiError as error:
            if not is_refusal(error):
                raise
            raise simulated_server.RefusedError(error.message) from error
        except kube.UnreachableError as error:
            raise real_server.LostServerError(
                f"expected a response of the API server: {error}"
            ) from error
        return answer

    async def _answer(self, request: requests.Request) -> simulated_server.Value:
        resource = api_resources.resource_of(request.api, request.kind, request.version)
        namespace = self.namespace if resource.namespaced else None
        if request.verb == "get":
            return await self._client.get(resource, request.name, namespace=namespace)
        if request.verb == "create":
            if namespace is None:
                self._cluster_wide[resource, request.name] = None
            return await self._client.create(resource, request.body, namespace=namespace)
        return await self._change(request, resource, namespace=namespace)

    async def _change(
        self, request: requests.Request, resource: kube.Resource, **options: Any
    ) -> simulated_server.Value:
        options["subresource"] = "status" if request.is_status else None
        options["field_manager"] = request.manager
        match request.verb:
            case "replace":
                return await self._client.replace(resource, request.body, **options)
            case "server-side apply":
                return await self._client.apply(resource, request.body, force=True, **options)
            case "merge patch":
                return await self._client.patch(resource, request.name, request.body, **options)
            case _:
                changes = patch.diff(request.read, request.body)
                return await self._client.patch(
                    resource, request.name, changes, kind="json", **options
                )


def is_refusal(error: kube.ApiError) -> bool:
    """Return whether an error is a rejection of the object, rather than a failure."""
    return error.code < _SERVER_ERROR or error.message.startswith(_NOT_TYPED)
