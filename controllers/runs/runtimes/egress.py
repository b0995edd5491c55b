"""Asks HTTP endpoints whose addresses users wrote, and no address they should not reach. Shell.

The check is made where a socket is made, on the address that it connects to: whatever a name
resolves to, now or the next time, and however an address is written. Redirects are not followed,
the environment's proxies are not used, and messages name an endpoint's origin only, because paths
and queries may hold secrets.
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
from typing import Any, Final, Self, TypeAlias

import aiohttp
import msgspec
import yarl

from controllers.runs.runtimes.base import JSON, Code, RuntimeFault

MOST_BODY_BYTES: Final = 1024 * 1024
MOST_WAIT_SECONDS: Final = 3600.0
# Of what an endpoint says, so much may stand in a message.
_MOST_TEXT: Final = 256

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# What is not globally reachable, and multicast: IANA's special-purpose address registries as of
# 2025. Written out, because `ipaddress.is_global` differs between Python's patch releases.
_CLOSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # Azure's wire server: public by its number, and answers each machine with its secrets. The
        # metadata services of other clouds are within the above (169.254.169.254, 100.100.100.200,
        # 192.0.0.192) or no global IPv6 (fd00:ec2::254, fd20:ce::254).
        "168.63.129.16/32",
        # Within 2000::/3, outside of which IPv6 has nothing public: Teredo and other protocols,
        # documentation, and 6to4, which hides an IPv4 address.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")
# RFC 6052: the IPv4 address in the last 32 bits is the one that is reached.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@dataclasses.dataclass(frozen=True, slots=True)
class Allowed:
    """What may be reached beside public addresses.

    Attributes:
        networks: Addresses, whoever names them.
        hosts: Names, whatever they resolve to.
    """

    networks: tuple[_Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """Read a list of addresses, CIDRs (``10.1.0.0/16``) and host names."""
        networks: list[_Network] = []
        hosts: set[str] = set()
        for entry in entries:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                hosts.add(_name(entry))
        return cls(tuple(networks), frozenset(hosts))

    def has_host(self, host: str) -> bool:
        """Whether a name may resolve to any address."""
        return _name(host) in self.hosts

    def has_address(self, text: str) -> bool:
        """Whether an address may be connected to."""
        address = ipaddress.ip_address(text.partition("%")[0])
        return any(address in network for network in self.networks) or _is_public(address)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered.

    Attributes:
        origin: Whose answer it is: scheme, host and port.
        status: The HTTP status code.
        body: As it came.
        is_json: Whether it says to be JSON.
        retry_after_seconds: When to come back, at most an hour from now.
    """

    origin: str
    status: int
    body: bytes = b""
    is_json: bool = False
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status code is one of 200 to 299."""
        return http.HTTPStatus.OK <= self.status < http.HTTPStatus.MULTIPLE_CHOICES

    def decoded(self) -> JSON:
        """The JSON of the body; None if it is empty, or is none and does not say to be.

        Raises:
            RuntimeFault: It says to be JSON and is none.
        """
        if not self.body.strip():
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if not self.is_json:
                return None
            raise RuntimeFault(
                Code.RETRYABLE, f"expected JSON from {self.origin}, got something else: {error}"
            ) from error

    def fault(self) -> RuntimeFault:
        """What an answer that is no success means."""
        return RuntimeFault(
            _code(self.status),
            f"expected a success from {self.origin}, got HTTP {self.status}{self._said()}",
            retry_after_seconds=self.retry_after_seconds,
        )

    def _said(self) -> str:
        """The endpoint's own message, if there is one; nothing else of the body."""
        if 300 <= self.status < 400:  # noqa: PLR2004 - what HTTP calls a redirect
            return ": redirects are not followed"
        with contextlib.suppress(RuntimeFault):
            decoded = self.decoded()
            if isinstance(decoded, dict):
                error = decoded.get("error")
                found = error.get("message") if isinstance(error, dict) else decoded.get("message")
                return f": {text(found, _MOST_TEXT)}" if isinstance(found, str) else ""
        return ""


@dataclasses.dataclass(slots=True)
class _Attempt:
    """One call, as the maker of its sockets sees it."""

    is_trusted: bool
    refused: list[str] = dataclasses.field(default_factory=list)


_attempt: contextvars.ContextVar[_Attempt] = contextvars.ContextVar("attempt")


