"""HTTP client for endpoints chosen by users, without access to private addresses. Shell.

The check is on the address of each socket: it covers whatever a name resolves to at any time, and
any notation of addresses. Redirects are not followed, proxies from the environment are not used,
and messages contain only an endpoint's origin, because paths and queries may contain secrets.
"""

import asyncio
import contextlib
import contextvars
import dataclasses
import datetime as dt
import email.utils
import http
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, Protocol, Self, TypeAlias

import aiohttp
import msgspec
import yarl

from controllers.runs.runtimes.base import JSON, Code, RuntimeFault

MAX_BODY_BYTES: Final = 1024 * 1024
MAX_WAIT_SECONDS: Final = 3600.0
# Maximum length of an endpoint's text in a message.
_MAX_TEXT: Final = 256

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# Addresses that are not globally reachable, and multicast, from IANA's special-purpose address
# registries as of 2025. Listed here because `ipaddress.is_global` differs between patch releases of
# Python.
_CLOSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Azure's wire server: a public address that serves secrets to each machine. The metadata
        # services of other clouds are covered above (169.254.169.254, 100.100.100.200, 192.0.0.192)
        # or are no global IPv6 (fd00:ec2::254, fd20:ce::254).
        "168.63.129.16/32",
        # Exceptions within 2000::/3, the only public range of IPv6: Teredo and other protocols,
        # documentation, and 6to4, which embeds an IPv4 address.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")
# RFC 6052: the last 32 bits are the IPv4 address that is reached.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """Destinations allowed in addition to public addresses.

    Attributes:
        networks: Allowed addresses, for any host name.
        hosts: Allowed names, with any address.
    """

    networks: tuple[_Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Parse a list of addresses, CIDRs (``10.1.0.0/16``) and host names."""
        networks: list[_Network] = []
        hosts: set[str] = set()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                hosts.add(_name(entry))
        return cls(tuple(networks), frozenset(hosts))

    def has_host(self, host: str) -> bool:
        """Return whether a name may resolve to any address."""
        return _name(host) in self.hosts

    def has_address(self, text: str) -> bool:
        """Return whether connections to an address are allowed."""
        address = ipaddress.ip_address(text.partition("%")[0])
        return any(address in network for network in self.networks) or _is_public(address)


class Destinations(Protocol):
    """Decides on destinations, as ``Allowed`` does."""

    def has_host(self, host: str) -> bool:
        """Return whether a name may resolve to any address."""

    def has_address(self, text: str) -> bool:
        """Return whether connections to an address are allowed."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Response of an endpoint.

    Attributes:
        origin: Scheme, host and port of the endpoint.
        status: The HTTP status code.
        body: Raw body.
        is_json: Whether its media type is JSON.
        retry_after_seconds: Requested delay, at most an hour.
    """

    origin: str
    status: int
    body: bytes = b""
    is_json: bool = False
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status code is 2xx."""
        return http.HTTPStatus.OK <= self.status < http.HTTPStatus.MULTIPLE_CHOICES

    def decoded(self) -> JSON:
        """Return the JSON of the body; None if it is empty, or not JSON by media type and content.

        Raises:
            RuntimeFault: It is invalid although its media type is JSON.
        """
        if not self.body.strip():
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if not self.is_json:
                return None
            raise RuntimeFault(
                Code.RETRYABLE, f"expected JSON from {self.origin}, got another format: {error}"
            ) from error

    def fault(self) -> RuntimeFault:
        """Return the fault for an unsuccessful response."""
        return RuntimeFault(
            _code(self.status),
            f"expected success from {self.origin}, got HTTP {self.status}{self._said()}",
            retry_after_seconds=self.retry_after_seconds,
        )

    def _said(self) -> str:
        """Return the endpoint's error message, if there is one; nothing else of the body."""
        if 300 <= self.status < 400:  # noqa: PLR2004 - redirects
            return ": redirects are not followed"
        with contextlib.suppress(RuntimeFault):
            decoded = self.decoded()
            if isinstance(decoded, dict):
                error = decoded.get("error")
                message = (
                    error.get("message") if isinstance(error, dict) else decoded.get("message")
                )
                return f": {text(message, _MAX_TEXT)}" if isinstance(message, str) else ""
        return ""


