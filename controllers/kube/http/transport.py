"""Sends requests to an API server and reads the responses. Shell: time.

Every call has a deadline and every read a limit; credentials are renewed when refused, Retry-After
is honoured, and the client-side rate limit is applied. Objects are not interpreted.
"""

import asyncio
import contextlib
import http
import itertools
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import aiohttp

from controllers.kube import errors, responses
from controllers.kube.auth import access
from controllers.kube.http import limiter, proxies
from controllers.kube.http.connections import Channel, Connections, Stream
from controllers.kube.http.exchange import Answer, LostError, MalformedError
from controllers.kube.requests import Request

# The API server accepts objects of at most 3 MiB (k8s.io/apiserver MaxRequestBodyBytes); the rest
# leaves room for managedFields and JSON escapes.
MAX_EVENT_BYTES = 8 * 1024 * 1024
_Response = TypeVar("_Response", bound=Answer | Stream)
Connect: TypeAlias = Callable[[access.Access, str | None], Channel]
"""Makes the connections for an identity, given the settings and the proxy."""
_Send: TypeAlias = Callable[[Request, access.Identity], Awaitable[_Response]]

# As client-go: k8s.io/client-go/rest/request.go maxRetries.
_MAX_ATTEMPTS = 10


class Transport:
    """The connections to an API server, opened on demand and reopened when lost."""

    def __init__(
        self,
        to: access.Access,
        *,
        on_warning: Callable[[str], None],
        user_agent: str,
        rate: limiter.Rate | None = None,
        connect: Connect = Connections,
    ) -> None:
        self._to, self._connect = to, connect
        self._proxy = to.proxy or proxies.from_environment(to.server, os.environ)
        self._on_warning = on_warning
        self._user_agent = user_agent
        self._clock = asyncio.get_running_loop().time
        self._limiter = limiter.Limiter(rate, clock=self._clock) if rate is not None else None
        self._generation = 0
        self._current = connect(to, self._proxy)
        self._retired: set[Channel] = set()

    async def close(self) -> None:
        """Close all connections; a running watch ends with an error."""
        for connections in (self._current, *self._retired):
            await connections.close()

    async def call(self, request: Request, deadline_seconds: float) -> Any:
        """Send a request and return the response's JSON.

        Raises:
            ApiError: The API server refused it.
            UnreachableError: There was no complete response.
        """
        return responses.decode(await self.body(request, deadline_seconds), str(request))

    async def body(self, request: Request, deadline_seconds: float) -> bytes:
        """Send a request and return the raw response body.

        Raises:
            ApiError: The API server refused it.
            UnreachableError: There was no complete response.
        """
        async with self._deadline(request, deadline_seconds):
            return (await self._send_with_retries(request, deadline_seconds, self._call)).body

    async def lines(
        self,
        request: Request,
        *,
        deadline_seconds: float,
        silence_seconds: float,
        on_open: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:
        """Send a request and yield the lines of the response until the server ends it.

        Args:
            request: A watch.
            deadline_seconds: Timeout for the start of the response.
            silence_seconds: Timeout for the next bytes.
            on_open: Called once the response has begun.

        Raises:
            ApiError: The API server refused it.
            UnreachableError: The connection was lost or fell silent.
        """
        lines = responses.Lines(MAX_EVENT_BYTES)
        async with contextlib.AsyncExitStack() as lent:

            async def watch(request: Request, identity: access.Identity) -> Answer | Stream:
                connections = await lent.enter_async_context(self._borrow(identity))
                return await connections.watch(request, self._headers(request, identity))

            async with self._deadline(request, deadline_seconds):
                stream = await self._send_with_retries(
                    request, deadline_seconds, watch, watching=True
                )
            assert not isinstance(stream, Answer)  # noqa: S101 - complete responses are errors
            lent.callback(stream.close)
            on_open()
            while True:
                async with self._deadline(request, silence_seconds):
                    chunk = await stream.read()
                if not chunk:
                    break
                for line in lines.feed(chunk):
                    yield line
        if not lines.is_between:
            raise errors.UnreachableError(
                f"{self._to.server} closed the connection within an event of {request}"
            )

    async def _call(self, request: Request, identity: access.Identity) -> Answer:
        async with self._borrow(identity) as connections:
            return await connections.call(request, self._headers(request, identity))

    def _headers(self, request: Request, identity: access.Identity) -> access.Headers:
        return (
            *identity.headers,
            *self._to.headers,
            ("Accept", request.accepts),
            ("User-Agent", self._user_agent),
            *((("Content-Type", request.content_type),) if request.content_type else ()),
        )

    async def _send_with_retries(
        self,
        request: Request,
        deadline_seconds: float,
        send: _Send[_Response],
        *,
        watching: bool = False,
    ) -> _Response:
        """Send, retrying within the deadline while the API server sends Retry-After."""
        ends = self._clock() + deadline_seconds
        for attempt in itertools.count(1):
            # A retried request takes another token, as in client-go. A watch takes a single one
            # when it starts: resuming it must not be delayed.
            if self._limiter is not None and (attempt == 1 or not watching):
                await self._limiter.wait(request, ends - self._clock())
            answer = await self._authenticated(request, send)
            if not isinstance(answer, Answer) or answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
                return answer
            seconds = retry_after_seconds(request, answer.status, answer.retry_after)
            too_late = seconds is not None and self._clock() + seconds >= ends
            if seconds is None or too_late or attempt == _MAX_ATTEMPTS:
                raise responses.failure(answer.status, answer.body, str(request))
            await asyncio.sleep(seconds)
        raise AssertionError

    async def _authenticated(self, request: Request, send: _Send[_Response]) -> _Response:
        """Send; if the credentials are refused and newer ones exist, send once more."""
        identity = await self._to.credentials.identity()
        answer = await send(request, identity)
        if isinstance(answer, Answer) and answer.status == http.HTTPStatus.UNAUTHORIZED:
            renewed = await self._to.credentials.renew(identity)
            if renewed != identity:
                answer = await send(request, renewed)
        for text in responses.warnings(answer.warnings):
            self._on_warning(text)
        return answer

    @contextlib.asynccontextmanager
    async def _borrow(self, identity: access.Identity) -> AsyncIterator[Channel]:
        """Borrow the connections of a credential generation: certificates are per connection."""
        if identity.generation > self._generation:
            self._generation = identity.generation
            self._retired.add(self._current)
            self._current = self._connect(self._to, self._proxy)
        lent = self._current
        lent.users += 1
        try:
            yield lent
        finally:
            lent.users -= 1
            # Retired connections are closed with their last user.
            for unused in [each for each in self._retired if not each.users]:
                self._retired.discard(unused)
                await unused.close()

    @contextlib.asynccontextmanager
    async def _deadline(self, request: Request, seconds: float) -> AsyncIterator[None]:
        """Apply a deadline and translate connection errors."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            raise errors.DeadlineExceededError(
                f"expected a response of {self._to.server} to {request} within {seconds:g} s, "
                "got none: it is overloaded, or packets are dropped on the way"
            ) from error
        except MalformedError as error:
            raise errors.AnswerError(
                f"expected {error.expected} in the response to {request}, got {error.got}"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise errors.UnreachableError(
                f"could not reach {self._to.server} for {request}: {_explain(error)}"
            ) from error


def retry_after_seconds(request: Request, code: int, header: str) -> int | None:
    """Return the delay before retrying a refused request; None not to retry."""
    if not header.isdigit():
        return None
    # A 429 had no effect; after a 5xx only reads may be retried.
    reading = request.method == "GET" and code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return int(header) if code == http.HTTPStatus.TOO_MANY_REQUESTS or reading else None


def _explain(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError() | aiohttp.ClientConnectorCertificateError():
            untrusted = getattr(error, "certificate_error", error)
            return (
                f"its certificate is not trusted ({untrusted}): check certificate-authority and "
                "tls-server-name of the kubeconfig"
            )
        case aiohttp.ClientConnectorError():
            return _connection_error(error.strerror or str(error.os_error))
        case LostError() | aiohttp.ServerDisconnectedError():
            reason = f" ({error})" if isinstance(error, LostError) and error.args else ""
            return (
                f"it closed the connection without a response{reason}: whether the request took "
                "effect is unknown"
            )
        case aiohttp.ClientError():
            return f"{type(error).__name__} {error}: whether the request took effect is unknown"
        case _:
            return _connection_error(str(error))


def _connection_error(reason: str) -> str:
    return f"{reason}: check that it is running and the address is correct"
