"""Resolves the host of a store to an address that may be connected to. Shell: DNS."""

import asyncio
import socket
import ssl
from typing import Any

from controllers.readiness.memory.addresses import StoreAddresses
from controllers.readiness.memory.connections import Connection
from controllers.readiness.memory.health import Outcome, failure


class ProbeError(Exception):
    """A probe failed, with the outcome to report."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


async def resolve(connection: Connection, addresses: StoreAddresses) -> str:
    """Return an allowed address of the host.

    The connection is made to this address, not to the name: what a name resolves to may change.

    Raises:
        ProbeError: The host has no address, or none that is allowed.
    """
    host, loop = connection.host, asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"expected host {host!r} to resolve, got no address"
        raise ProbeError(failure("HostNotFound", message, is_definite=False)) from error
    # Of a name with addresses of both families, the IPv6 one may not be routed.
    found.sort(key=lambda info: info[0] is not socket.AF_INET)
    given = [str(info[4][0]) for info in found]
    allowed = [one for one in given if addresses.has_host(host) or addresses.has_address(one)]
    if not allowed:
        message = (
            f"expected an address that probes may connect to, got {', '.join(sorted({*given}))} "
            f"for host {host!r}: the operator can allow it (docs/memory.md)"
        )
        raise ProbeError(failure("AddressNotAllowed", message, is_invalid=True))
    return allowed[0]


class NamedContext(ssl.SSLContext):
    """Verifies certificates against the host's name although the connection is to its address."""

    server_name = ""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Start TLS with the name."""
        options["server_hostname"] = self.server_name
        return super().wrap_bio(*args, **options)


def tls_context(connection: Connection) -> NamedContext:
    """Return the context of a mode that requires TLS.

    Raises:
        ProbeError: The CA in the Secret is invalid.
    """
    context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = connection.host
    context.check_hostname = connection.tls == "verify-full"
    is_verified = connection.tls in {"verify-ca", "verify-full"}
    context.verify_mode = ssl.CERT_REQUIRED if is_verified else ssl.CERT_NONE
    if not is_verified:
        return context
    try:
        if connection.ca_pem:
            context.load_verify_locations(cadata=connection.ca_pem)
        else:
            context.load_default_certs()
    except ssl.SSLError as error:
        message = "expected PEM certificates at key ca.crt of the Secret, got something else"
        raise ProbeError(failure("InvalidConnection", message, is_invalid=True)) from error
    return context
