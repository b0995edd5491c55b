"""Probes stores with an HTTP API: Weaviate, Pinecone, and custom ones. Shell: sockets."""

import ssl
from typing import Final

import yarl

from controllers import kube
from controllers.readiness.memory import destinations
from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.connections import PINECONE, Connection
from controllers.readiness.memory.destinations import ProbeError
from controllers.readiness.memory.health import Outcome, failure
from controllers.runs.runtimes import egress
from controllers.runs.runtimes.base import Code, RuntimeFault

# docs.weaviate.io: 200 once it accepts traffic. Pinecone's API: a list of indexes, or an index.
_PATHS: Final = {"Weaviate": "/v1/.well-known/ready", "Pinecone": "/describe_index_stats"}
_PINECONE_VERSION: Final = "2025-10"
_UNAVAILABLE: Final = 500


async def probe(
    kind: str, connection: Connection, addresses: StoreAddresses, *, timeout_seconds: float
) -> str:
    """Return what the store says of itself.

    Args:
        kind: ``spec.type`` of the Memory.
        connection: From the Memory's Secret.
        addresses: Addresses that may be connected to.
        timeout_seconds: Deadline of the response.

    Raises:
        ProbeError: It cannot be used.
    """
    caller = egress.Caller(
        addresses, deadline_seconds=timeout_seconds, tls=_tls(connection), now=kube.utc_now
    )
    try:
        url = _url(kind, connection)
        answer = await caller.call("GET", url, headers=_headers(kind, connection))
    except RuntimeFault as fault:
        raise ProbeError(_outcome(fault)) from fault
    finally:
        await caller.close()
    if not answer.is_success:
        raise ProbeError(_unsuccessful(answer))
    return f"{kind} at {answer.origin}, HTTP {answer.status}"


def _tls(connection: Connection) -> ssl.SSLContext | None:
    if connection.scheme != "https" or not connection.ca_pem:
        return None
    return destinations.tls_context(connection)


def _url(kind: str, connection: Connection) -> yarl.URL:
    base = egress.parse(connection.url)
    if kind == "Pinecone" and connection.url.rstrip("/") == PINECONE:
        return base.with_path("/indexes")
    return base.joinpath(_PATHS[kind].lstrip("/")) if kind in _PATHS else base


def _headers(kind: str, connection: Connection) -> dict[str, str]:
    if not connection.password:
        return {}
    if kind == "Pinecone":
        return {"Api-Key": connection.password, "X-Pinecone-API-Version": _PINECONE_VERSION}
    return {"Authorization": f"Bearer {connection.password}"}


def _outcome(fault: RuntimeFault) -> Outcome:
    if fault.code is Code.DENIED:
        return failure("AddressNotAllowed", fault.message, is_invalid=True)
    if fault.code is Code.TERMINAL:
        return failure("InvalidConnection", fault.message, is_invalid=True)
    return failure("NotReachable", fault.message, is_definite=False)


def _unsuccessful(answer: egress.Answer) -> Outcome:
    message = f"expected success from {answer.origin}, got HTTP {answer.status}"
    if answer.status in {401, 403}:
        return failure("AuthenticationFailed", message)
    is_definite = answer.status < _UNAVAILABLE
    return failure("NotReady", message, is_definite=is_definite)
