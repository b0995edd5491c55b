"""The connections of one identity: calls by `exchange`, watches and proxies by aiohttp. Shell."""

import dataclasses
import http
import ssl

import aiohttp
import yarl

from controllers.kube import access, errors, exchange
from controllers.kube.exchange import Answer
from controllers.kube.requests import Request

# What a watch reads at once: more than aiohttp's 64 KiB, since thousands of events come in a burst.
_WATCH_BYTES = 256 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """An answer that goes on until the server ends it."""

    response: aiohttp.ClientResponse

    @property
    def status(self) -> int:
        """Of the answer's head."""
        return self.response.status

    @property
    def warnings(self) -> tuple[str, ...]:
        """The ``Warning`` headers."""
        return tuple(self.response.headers.getall("Warning", ()))

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        return await self.response.content.readany()

    def close(self) -> None:
        """End it."""
        self.response.close()


class Connections:
    """The connections that were made with one generation of credentials.

    Attributes:
        users: How many are using them.
    """

    def __init__(self, to: access.Access, proxy: str | None) -> None:
        self.users = 0
        self._to, self._proxy = to, proxy
        url = yarl.URL(to.server)
        self._base, self._host = url.raw_path.rstrip("/"), url.host_port_subcomponent
        self._calls = exchange.Pool(to)
        # Watches hold their connections for minutes, and must not take them from the calls.
        self._watches = _session(to.tls, connections=0)
        self._proxied = _session(to.tls, connections=exchange.MOST_CONNECTIONS)
        # aiohttp sends a PUT or DELETE again, and tells nobody, when the connection breaks before
        # the answer; `call` sends again what may be.
        self._proxied._retry_connection = False  # noqa: SLF001 - as aiohttp's own TestClient has it

    async def call(self, request: Request, headers: access.Headers) -> Answer:
        """Send a request and read its answer.

        Raises:
            MalformedError: It is no HTTP, or too long.
            OSError: There was no whole answer.
            aiohttp.ClientError: Likewise, by way of a proxy.
        """
        try:
            return await self._call(request, headers)
        except (exchange.LostError, aiohttp.ServerDisconnectedError):
            # A kept connection may have ended as it was used. A write may have landed: sent again,
            # a compare-and-swap that succeeded would come back as another's conflict.
            if request.method != "GET":
                raise
        return await self._call(request, headers, anew=True)

    async def _call(
        self, request: Request, headers: access.Headers, *, anew: bool = False
    ) -> Answer:
        if self._proxy is None:
            return await self._calls.ask(
                self._head(request, headers), request.body or b"", anew=anew
            )
        response = await self._request(self._proxied, request, headers)
        return await _whole(response)

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
                f"expected no line ends in the headers of {request}, got some: look at the token "
                "and whom to act as"
            )
        return f"{head}\r\n\r\n".encode()

    async def watch(self, request: Request, headers: access.Headers) -> Answer | Stream:
        """Send a request whose answer goes on; a refusal comes as a whole answer.

        Raises:
            OSError: There was no answer.
            aiohttp.ClientError: Likewise.
        """
        response = await self._request(self._watches, request, headers)
        is_fine = response.status < http.HTTPStatus.MULTIPLE_CHOICES
        return Stream(response) if is_fine else await _whole(response)

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
        """End all of them."""
        self._calls.close()
        await self._watches.close()
        await self._proxied.close()


def _session(tls: ssl.SSLContext | None, *, connections: int) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls or True),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Kubernetes 1.37 compresses watches for whoever takes that: 1.5 % of the API server's CPU
        # under load, and 2 % of a controller's.
        skip_auto_headers={"Accept-Encoding"},
        # Deadlines are ours; aiohttp's default would end a watch after five minutes.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        read_bufsize=_WATCH_BYTES,
    )


async def _whole(response: aiohttp.ClientResponse) -> Answer:
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
