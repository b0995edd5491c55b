"""Servers that misbehave, on loopback, and an API server that is temporarily unavailable."""

import asyncio
import contextlib
import datetime as dt
import pathlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from certs import authority
from controllers import kube
from controllers.kube import requests
from controllers.kube.auth import access
from controllers.kube.http import exchange, transport

Pretending = Callable[..., Awaitable[kube.Client]]

EXPIRED = {
    "kind": "Status",
    "apiVersion": "v1",
    "status": "Failure",
    "code": 410,
    "reason": "Expired",
    "message": "The provided continue parameter is too old",
}


def page(*names: str, continuation: str = "") -> web.Response:
    items = [{"metadata": {"name": name}} for name in names]
    metadata = {"resourceVersion": "7"} | ({"continue": continuation} if continuation else {})
    return web.json_response({"kind": "ConfigMapList", "metadata": metadata, "items": items})


async def test_list_whose_pages_expired_is_read_at_once(pretending: Pretending) -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        if "continue" in request.query:
            return web.json_response(EXPIRED, status=410)
        if "limit" in request.query:
            return page("x", continuation="t")
        return page("x", "y", "z")

    client = await pretending(handle)

    listing = await client.list(kube.CONFIG_MAPS, page_size=1)

    assert [item["metadata"]["name"] for item in listing.items] == ["x", "y", "z"]
    assert asked == [{"limit": "1"}, {"limit": "1", "continue": "t"}, {}]


async def test_items_say_their_kind_as_single_objects_do(pretending: Pretending) -> None:
    async def handle(_: web.Request) -> web.Response:
        return page("x")

    client = await pretending(handle)

    listing = await client.list(kube.CONFIG_MAPS)

    assert listing.resource_version == "7"
    assert listing.items == ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}},)


async def test_overloaded_server_is_asked_again_when_it_says(pretending: Pretending) -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        if len(asked) < 3:
            return web.Response(status=429, headers={"Retry-After": "0"})
        return web.json_response({"kind": "ConfigMap"})

    client = await pretending(handle)

    await client.create(kube.CONFIG_MAPS, {"metadata": {}}, namespace="a")

    assert asked == ["POST"] * 3


async def test_server_that_stays_overloaded_is_left_alone_in_the_end(
    pretending: Pretending,
) -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=429, headers={"Retry-After": "0"}, text="storage is away")

    client = await pretending(handle)

    with pytest.raises(kube.TooManyRequestsError, match="storage is away, in response to GET"):
        await client.get(kube.NAMESPACES, "x")

    assert asked == ["GET"] * 10


async def test_server_that_asks_to_wait_beyond_the_deadline_is_quoted_at_once(
    pretending: Pretending,
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "31"}, text="come tomorrow")

    client = await pretending(handle)

    with pytest.raises(kube.TooManyRequestsError, match="come tomorrow"):
        await client.get(kube.NAMESPACES, "x")


class Renewing:
    """Credentials of which only the certificate changes when they are renewed."""

    def __init__(self) -> None:
        self.current = access.Identity()

    async def identity(self) -> access.Identity:
        return self.current

    async def renew(self, refused: access.Identity) -> access.Identity:
        self.current = access.Identity(generation=refused.generation + 1)
        return self.current


async def test_connection_of_a_refused_certificate_is_not_used_again(
    pretending: Pretending,
) -> None:
    ports = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.json_response({}, status=401 if len(ports) == 1 else 200)

    client = await pretending(handle, credentials=Renewing())

    await client.get(kube.NAMESPACES, "x")
    # Two at once take all the connections that are left open.
    await asyncio.gather(*(client.get(kube.NAMESPACES, "x") for _ in range(2)))

    assert len(ports) == 4
    assert ports[0] not in ports[1:]


