"""Probes a store within a deadline. Shell: sockets."""

import asyncio
import errno
import logging
import ssl
import time
from collections.abc import Mapping
from typing import Final

from controllers.readiness.memory import connections, destinations, http_stores
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.connections import Connection, UndescribedError
from controllers.readiness.memory.health import Outcome, failure
from schemagen.problems import JSON

_EXTRA: Final = "install kubewright[memory]"
_log = logging.getLogger(__name__)


async def probe(
    spec: JSON,
    values: Mapping[str, bytes],
    addresses: StoreAddresses,
    *,
    timeout_seconds: float,
) -> Outcome:
    """Return whether a Memory's store can be used; never raises, and ends by its deadline.

    Args:
        spec: ``spec`` of the Memory.
        values: Values of its Secret.
        addresses: Addresses that may be connected to.
        timeout_seconds: Deadline of the probe.
    """
    try:
        reference = spec["connection"]["secretKeyRef"]
        connection = connections.read(spec["type"], values, reference.get("key") or "")
    except UndescribedError as error:
        return failure("InvalidConnection", str(error), is_invalid=True)
    started = time.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await _answer(spec, connection, addresses, timeout_seconds)
    except destinations.ProbeError as error:
        return error.outcome
    except TimeoutError:
        expected = f"expected {_place(connection)} to answer within {timeout_seconds:g} s"
        return failure("TimedOut", f"{expected}, got no answer", is_definite=False)
    except OSError as error:
        return _unreached(connection, error)
    except Exception as error:  # noqa: BLE001 - of drivers, on whatever a store answers
        # The text of an unknown error may contain a secret: only its type is shown and logged.
        _log.error("probing a store failed: %s", type(error).__name__)
        return failure("ProbeFailed", f"the probe failed: {type(error).__name__}")
    latency_ms = round((time.monotonic() - started) * 1000)
    text = f"{message}, answered in {latency_ms} ms"
    return Outcome(is_ready=True, reason="Reachable", message=text, latency_ms=latency_ms)


async def _answer(
    spec: JSON, connection: Connection, addresses: StoreAddresses, timeout_seconds: float
) -> str:
    try:
        match spec["type"]:
            case "Postgres":
                from controllers.readiness.memory import postgres  # noqa: PLC0415 - optional

                return await postgres.probe(connection, addresses, needs_vector=needs_vector(spec))
            case "Redis":
                from controllers.readiness.memory import redis_store  # noqa: PLC0415 - optional

                return await redis_store.probe(connection, addresses)
            case kind:
                return await http_stores.probe(
                    kind, connection, addresses, timeout_seconds=timeout_seconds
                )
    except ModuleNotFoundError as error:
        message = f"expected the package {error.name} in the controller, got none: {_EXTRA}"
        raise destinations.ProbeError(failure("DriverMissing", message)) from error


def needs_vector(spec: JSON) -> bool:
    """Return whether a PostgreSQL has to have pgvector."""
    return "Vector" in (spec.get("capabilities") or ())


def _place(connection: Connection) -> str:
    return f"{connection.host}:{connection.port}"


def _unreached(connection: Connection, error: OSError) -> Outcome:
    """Return what a failed connection means."""
    place = _place(connection)
    match error:
        case ssl.SSLCertVerificationError():
            message = f"expected a trusted certificate from {place}: {error.verify_message}"
            return failure("CertificateNotTrusted", message)
        case ssl.SSLError():
            reason = (error.reason or "no TLS").replace("_", " ").lower()
            return failure("TLSFailed", f"expected TLS at {place}, got an error: {reason}")
        case ConnectionRefusedError():
            message = f"expected {place} to accept connections, got a refusal"
            return failure("ConnectionRefused", message, is_definite=False)
        case _:
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            message = f"expected a connection to {place}, got an error: {name}"
            return failure("ConnectionFailed", message, is_definite=False)
