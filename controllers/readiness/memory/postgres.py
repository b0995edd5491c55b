"""Probes PostgreSQL: connect, TLS, authentication, a query, and pgvector. Shell: sockets."""

import asyncpg

from controllers.readiness.memory import destinations
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.connections import Connection
from controllers.readiness.memory.destinations import ProbeError
from controllers.readiness.memory.health import Outcome, failure

# Everything in one round trip. pg_stat_ssl shows each user its own connection.
_QUERY = """
SELECT current_setting('server_version'),
       COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false),
       (SELECT extversion FROM pg_extension WHERE extname = 'vector')
"""


async def probe(connection: Connection, addresses: StoreAddresses, *, needs_vector: bool) -> str:
    """Return what the server says of itself.

    Args:
        connection: From the Memory's Secret.
        addresses: Addresses that may be connected to.
        needs_vector: Whether pgvector has to be there.

    Raises:
        ProbeError: It cannot be used.
        OSError: There was no connection.
    """
    if not connection.username:
        message = "expected a user name in the Secret, got none"
        raise ProbeError(failure("InvalidConnection", message, is_invalid=True))
    try:
        version, has_tls, vector = await _query(connection, addresses)
    except asyncpg.PostgresError as error:
        raise ProbeError(_outcome(error, connection)) from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        message = "expected a PostgreSQL server, got an unexpected response"
        raise ProbeError(failure("ProtocolError", message)) from error
    if needs_vector and vector is None:
        message = (
            "expected the extension vector for capability Vector, got none: "
            "run CREATE EXTENSION vector in the database"
        )
        raise ProbeError(failure("VectorMissing", message, is_invalid=True))
    with_vector = f", pgvector {vector}" if vector else ""
    return f"PostgreSQL {version}{with_vector}, {'with' if has_tls else 'without'} TLS"


async def _query(connection: Connection, addresses: StoreAddresses) -> tuple[str, bool, str | None]:
    tls: object = {"disable": False, "prefer": "prefer"}.get(connection.tls)
    opened = await asyncpg.connect(
        host=await destinations.resolve(connection, addresses),
        port=connection.port,
        user=connection.username,
        # None would be looked up in the environment and in the home directory.
        password=connection.password,
        database=connection.database or connection.username,
        ssl=destinations.tls_context(connection) if tls is None else tls,
        timeout=None,
        statement_cache_size=0,
    )
    try:
        version, has_tls, vector = await opened.fetchrow(_QUERY)
    finally:
        # Not a graceful close, which a paused server would never acknowledge.
        opened.terminate()
    return str(version), bool(has_tls), vector


def _outcome(error: asyncpg.PostgresError, connection: Connection) -> Outcome:
    """Return what a server's error means; its text may contain anything and is not shown."""
    code = f"SQLSTATE {error.sqlstate}"
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError() | asyncpg.InvalidPasswordError():
            # Also 28000: pg_hba.conf has no entry for this user, database and encryption.
            message = f"expected the credentials to be accepted, got a refusal ({code})"
            return failure("AuthenticationFailed", message)
        case asyncpg.InvalidCatalogNameError():
            name = connection.database or connection.username
            message = f"expected database {name!r}, which does not exist ({code})"
            return failure("DatabaseMissing", message, is_invalid=True)
        case asyncpg.CannotConnectNowError() | asyncpg.TooManyConnectionsError():
            message = f"the server accepts no connections at the moment ({code})"
            return failure("NotAccepting", message, is_definite=False)
        case _:
            message = f"expected the query to succeed, got an error ({code})"
            return failure("QueryFailed", message)