@pytest.mark.parametrize(
    ("method", "code", "header", "expected"),
    [
        ("POST", 429, "3", 3),
        ("POST", 429, "", None),
        ("POST", 429, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("POST", 503, "3", None),
        ("GET", 503, "3", 3),
        ("GET", 404, "3", None),
    ],
)
def test_only_what_had_no_effect_is_sent_again(
    method: str, code: int, header: str, expected: int | None
) -> None:
    request = requests.Request(method, "/x")

    assert transport.retry_after_seconds(request, code, header) == expected


async def test_silent_server_exceeds_the_deadline(pretending: Pretending) -> None:
    async def handle(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    client = await pretending(handle)

    with pytest.raises(kube.DeadlineExceededError) as caught:
        await client.get(kube.NAMESPACES, "x", deadline_seconds=0.05)

    assert "to GET /api/v1/namespaces/x within 0.05 s, got none" in str(caught.value)


async def test_answer_that_never_ends_exceeds_the_deadline(pretending: Pretending) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"kind":')
        await asyncio.Event().wait()
        return response

    client = await pretending(handle, deadline_seconds=0.05)

    with pytest.raises(kube.DeadlineExceededError):
        await client.get(kube.NAMESPACES, "x")


async def test_answer_over_the_bound_is_not_read(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"data": "x" * 1000})

    monkeypatch.setattr(exchange, "MAX_BODY_BYTES", 999)
    client = await pretending(handle)

    with pytest.raises(kube.AnswerError, match="expected at most 999 bytes in the response to GET"):
        await client.get(kube.NAMESPACES, "x")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>Log in</html>", "expected JSON in the response to GET /api/v1/namespaces/x"),
        ("[]", "expected an object in the response to GET /api/v1/namespaces/x, got list"),
    ],
)
async def test_server_that_is_no_kubernetes_api_is_told(
    pretending: Pretending, body: str, message: str
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=body)

    client = await pretending(handle)

    with pytest.raises(kube.AnswerError) as caught:
        await client.get(kube.NAMESPACES, "x")

    assert message in str(caught.value)


async def test_redirect_is_not_followed(pretending: Pretending) -> None:
    asked = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=302, headers={"Location": "/login"})

    client = await pretending(handle)

    with pytest.raises(kube.ApiError) as caught:
        await client.get(kube.NAMESPACES, "x")

    assert caught.value.code == 302
    assert asked == ["/api/v1/namespaces/x"]


def streaming(*chunks: bytes, cut: bool = False) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return a handler that sends chunks, and then ends, breaks off, or stays silent."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if cut:
            assert request.transport is not None
            request.transport.abort()
        return response

    return handle


BOOKMARK = b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8"}}}\n'


async def test_watch_passes_bookmarks_and_unknown_types_on(pretending: Pretending) -> None:
    future = BOOKMARK.replace(b"BOOKMARK", b"FUTURE")
    client = await pretending(streaming(BOOKMARK[:20], BOOKMARK[20:] + future))

    events = [event async for event in client.watch(kube.CONFIG_MAPS)]

    assert [(event.type, event.resource_version) for event in events] == [
        ("BOOKMARK", "8"),
        ("FUTURE", "8"),
    ]


async def test_watch_that_is_too_old_raises_after_what_came_before(pretending: Pretending) -> None:
    error = b'{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}\n'
    client = await pretending(streaming(BOOKMARK + error))
    watch = client.watch(kube.CONFIG_MAPS, resource_version="1")

    first = await anext(watch)
    with pytest.raises(kube.GoneError, match="too old"):
        await anext(watch)

    assert first.type == "BOOKMARK"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (streaming(BOOKMARK, cut=True), "could not reach http://127.0.0.1:"),
        (streaming(BOOKMARK, BOOKMARK[:20]), "closed the connection within an event"),
    ],
)
async def test_watch_that_breaks_off_is_told(
    pretending: Pretending, handler: Callable[..., Any], message: str
) -> None:
    client = await pretending(handler)

    with pytest.raises(kube.UnreachableError) as caught:
        _ = [event async for event in client.watch(kube.CONFIG_MAPS)]

    assert message in str(caught.value)