class Caller:
    """Connections to endpoints, made when needed.

    Args:
        allowed: What may be reached beside public addresses.
        deadline_seconds: For a whole answer.
        tls: Whom to trust, if not the system's authorities.
        now: The wall clock, for dates in ``Retry-After``.
    """

    def __init__(
        self,
        allowed: Allowed,
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
        self, method: str, url: yarl.URL, *, key: str, body: JSON = msgspec.UNSET
    ) -> Answer:
        """Send a request, with a key for what it is about, and return the answer.

        Raises:
            RuntimeFault: There was no whole answer, or the address is none to connect to.
        """
        attempt = _Attempt(self._allowed.has_host(url.host or ""))
        token = _attempt.set(attempt)
        try:
            async with self._sent(method, url, key, body) as response:
                return self._answer(url, response, await _read(response, url))
        except TimeoutError as error:
            raise RuntimeFault(
                Code.RETRYABLE,
                f"expected {origin(url)} to answer within {self._deadline_seconds:g} s, "
                "got no whole answer",
            ) from error
        # uvloop has RuntimeErrors for sockets; aiohttp has ValueErrors for hosts that are none.
        except (aiohttp.ClientError, OSError, RuntimeError, ValueError) as error:
            raise _unreached(url, error, attempt.refused) from error
        finally:
            _attempt.reset(token)

    @contextlib.asynccontextmanager
    async def _sent(
        self, method: str, url: yarl.URL, key: str, body: JSON
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Idempotency-Key": key,
            "User-Agent": "kubewright",
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
            # The deadline is ours.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            # A small body must not become a large one.
            auto_decompress=False,
            trust_env=False,
        )

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for an address that may be connected to."""
        family, kind, protocol, _, address = info
        attempt = _attempt.get()
        if not attempt.is_trusted and not self._allowed.has_address(address[0]):
            attempt.refused.append(address[0])
            raise PermissionError(f"{address[0]} may not be connected to")
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
    """Read the address of an endpoint.

    Args:
        given: What a user or an endpoint wrote.
        base: What a relative one is relative to; from HTTPS no way leads to HTTP.

    Raises:
        RuntimeFault: It is none.
    """
    try:
        url = yarl.URL(given)
        url = url if base is None else base.join(url)
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and bool(url.port)
    except ValueError as error:
        raise RuntimeFault(Code.TERMINAL, "expected an HTTP address, got none at all") from error
    if not is_usable:
        raise RuntimeFault(
            Code.TERMINAL, f"expected http:// or https:// and a host, got scheme {url.scheme!r}"
        )
    if url.user is not None or url.password is not None:
        raise RuntimeFault(
            Code.TERMINAL, f"expected no user or password in the address at {origin(url)}, got one"
        )
    if base is not None and base.scheme == "https" and url.scheme != "https":
        raise RuntimeFault(
            Code.TERMINAL, f"expected {origin(base)} to stay with https, got {origin(url)}"
        )
    return url.with_fragment(None)


def origin(url: yarl.URL) -> str:
    """Scheme, host and port: all of an address that may stand in a message."""
    return str(url.origin())


def text(value: str, most: int) -> str:
    """What another program said, fit for a message: no control characters, and not too long."""
    printable = "".join(each if each.isprintable() else " " for each in value[: 4 * most])
    return " ".join(printable.split())[:most]


# ---------------------------------------------------------------------------------------- pure


def _name(host: str) -> str:
    return host.lower().removesuffix(".")


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return _is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        # This leaves out IPv4-mapped addresses: a public one has a name without that disguise.
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
    """What ``Retry-After`` says, as seconds or as a date (RFC 9110, 10.2.3)."""
    given = headers.get("Retry-After", "")
    if given.isascii() and given.isdigit():
        # Digits without end would be no float.
        return min(float(given[:9]), MOST_WAIT_SECONDS)
    try:
        at = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    aware = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return min(max((aware - now).total_seconds(), 0.0), MOST_WAIT_SECONDS)


def _unreached(url: yarl.URL, error: Exception, refused: list[str]) -> RuntimeFault:
    if refused:
        return RuntimeFault(
            Code.DENIED,
            f"expected a public address for {origin(url)}, got {', '.join(sorted({*refused}))}: "
            "the operator may allow it",
        )
    match error:
        case aiohttp.InvalidURL():
            return RuntimeFault(
                Code.TERMINAL, f"expected a host in {origin(url)} that can be looked up, got none"
            )
        case aiohttp.ClientConnectorCertificateError():
            why = f"its certificate is not trusted ({error.certificate_error})"
        case aiohttp.ClientConnectorError():
            why = str(error.strerror or error.os_error)
        case _:
            # The text of others may hold the whole address.
            why = type(error).__name__
    return RuntimeFault(Code.RETRYABLE, f"could not reach {origin(url)}: {text(why, _MOST_TEXT)}")


async def _read(response: aiohttp.ClientResponse, url: yarl.URL) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MOST_BODY_BYTES:
            raise RuntimeFault(
                Code.TERMINAL,
                f"expected at most {MOST_BODY_BYTES} bytes from {origin(url)}, got more",
            )
        parts.append(part)
    return b"".join(parts)
