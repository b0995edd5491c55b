"""Addresses that a server listens on, and is called at, of IPv4 and IPv6. Pure."""

from typing import Final

EVERY_IPV4: Final = "0.0.0.0"  # noqa: S104 - compared, and listened on only when asked for
EVERY_IPV6: Final = "::"
"""All addresses of both families where the system can (RFC 3493, IPV6_V6ONLY)."""
MAX_PORT: Final = 65535

_LOOPBACK: Final = {EVERY_IPV4: ("127.0.0.1",), EVERY_IPV6: ("127.0.0.1", "::1")}


def url(scheme: str, host: str, port: int) -> str:
    """``https://HOST:PORT``; an IPv6 address stands in brackets (RFC 3986, section 3.2.2)."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def names(host: str) -> list[str]:
    """What the certificate of a server at a host says unless told otherwise; first how to call it.

    A server on all addresses is called at those of the machine itself.
    """
    return [*dict.fromkeys((*_LOOPBACK.get(host, (host,)), "localhost"))]