async def test_watch_that_falls_silent_is_told(pretending: Pretending) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        await streaming(BOOKMARK)(request)
        await asyncio.Event().wait()
        raise AssertionError

    client = await pretending(handle)
    watch = client.watch(kube.CONFIG_MAPS, silence_seconds=1)

    first = await anext(watch)
    with pytest.raises(kube.DeadlineExceededError):
        await anext(watch)

    assert first.type == "BOOKMARK"


async def test_watch_event_over_the_bound_is_not_read(
    pretending: Pretending, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "MAX_EVENT_BYTES", 100)
    client = await pretending(streaming(BOOKMARK + b"x" * 101))

    with pytest.raises(kube.AnswerError, match="watch events of at most 100 bytes"):
        _ = [event async for event in client.watch(kube.CONFIG_MAPS)]


class Relay:
    """A port in front of the API server that can be closed and reopened."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, back]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(reader, back))
            tasks.create_task(self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(65536):
                sink.write(chunk)
                await sink.drain()
        sink.close()


@pytest.fixture
async def relay(api_server: Any) -> AsyncIterator[Relay]:
    opened = Relay(int(str(api_server.server).rsplit(":", 1)[1]))
    await opened.open()
    yield opened
    await opened.shut()


@pytest.mark.e2e
async def test_api_server_that_is_gone_is_told_and_found_again(configs: Any, relay: Relay) -> None:
    server = f"https://127.0.0.1:{relay.port}"
    path = configs.write(configs.admin["users"][0]["user"], server=server)
    async with kube.Client.from_kubeconfig(path) as client:
        before = await client.get(kube.NAMESPACES, "default")
        await relay.shut()

        with pytest.raises(kube.UnreachableError) as caught:
            await client.get(kube.NAMESPACES, "default")
        await relay.open()
        after = await client.get(kube.NAMESPACES, "default")

    assert f"could not reach {server} for GET /api/v1/namespaces/default: " in str(caught.value)
    assert "Connect call failed" in str(caught.value)
    assert before == after


@pytest.mark.e2e
async def test_watch_ends_with_an_error_when_the_api_server_goes(
    configs: Any, relay: Relay, namespace: str
) -> None:
    server = f"https://127.0.0.1:{relay.port}"
    path = configs.write(configs.admin["users"][0]["user"], server=server)
    async with kube.Client.from_kubeconfig(path) as client:
        body = {"metadata": {"name": "x"}}
        await client.create(kube.CONFIG_MAPS, body, namespace=namespace)
        watch = client.watch(kube.CONFIG_MAPS, namespace=namespace)
        first = await anext(watch)
        await relay.shut()

        with pytest.raises(kube.UnreachableError):
            _ = [event async for event in watch]
        await relay.open()

    assert first.type == "ADDED"


@pytest.mark.e2e
async def test_certificate_of_another_authority_is_told(
    configs: Any, tmp_path: pathlib.Path
) -> None:
    foreign = tmp_path / "foreign.crt"
    other = authority.new_authority("foreign", now=dt.datetime.now(dt.UTC))
    foreign.write_bytes(other.certificate_pem)
    path = configs.write(
        configs.admin["users"][0]["user"],
        without=("certificate-authority-data",),
        **{"certificate-authority": str(foreign)},
    )

    async with kube.Client.from_kubeconfig(path) as client:
        with pytest.raises(kube.UnreachableError) as caught:
            await client.get(kube.NAMESPACES, "default")

    assert "its certificate is not trusted" in str(caught.value)
    assert "check certificate-authority and tls-server-name" in str(caught.value)


async def test_port_without_a_server_is_told() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unused.getsockname()[1]}"

        async def source() -> kube.Access:
            return kube.Access(server=server)

        async with kube.Client(source) as client:
            with pytest.raises(kube.UnreachableError) as caught:
                await client.delete(kube.NAMESPACES, "x")

    assert f"could not reach {server} for DELETE /api/v1/namespaces/x" in str(caught.value)
    assert "check that it is running and the address is correct" in str(caught.value)
