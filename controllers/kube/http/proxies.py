"""The proxy that the environment configures for a server, by the rules of Go and kubectl. Pure.

With aiohttp's ``trust_env``, each request would cost two thread switches, a ~/.netrc would break
bearer tokens, and NO_PROXY would not support CIDR blocks, which are common for clusters.
"""

import ipaddress
import urllib.parse
from collections.abc import Mapping


def from_environment(server: str, environment: Mapping[str, str]) -> str | None:
    """Return the proxy URL for a server, or None to connect directly.

    Follows golang.org/x/net/http/httpproxy: HTTPS_PROXY or HTTP_PROXY, in upper or lower case, by
    the server's scheme; never for loopback, nor for what NO_PROXY lists.
    """
    parts = urllib.parse.urlsplit(server)
    host = parts.hostname or ""
    proxy = _variable(environment, f"{parts.scheme}_proxy")
    if not proxy or host == "localhost" or _is_loopback(host):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    exceptions = _variable(environment, "no_proxy").split(",")
    if any(_is_excepted(host, port, each.strip().lower()) for each in exceptions if each.strip()):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name) or ""


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_loopback


def _is_excepted(host: str, port: int, exception: str) -> bool:
    if exception == "*":
        return True
    if "/" in exception:
        return _is_within(host, exception)
    name, colon, required_port = exception.partition(":")
    if colon and ":" not in required_port:
        if required_port != str(port):
            return False
        exception = name
    suffix = exception.removeprefix("*").removeprefix(".")
    is_same = host == suffix and not exception.startswith((".", "*."))
    return is_same or host.endswith(f".{suffix}")


def _is_within(host: str, block: str) -> bool:
    address = _address(host)
    try:
        network = ipaddress.ip_network(block, strict=False)
    except ValueError:
        return False
    return address is not None and address in network


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
