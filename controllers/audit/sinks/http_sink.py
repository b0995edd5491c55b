"""Sends an audit log to an HTTP endpoint, as JSON lines. Shell: a client.

An answer that is lost makes the next request repeat lines; chain and sequence number tell.
"""

from collections.abc import Sequence
from typing import Final
from urllib import parse

import aiohttp

from controllers.audit.sinks.base import Opened, SinkError

TIMEOUT_SECONDS: Final = 10.0
CONTENT_TYPE: Final = "application/x-ndjson"
_OK: Final = range(200, 300)


class HttpSink:
    """Posts lines; every process begins a chain.

    Args:
        url: Of http or https.
        timeout_seconds: Of a request.
    """

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url, self._timeout_seconds = url, timeout_seconds
        parts = parse.urlsplit(url)
        # The query may have a token.
        self._shown = f"{parts.scheme}://{parts.netloc}{parts.path}"
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> Opened:
        """Begin a chain; see ``Sink.open``."""
        timeout = aiohttp.ClientTimeout(total=self._timeout_seconds)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return Opened()

    async def write(self, lines: Sequence[bytes]) -> None:
        """Send lines in a request; see ``Sink.write``."""
        assert self._session is not None  # noqa: S101 - opened before
        try:
            async with self._session.post(
                self._url,
                data=b"".join(lines),
                headers={"Content-Type": CONTENT_TYPE},
                allow_redirects=False,
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SinkError(f"sending to {self._shown} failed: {type(error).__name__}") from error
        if status not in _OK:
            raise SinkError(f"expected a status of 200 to 299 from {self._shown}, got {status}")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
