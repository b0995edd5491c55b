"""The reference transport: aiohttp. Shell: connections.

It implements all of HTTP/1.1 and is the reference for the lean one; both pass the same tests.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from aiohttp import web

from webhooks import answers, routing
from webhooks.answers import Answer, Observe
from webhooks.routing import Route
from webhooks.server.http11.listener_state import Limits


@contextlib.asynccontextmanager
async def serving(
    paths: Mapping[str, Route], listener: socket.socket, tls: ssl.SSLContext, observe: Observe
) -> AsyncIterator["Http"]:
    """Serve the routes inside the context."""
    server = Http(paths, observe=observe)
    await server.runner.setup()
    try:
        await web.SockSite(server.runner, listener, ssl_context=tls).start()
        yield server
    finally:
        await server.runner.cleanup()


class Http:
    """The connections of a listener and their shared state, like ``http11.listener_state.Lean``."""

    def __init__(self, paths: Mapping[str, Route], *, observe: Observe) -> None:
        self.in_flight = 0
        self.is_draining = False
        self.last_request = time.monotonic()
        self._observe = observe
        app = web.Application()
        for route in paths.values():
            app.router.add_post(route.path, self._handler(route))
        self.runner = web.AppRunner(app, access_log=None, keepalive_timeout=Limits().idle_seconds)

    def drain(self) -> None:
        """Close each connection after its next response."""
        self.is_draining = True

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            started = time.monotonic()
            self.in_flight += 1
            try:
                answer = await _respond(route, request)
            finally:
                self.in_flight -= 1
            self.last_request = now = time.monotonic()
            size = request.content_length or 0
            parent = request.headers.get("traceparent", "")
            self._observe(answers.request_log(route.path, answer, now - started, size, parent))
            headers = {"Content-Type": answer.content_type}
            response = web.Response(status=answer.status, body=answer.body, headers=headers)
            if self.is_draining:
                response.force_close()
            return response

        return handle


async def _respond(route: Route, request: web.Request) -> Answer:
    encoding = request.headers.get("Content-Encoding", "")
    refused = routing.refused(
        route,
        b"POST",
        request.headers.get("Content-Type", ""),
        encoding,
        has_client=lambda: bool(request.get_extra_info("peercert")),
    )
    if refused is not None:
        return refused
    body = await _body(request, route.max_body_bytes)
    if body is None:
        return routing.too_large(route)
    seconds = routing.seconds_of(request.url.raw_query_string.encode())
    answer = routing.answer(route, body, seconds)
    return answer if isinstance(answer, Answer) else await answer


async def _body(request: web.Request, limit: int) -> bytes | None:
    """Read the body; None if it exceeds the limit."""
    if request.content_length is not None and request.content_length > limit:
        return None
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
