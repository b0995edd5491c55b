"""State that a listener's connections share; some give way when limits are reached. Shell."""

import asyncio
import collections
import dataclasses
import operator
import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from webhooks.answers import Observe
from webhooks.routing import Route


@dataclasses.dataclass(frozen=True)
class Limits:
    """Time and size limits.

    Attributes:
        head_seconds: From the first byte of a request to the end of its head.
        body_seconds: From there to the end of its body.
        write_seconds: Until a client has read a response.
        idle_seconds: The API server keeps idle connections for 90 s (Go's default transport), and
            fails the next call on one that the server closed first.
        connection_seconds: After about this long a connection is closed with a response, so that
            load spreads to new replicas.
        held_bytes: All bodies in flight and the responses below.
        answers_bytes: All parts of responses that clients have not read yet.
        connections: Maximum number of connections.
        idle_connections: Maximum number of idle connections per source address.
    """

    head_seconds: float = 10.0
    body_seconds: float = 30.0
    write_seconds: float = 30.0
    idle_seconds: float = 120.0
    connection_seconds: float = 600.0
    held_bytes: int = 160 * 1024 * 1024
    answers_bytes: int = 112 * 1024 * 1024
    connections: int = 4096
    idle_connections: int = 512


class Connection(Protocol):
    """A connection, as the listener's state sees it.

    Attributes:
        source: Address of the client.
        reading_since: Time at which the request that is being received began.
        writing_until: Deadline for reading the response.
        idle_until: Deadline for the next request.
    """

    source: str
    reading_since: float
    writing_until: float
    idle_until: float

    @property
    def deadline(self) -> float:
        """Time at which it is closed if nothing happens."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is in flight."""

    @property
    def is_idle(self) -> bool:
        """Whether it waits for a request."""

    @property
    def is_writing(self) -> bool:
        """Whether a part of a response is held until the client has read the previous ones."""

    @property
    def holds_bodies(self) -> bool:
        """Whether a body is being received and holds memory."""

    @property
    def path(self) -> str:
        """Path of the request that is being received."""

    def answer_waiting(self) -> None:
        """Answer pending requests."""

    def refuse_for_lack_of_room(self) -> None:
        """Refuse the request that is being received."""

    def time_out(self) -> None:
        """Handle the passed deadline."""

    def stop(self) -> None:
        """Close without waiting for slow readers."""

    def abort(self) -> None:
        """End the connection immediately."""


class Lean:
    """The connections of a listener and their shared state.

    Args:
        paths: The routes by path.
        limits: The limits.
        observe: Callback invoked for each response.
    """

    def __init__(
        self,
        paths: Mapping[str, Route],
        *,
        limits: Limits | None = None,
        observe: Observe,
    ) -> None:
        self.paths, self.limits, self.observe = paths, limits or Limits(), observe
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.held_bodies: collections.Counter[str] = collections.Counter()
        self.bodies_bytes = self.answers_bytes = 0
        self.is_draining = False
        self._ready: list[Connection] = []
        self.last_request = time.monotonic()
        self._sweeper = self.loop.call_later(1, self._sweep)

    @property
    def in_flight(self) -> int:
        """Number of requests in flight."""
        return sum(connection.is_busy for connection in self.connections)

    def soon(self, connection: Connection) -> None:
        """Answer a connection's pending requests once everything received was parsed."""
        if not self._ready:
            self.loop.call_soon(self._answer_ready)
        self._ready.append(connection)

    def _answer_ready(self) -> None:
        ready, self._ready = self._ready, []
        for connection in ready:
            connection.answer_waiting()

    def drain(self) -> None:
        """Close each connection after its next response."""
        self.is_draining = True

    def close(self) -> None:
        """Close every connection."""
        self._sweeper.cancel()
        for connection in [*self.connections]:
            connection.stop()

    def has_room_for(self, source: str) -> bool:
        """Return whether another connection may be served, closing idle ones if needed."""
        if len(self.connections) >= self.limits.connections:
            self._close_idle([*self.connections], keep=self.limits.connections // 2)
        same_source = [connection for connection in self.connections if connection.source == source]
        self._close_idle(same_source, keep=self.limits.idle_connections - 1)
        return len(self.connections) < self.limits.connections

    def _close_idle(self, connections: Sequence[Connection], *, keep: int) -> None:
        """Close the connections that have been idle longest."""
        if len(connections) <= keep:
            return
        idle = sorted(
            (connection for connection in connections if connection.is_idle), key=_IDLE_UNTIL
        )
        for connection in idle[: max(0, len(idle) - keep)]:
            connection.abort()

    def hold_body(self, path: str, size: int) -> None:
        """Count bytes of a body; a negative size releases them."""
        self.bodies_bytes += size
        self.held_bodies[path] += size

    def make_room_for_bodies(self, route: Route) -> None:
        """Refuse the requests that have been sending longest until bodies fit the limits.

        A well-behaved client sends its body at once; slow ones hold memory.
        """
        while self._has_too_much(route):
            is_path_full = self.held_bodies[route.path] > route.max_total_bytes
            reading = [
                connection
                for connection in self.connections
                if connection.holds_bodies and (not is_path_full or connection.path == route.path)
            ]
            if not reading:
                return
            min(reading, key=_READING_SINCE).refuse_for_lack_of_room()

    def _has_too_much(self, route: Route) -> bool:
        return (
            self.bodies_bytes + self.answers_bytes > self.limits.held_bytes
            or self.held_bodies[route.path] > route.max_total_bytes
        )

    def make_room_for_answers(self) -> None:
        """Abort the clients that have been reading longest until responses fit the limit."""
        while self.answers_bytes > self.limits.answers_bytes:
            writing = [connection for connection in self.connections if connection.is_writing]
            min(writing, key=_WRITING_UNTIL).abort()

    def _sweep(self) -> None:
        """End connections past their deadline; a single timer is cheaper than one each."""
        now = self.loop.time()
        for connection in [*self.connections]:
            if connection.deadline < now:
                connection.time_out()
        self._sweeper = self.loop.call_later(1, self._sweep)


_IDLE_UNTIL: Final = operator.attrgetter("idle_until")
_READING_SINCE: Final = operator.attrgetter("reading_since")
_WRITING_UNTIL: Final = operator.attrgetter("writing_until")
