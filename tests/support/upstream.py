"""The API server behind a proxy, and which revisions of each kind went by. Shell: HTTP."""

import collections
import contextlib
import dataclasses
import io
from collections.abc import AsyncIterator, Mapping
from typing import Final, Self

import aiohttp
import multidict
import yarl
from aiohttp import web

from controllers.kube.auth import access
from tests.support import kube_calls
from tests.support.kube_calls import Call

MIB: Final = 1024 * 1024
_JSON: Final = "application/json"
_BINARY: Final = ("protobuf", "cbor")
# Of one connection or message only (RFC 9110 section 7.6.1), or the proxy's own business.
_NOT_PASSED_ON: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "date", "host"}
    | {"content-length", "accept", "accept-encoding", "authorization"}
)


class Upstream:
    """The API server, and which revisions of each kind went by."""

    # Enough for the lists of some minutes; etcd forgets after five.
    _KEPT_REVISIONS: Final = 1000

    def __init__(self, to: access.Access) -> None:
        self._to = to
        self._revisions: dict[str, collections.deque[int]] = collections.defaultdict(
            lambda: collections.deque(maxlen=self._KEPT_REVISIONS)
        )

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._to.tls or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("Accept-Encoding", "Content-Type", "User-Agent"),
            read_bufsize=8 * MIB,  # lines may be twice as long
        )
        # Nothing is to be sent twice that a controller sent once.
        self._session._retry_connection = False  # noqa: SLF001 - as aiohttp's own TestClient
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request as the user of the kubeconfig."""
        identity = await self._to.credentials.identity()
        accept = headers.get("Accept", _JSON)
        is_binary = Call.of(method, target).is_resource and any(one in accept for one in _BINARY)
        passed = [*passed_on(headers).items(), ("Accept", _JSON if is_binary else accept)]
        async with self._session.request(
            method,
            yarl.URL(self._to.server + target, encoded=True),
            headers=[*passed, *identity.headers, *self._to.headers],
            data=io.BytesIO(body) if body else None,
            allow_redirects=False,
            server_hostname=self._to.server_hostname,
        ) as response:
            yield response

    async def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> "Answer | None":
        """The whole answer; None where the connection broke."""
        try:
            async with self.request(method, target, headers, body) as response:
                return await Answer.of(response)
        except (aiohttp.ClientError, OSError):
            return None

    async def revision(self) -> int:
        """The newest."""
        answer = await self.answer("GET", "/api/v1/namespaces?limit=1", {})
        assert answer is not None
        return kube_calls.metadata(answer.body).revision

    def note(self, call: Call, revision: int) -> None:
        """Note what was seen of a kind."""
        noted = self._revisions[call.kind]
        if revision > (noted[-1] if noted else 0):
            noted.append(revision)

    def earlier(self, call: Call, changes: int) -> int:
        """The revision so many changes ago, or the earliest known; 0 where there is only one."""
        noted = self._revisions[call.kind]
        return noted[max(-1 - changes, -len(noted))] if len(noted) > 1 else 0


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """A whole one."""

    status: int
    headers: multidict.CIMultiDict[str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether it was carried out."""
        return self.status < 300

    @classmethod
    async def of(cls, response: aiohttp.ClientResponse) -> Self:
        """Read it to its end."""
        return cls(response.status, passed_on(response.headers), await response.read())

    def response(self) -> web.Response:
        """What passes it on."""
        return web.Response(status=self.status, headers=self.headers, body=self.body)


def passed_on(headers: Mapping[str, str]) -> multidict.CIMultiDict[str]:
    """The headers that are not of one connection."""
    kept = [(name, value) for name, value in headers.items() if name.lower() not in _NOT_PASSED_ON]
    return multidict.CIMultiDict(kept)
