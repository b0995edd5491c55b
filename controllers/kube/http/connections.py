"""Connections of an identity: calls by `exchange`, watches and proxies by aiohttp. Shell."""

import dataclasses
import http
import ssl
from typing import Protocol

import aiohttp
import yarl

from controllers.kube import errors
from controllers.kube.auth import access
from controllers.kube.http import exchange
from controllers.kube.http.exchange import Answer
from controllers.kube.requests import Request

# Read buffer of a watch: more than aiohttp's 64 KiB, since thousands of events come in a burst.
_WATCH_BYTES = 256 * 1024


class Stream(Protocol):
    """A response that continues until the server ends it."""

    @property
    def status(self) -> int:
        """HTTP status code."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The ``Warning`` headers."""

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end."""

    def close(self) -> None:
        """Close the response."""


class Channel(Protocol):
    """Sends requests; ``controllers.kube.testing`` has one without a network.

    Attributes:
        users: Number of current users.
    """

    users: int

    async def call(self, request: Request, headers: access.Headers) -> Answer:
        """Send a request and read its response."""

    async def watch(self, request: Request, headers: access.Headers) -> Answer | Stream:
        """Send a request with a continuing response; an error is returned as a complete one."""

    async def close(self) -> None:
        """Close all connections."""


@dataclasses.dataclass(frozen=True, slots=True)
class _HttpStream:
    response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        """HTTP status code."""
        return self.response.status

    @property
    def warnings(self) -> tuple[str, ...]:
        """The ``Warning`` headers."""
        return tuple(self.response.headers.getall("Warning", ()))

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end."""
        return await self.response.content.readany()

    def close(self) -> None:
        """Close the response."""
        self.response.close()


class Connections:
    """Connections of one generation of credentials.

    Attributes:
        users: Number of current users.
    """

    def __init__(self, to: access.Access, proxy: str | None) -> None:
        self.users = 0
        self._to, self._proxy = to, proxy
        url = yarl.URL(to.server)
        self._base, self._host = url.raw_path.rstrip("/"), url.host_port_subcomponent
        self._calls = exchange.Pool(to)
        # Watches hold their connections for minutes, and must not block calls.
        self._watches = _session(to.tls, connections=0)
        self._proxied = _session(to.tls, connections=exchange.MAX_CONNECTIONS)
        # aiohttp silently retries a PUT or DELETE if the connection breaks before the response;
        # `call` retries only what is safe.
        self._proxied._retry_connection = False  # noqa: SLF001 - as aiohttp's own TestClient does

    async def call(self, request: Request, headers: access.Headers) -> Answer:
        """Send a request and read its response.

        Raises:
            MalformedError: It is not HTTP, or too large.
            OSError: There was no complete response.
            aiohttp.ClientError: Likewise, through a proxy.
        """
        try:
            return await self._call(request, headers)
        except (exchange.LostError, aiohttp.ServerDisconnectedError):
            # A pooled connection may have ended when it was used. A write may have succeeded: a
            # retried compare-and-swap would be reported as a conflict.
            if request.method != "GET":
                raise
        return await self._call(request, headers, fresh=True)

    async def _call(
        self, request: Request, headers: access.Headers, *, fresh: bool = False
    ) -> Answer:
        if self._proxy is None:
            return await self._calls.ask(
                self._head(request, headers), request.body or b"", fresh=fresh
            )
        response = await self._request(self._proxied, request, headers)
        return await _complete(response)

    def _head(self, request: Request, headers: access.Headers) -> bytes:
        lines = [
            f"{request.method} {self._base}{request.target} HTTP/1.1",
            f"Host: {self._host}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        if request.body is not None:
            lines.append(f"Content-Length: {len(request.body)}")
        head = "\r\n".join(lines)
        if head.count("\n") + head.count("\r") != 2 * (len(lines) - 1):
            raise errors.ConfigurationError(
                f"expected headers of {request} without line breaks, got some: check the token and "
                "the impersonation settings"
            )
        return f"{head}\r\n\r\n".encode()

    async def watch(self, request: Request, headers: access.Headers) -> Answer | Stream:
        """Send a request with a continuing response; an error is returned as a complete response.

        Raises:
            OSError: There was no response.
            aiohttp.ClientError: Likewise.
        """
        response = await self._request(self._watches, request, headers)
        is_fine = response.status < http.HTTPStatus.MULTIPLE_CHOICES
        return _HttpStream(response) if is_fine else await _complete(response)

    async def _request(
        self, session: aiohttp.ClientSession, request: Request, headers: access.Headers
    ) -> aiohttp.ClientResponse:
        return await session.request(
            request.method,
            yarl.URL(self._to.server + request.target, encoded=True),
            headers=headers,
            data=request.body,
            allow_redirects=False,
            proxy=self._proxy,
            server_hostname=self._to.server_hostname,
        )

    async def close(self) -> None:
        """Close all connections."""
        self._calls.close()
        await self._watches.close()
        await self._proxied.close()


def _session(tls: ssl.SSLContext | None, *, connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Kubernetes 1.37 compresses watches on request: 1.5 % of the API server's CPU under load,
        # and 2 % of a controller's.
        skip_auto_headers={"Accept-Encoding"},
        # Deadlines are enforced by callers; aiohttp's default would end a watch after 5 minutes.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        read_bufsize=_WATCH_BYTES,
    )


async def _complete(response: aiohttp.ClientResponse) -> Answer:
    parts, size = [], 0
    async with response:
        async for part in response.content.iter_any():
            size += len(part)
            if size > exchange.MAX_BODY_BYTES:
                raise exchange.too_long()
            parts.append(part)
    return Answer(
        response.status,
        response.headers.get("Retry-After", ""),
        tuple(response.headers.getall("Warning", ())),
        b"".join(parts),
    )
