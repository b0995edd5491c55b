"""Sends requests to one API server and reads what it answers. Shell: HTTP by aiohttp.

Every call has a deadline and every read a bound; credentials are renewed when refused, an API
server that asks to come back later is obeyed, and a limiter is waited for. Nothing here knows
objects.
"""

import asyncio
import contextlib
import http
import itertools
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import aiohttp
import yarl

from controllers.kube import access, answers, errors, limiter, proxies
from controllers.kube.requests import Request

# 500 objects (a page) at etcd's limit of 1.5 MiB would be 750 MiB; real pages are a hundredth.
MAX_BODY_BYTES = 256 * 1024 * 1024
# An object is at most 3 MiB in a request (k8s.io/apiserver MaxRequestBodyBytes); the rest is room
# for managedFields and for what JSON escapes.
MAX_EVENT_BYTES = 8 * 1024 * 1024
# As client-go: k8s.io/client-go/rest/request.go maxRetries.
_MAX_ATTEMPTS = 10
_CONNECTIONS = 100


class Transport:
    """The connections to one API server. They are made when needed, and made anew when lost."""

    def __init__(
        self,
        to: access.Access,
        *,
        on_warning: Callable[[str], None],
        user_agent: str,
        rate: limiter.Rate | None = None,
    ) -> None:
        self._to = to
        self._proxy = to.proxy or proxies.from_environment(to.server, os.environ)
        self._on_warning = on_warning
        self._user_agent = user_agent
        self._limiter = limiter.Limiter(rate) if rate is not None else None
        self._generation = 0
        self._current = _Connections(to.tls)
        self._retired: set[_Connections] = set()

    async def close(self) -> None:
        """Close all connections; a running watch ends with an error."""
        for connections in (self._current, *self._retired):
            await connections.close()

    async def call(self, request: Request, deadline_seconds: float) -> Any:
        """Send a request and return its answer's JSON.

        Raises:
            ApiError: The API server refused.
            UnreachableError: There was no whole answer.
        """
        return answers.decode(await self.body(request, deadline_seconds), str(request))

    async def body(self, request: Request, deadline_seconds: float) -> bytes:
        """Send a request and return its answer as it came.

        Raises:
            ApiError: The API server refused.
            UnreachableError: There was no whole answer.
        """
        async with (
            self._deadline(request, deadline_seconds),
            self._obeying(request, deadline_seconds) as response,
        ):
            return await _read(response, request)

    async def lines(
        self, request: Request, *, deadline_seconds: float, silence_seconds: float
    ) -> AsyncGenerator[bytes, None]:
        """Send a request and yield the lines of its answer until the server ends it.

        Args:
            request: A watch.
            deadline_seconds: For the answer to begin.
            silence_seconds: How long to wait for the next bytes.

        Raises:
            ApiError: The API server refused.
            UnreachableError: The connection broke or fell silent.
        """
        lines = answers.Lines(MAX_EVENT_BYTES)
        async with contextlib.AsyncExitStack() as stack:
            async with self._deadline(request, deadline_seconds):
                response = await stack.enter_async_context(
                    self._obeying(request, deadline_seconds, watching=True)
                )
            while True:
                async with self._deadline(request, silence_seconds):
                    chunk = await response.content.readany()
                if not chunk:
                    break
                for line in lines.feed(chunk):
                    yield line
        if not lines.is_between:
            raise errors.UnreachableError(
                f"{self._to.server} broke off within an event of {request}"
            )

    @contextlib.asynccontextmanager
    async def _obeying(
        self, request: Request, deadline_seconds: float, *, watching: bool = False
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send, again where the API server asks to come back later within the deadline."""
        ends = time.monotonic() + deadline_seconds
        for attempt in itertools.count(1):
            # A request that is sent again takes its turn again, as in client-go. A watch takes one
            # turn at its start: it must not be late where events are.
            if self._limiter is not None and (attempt == 1 or not watching):
                await self._limiter.wait(request, ends - time.monotonic())
            async with self._authenticated(request, watching=watching) as response:
                if response.status < http.HTTPStatus.MULTIPLE_CHOICES:
                    yield response
                    return
                body = await _read(response, request)
            seconds = retry_after_seconds(
                request, response.status, response.headers.get("Retry-After", "")
            )
            too_late = seconds is not None and time.monotonic() + seconds >= ends
            if seconds is None or too_late or attempt == _MAX_ATTEMPTS:
                raise answers.failure(response.status, body, str(request))
            await asyncio.sleep(seconds)

    @contextlib.asynccontextmanager
    async def _authenticated(
        self, request: Request, *, watching: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send; where the credentials are refused and there are newer ones, send once more."""
        async with contextlib.AsyncExitStack() as stack:
            identity = await self._to.credentials.identity()
            response = await stack.enter_async_context(
                self._send(request, identity, watching=watching)
            )
            if response.status == http.HTTPStatus.UNAUTHORIZED:
                renewed = await self._to.credentials.renew(identity)
                if renewed != identity:
                    response = await stack.enter_async_context(
                        self._send(request, renewed, watching=watching)
                    )
            for text in answers.warnings(response.headers.getall("Warning", ())):
                self._on_warning(text)
            yield response

    @contextlib.asynccontextmanager
    async def _send(
        self, request: Request, identity: access.Identity, *, watching: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = [
            *identity.headers,
            *self._to.headers,
            ("Accept", "application/json"),
            ("User-Agent", self._user_agent),
        ]
        if request.content_type is not None:
            headers.append(("Content-Type", request.content_type))
        async with (
            self._connections(identity.generation) as connections,
            connections.session(request, watching=watching).request(
                request.method,
                yarl.URL(self._to.server + request.target, encoded=True),
                headers=headers,
                data=request.body,
                allow_redirects=False,
                proxy=self._proxy,
                server_hostname=self._to.server_hostname,
            ) as response,
        ):
            yield response

    @contextlib.asynccontextmanager
    async def _connections(self, generation: int) -> AsyncIterator["_Connections"]:
        """Lend the connections of a generation of credentials: a certificate stays with its own."""
        if generation > self._generation:
            self._generation = generation
            self._retired.add(self._current)
            self._current = _Connections(self._to.tls)
        lent = self._current
        lent.users += 1
        try:
            yield lent
        finally:
            lent.users -= 1
            # Retired ones close with the last that uses them.
            for unused in [each for each in self._retired if not each.users]:
                self._retired.discard(unused)
                await unused.close()

    @contextlib.asynccontextmanager
    async def _deadline(self, request: Request, seconds: float) -> AsyncIterator[None]:
        """Bound what happens within, and say in our words what kept an answer from coming."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise errors.DeadlineExceededError(
                f"expected {self._to.server} to answer {request} within {seconds:g} s, "
                "got nothing: it is overloaded, or something on the way drops packets"
            ) from error
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            raise errors.UnreachableError(
                f"could not reach {self._to.server} for {request}: {_explained(error)}"
            ) from error


class _Connections:
    """The connections that were made with one generation of credentials."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.users = 0
        self.calls = _session(tls, connections=_CONNECTIONS)
        # Watches hold their connections for minutes, and must not take them from the calls.
        self.watches = _session(tls, connections=0)
        self.writes = _session(tls, connections=_CONNECTIONS)
        # aiohttp sends a PUT or DELETE again, and tells nobody, when the connection breaks before
        # the answer: a compare-and-swap that landed would come back as another's conflict.
        self.writes._retry_connection = False  # noqa: SLF001 - as aiohttp's own TestClient has it

    def session(self, request: Request, *, watching: bool) -> aiohttp.ClientSession:
        """The connections that a request goes by."""
        if watching:
            return self.watches
        return self.calls if request.method == "GET" else self.writes

    async def close(self) -> None:
        await self.calls.close()
        await self.watches.close()
        await self.writes.close()


def _session(tls: ssl.SSLContext | None, *, connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Deadlines are ours; aiohttp's default would end a watch after five minutes.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
    )


async def _read(response: aiohttp.ClientResponse, request: Request) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise errors.AnswerError(
                f"expected at most {MAX_BODY_BYTES} bytes in the answer to {request}, got more: "
                "ask for smaller pages"
            )
        parts.append(part)
    return b"".join(parts)


def retry_after_seconds(request: Request, code: int, header: str) -> int | None:
    """Return how long to wait before sending a refused request again; None is not to."""
    if not header.isdigit():
        return None
    # A 429 was not carried out, whatever it was; after a 5xx only reading again is harmless.
    reading = request.method == "GET" and code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return int(header) if code == http.HTTPStatus.TOO_MANY_REQUESTS or reading else None


def _explained(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return (
                f"its certificate is not trusted ({error.certificate_error}): check "
                "certificate-authority and tls-server-name of the kubeconfig"
            )
        case aiohttp.ClientConnectorError():
            return (
                f"{error.strerror or error.os_error}: check that it runs and the address is right"
            )
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer: whether it acted is not known"
        case _:
            return f"{type(error).__name__} {error}: whether it acted is not known"
