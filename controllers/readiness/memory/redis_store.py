"""Probes Redis: connect, TLS, AUTH, PING. Shell: sockets."""

from collections.abc import Mapping
from typing import Any

import redis.asyncio
from redis import exceptions

from controllers.readiness.memory import destinations
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.connections import Connection
from controllers.readiness.memory.destinations import NamedContext, ProbeError
from controllers.readiness.memory.health import failure

_REFUSED = (exceptions.AuthenticationError, exceptions.NoPermissionError)


class _Connection(redis.asyncio.Connection):
    """A connection to an address, with a TLS context of our own."""

    context: NamedContext | None = None

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments = dict(super()._connection_arguments())
        return arguments if self.context is None else {**arguments, "ssl": self.context}


async def probe(connection: Connection, addresses: StoreAddresses) -> str:
    """Return what the server says of itself.

    Raises:
        ProbeError: It cannot be used.
        OSError: There was no connection.
    """
    with_tls = connection.tls != "disable"
    opened = _Connection(
        host=await destinations.resolve(connection, addresses),
        port=connection.port,
        username=connection.username or None,
        password=connection.password or None,
        db=_database(connection.database),
        # CLIENT SETINFO and HELLO would need rights that an ACL may not give.
        protocol=2,
        driver_info=None,
        retry=None,
    )
    opened.context = destinations.tls_context(connection) if with_tls else None
    try:
        await opened.connect()  # type: ignore[no-untyped-call] # of redis-py
        await opened.send_command("PING")
        await opened.read_response()
    except exceptions.RedisError as error:
        raise _error(error) from error
    finally:
        # Without waiting for a server that may be paused.
        await opened.disconnect(nowait=True)
    return f"Redis, {'with' if with_tls else 'without'} TLS"


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit() and len(text) < 6):  # noqa: PLR2004 - digits
        message = "expected the number of a database as the path of the URL"
        raise ProbeError(failure("InvalidConnection", message, is_invalid=True))
    return int(text or 0)


def _error(error: exceptions.RedisError) -> Exception:
    """Return what an error means; the text of a server's may contain anything and is not shown."""
    text = str(error)
    if isinstance(error, _REFUSED) or text.startswith(("WRONGPASS", "NOAUTH", "NOPERM")):
        message = "expected the credentials to be accepted, got a refusal"
        return ProbeError(failure("AuthenticationFailed", message))
    if isinstance(error, exceptions.BusyLoadingError):
        message = "the server is loading its data"
        return ProbeError(failure("NotAccepting", message, is_definite=False))
    cause = error.__cause__ or error.__context__
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError):
        return cause if isinstance(cause, OSError) else ConnectionResetError("connection closed")
    message = "expected PONG, got an error"
    return ProbeError(failure("ProtocolError", message))