@dataclasses.dataclass(slots=True)
class _Attempt:
    """A call, for the socket factory."""

    is_trusted: bool
    refused: list[str] = dataclasses.field(default_factory=list)


_attempt: contextvars.ContextVar[_Attempt] = contextvars.ContextVar("attempt")


class Caller:
    """Client connections, opened on demand.

    Args:
        allowed: Allowed destinations.
        deadline_seconds: For a complete response.
        tls: Trust configuration; None for the system's CAs.
        now: The wall clock, for dates in ``Retry-After``.
    """

    def __init__(
        self,
        allowed: Destinations,
        *,
        deadline_seconds: float,
        tls: ssl.SSLContext | None,
        now: Callable[[], dt.datetime],
    ) -> None:
        self._allowed, self._deadline_seconds = allowed, deadline_seconds
        self._tls, self._now = tls, now
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def call(
        self,
        method: str,
        url: yarl.URL,
        *,
        key: str = "",
        body: JSON = msgspec.UNSET,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, and return the response.

        Args:
            method: HTTP method.
            url: From ``parse``.
            key: Idempotency key; empty for none.
            body: JSON of the request; unset for none.
            headers: Additional headers.

        Raises:
            RuntimeFault: There was no complete response, or the address is not allowed.
        """
        attempt = _Attempt(self._allowed.has_host(url.host or ""))
        token = _attempt.set(attempt)
        try:
            given = {**(headers or {}), **({"Idempotency-Key": key} if key else {})}
            async with self._sent(method, url, given, body) as response:
                return self._answer(url, response, await _read(response, url))
        except TimeoutError as error:
            raise RuntimeFault(
                Code.RETRYABLE,
                f"expected {origin(url)} to respond within {self._deadline_seconds:g} s, "
                "got no complete response",
            ) from error
        # uvloop raises RuntimeError for sockets; aiohttp raises ValueError for invalid hosts.
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            raise _unreached(url, error, attempt.refused) from error
        finally:
            _attempt.reset(token)

    @contextlib.asynccontextmanager
    async def _sent(
        self, method: str, url: yarl.URL, given: Mapping[str, str], body: JSON
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "kubewright",
            **given,
        }
        data = None
        if body is not msgspec.UNSET:
            headers["Content-Type"] = "application/json"
            data = msgspec.json.encode(body)
        if self._session is None:
            self._session = self._opened()
        async with (
            asyncio.timeout(self._deadline_seconds),
            self._session.request(
                method, url, headers=headers, data=data, allow_redirects=False
            ) as response,
        ):
            yield response

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls or True, socket_factory=self._socket)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The timeout is set by the caller.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            # Protects from decompression bombs.
            auto_decompress=False,
            trust_env=False,
        )

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Create a socket for an allowed address."""
        family, kind, protocol, _, address = info
        attempt = _attempt.get()
        if not attempt.is_trusted and not self._allowed.has_address(address[0]):
            attempt.refused.append(address[0])
            raise PermissionError(f"connections to {address[0]} are not allowed")
        return socket.socket(family=family, type=kind, proto=protocol)

    def _answer(self, url: yarl.URL, response: aiohttp.ClientResponse, body: bytes) -> Answer:
        kind = response.content_type
        return Answer(
            origin=origin(url),
            status=response.status,
            body=body,
            is_json=kind == "application/json" or kind.endswith("+json"),
            retry_after_seconds=_seconds(response.headers, self._now()),
        )


def parse(given: str, base: yarl.URL | None = None) -> yarl.URL:
    """Parse the URL of an endpoint.

    Args:
        given: Written by a user or an endpoint.
        base: Base of a relative URL; HTTPS must not lead to HTTP.

    Raises:
        RuntimeFault: It is invalid.
    """
    try:
        url = yarl.URL(given)
        url = url if base is None else base.join(url)
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and bool(url.port)
    except ValueError as error:
        raise RuntimeFault(Code.TERMINAL, "expected an HTTP URL, got an invalid one") from error
    if not is_usable:
        raise RuntimeFault(
            Code.TERMINAL, f"expected http:// or https:// and a host, got scheme {url.scheme!r}"
        )
    if url.user is not None or url.password is not None:
        raise RuntimeFault(
            Code.TERMINAL, f"expected no user or password in the URL at {origin(url)}, got one"
        )
    if base is not None and base.scheme == "https" and url.scheme != "https":
        raise RuntimeFault(
            Code.TERMINAL, f"expected an https URL, as at {origin(base)}, got {origin(url)}"
        )
    return url.with_fragment(None)


def origin(url: yarl.URL) -> str:
    """Return scheme, host and port: the part of a URL that messages may contain."""
    return str(url.origin())


def text(value: str, most: int) -> str:
    """Sanitize another program's text for a message: no control characters, limited length."""
    printable = "".join(each if each.isprintable() else " " for each in value[: 4 * most])
    return " ".join(printable.split())[:most]


# ---------------------------------------------------------------------------------------- pure


def _name(host: str) -> str:
    return host.lower().removesuffix(".")


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        # This excludes IPv4-mapped addresses (RFC 4291): a public one has an IPv4 notation.
        if address not in _PUBLIC_IPV6:
            return False
    return not any(address in network for network in _CLOSED)


def _code(status: int) -> Code:
    match status:
        case http.HTTPStatus.TOO_MANY_REQUESTS:
            return Code.QUOTA
        case http.HTTPStatus.REQUEST_TIMEOUT | http.HTTPStatus.TOO_EARLY:
            return Code.RETRYABLE
        case (
            http.HTTPStatus.UNAUTHORIZED
            | http.HTTPStatus.FORBIDDEN
            | http.HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        ):
            return Code.DENIED
        case http.HTTPStatus.NOT_FOUND | http.HTTPStatus.GONE:
            return Code.NOT_FOUND
        case _ if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return Code.RETRYABLE
        case _:
            return Code.TERMINAL


def _seconds(headers: Mapping[str, str], now: dt.datetime) -> float | None:
    """Parse ``Retry-After``, in seconds or as a date (RFC 9110, 10.2.3)."""
    given = headers.get("Retry-After", "")
    if given.isascii() and given.isdigit():
        # More digits would overflow a float.
        return min(float(given[:9]), MAX_WAIT_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return min(max((aware - now).total_seconds(), 0.0), MAX_WAIT_SECONDS)


def _unreached(url: yarl.URL, error: Exception, refused: list[str]) -> RuntimeFault:
    if refused:
        return RuntimeFault(
            Code.DENIED,
            f"expected a public address for {origin(url)}, got {', '.join(sorted({*refused}))}: "
            "the operator can allow it",
        )
    match error:
        case aiohttp.InvalidURL():
            return RuntimeFault(
                Code.TERMINAL, f"expected a host that resolves in {origin(url)}, got an invalid one"
            )
        case aiohttp.ClientConnectorCertificateError():
            why = f"its certificate is not trusted ({error.certificate_error})"
        case aiohttp.ClientConnectorError():
            why = str(error.strerror or error.os_error)
        case _:
            # Other errors' texts may contain the complete URL.
            why = type(error).__name__
    return RuntimeFault(Code.RETRYABLE, f"could not reach {origin(url)}: {text(why, _MAX_TEXT)}")


async def _read(response: aiohttp.ClientResponse, url: yarl.URL) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected at most {MAX_BODY_BYTES} bytes from {origin(url)}, got more",
            )
        parts.append(part)
    return b"".join(parts)
