"""IPv4 and IPv6 addresses that a server listens on and is called at. Pure."""

from typing import Final

EVERY_IPV4: Final = "0.0.0.0"  # noqa: S104 - compared; bound only on request
EVERY_IPV6: Final = "::"
"""All addresses of both families where the system supports it (RFC 3493, IPV6_V6ONLY)."""
MAX_PORT: Final = 65535

_LOOPBACK: Final = {EVERY_IPV4: ("127.0.0.1",), EVERY_IPV6: ("127.0.0.1", "::1")}


def url(scheme: str, host: str, port: int) -> str:
    """``https://HOST:PORT``; an IPv6 address is put in brackets (RFC 3986, section 3.2.2)."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def names(host: str) -> list[str]:
    """Default names of the certificate for a host; the first one is used to call it.

    A server on all addresses is called at the loopback addresses.
    """
    return [*dict.fromkeys((*_LOOPBACK.get(host, (host,)), "localhost"))]
