"""Addresses that a probe may connect to: a tenant chooses them. Pure.

Private networks are allowed, because stores usually run in the cluster. Loopback, link-local and
metadata addresses belong to the controller's own machine, and are refused.
"""

import ipaddress
from typing import Final, TypeAlias

from controllers.runs.runtimes.egress import Allowed

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"),
        *("::/127", "fe80::/10", "ff00::/8"),
        # Metadata services outside of link-local networks: Azure, Alibaba, Oracle, AWS, Google.
        *("168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"),
        *("fd00:ec2::254/128", "fd20:ce::254/128"),
    )
)
# RFC 6052 and 3056: addresses that embed the IPv4 address that is reached.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class StoreAddresses:
    """Destinations of probes; has the interface of ``egress.Allowed``.

    Args:
        allowed: What the operator allows besides.
    """

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed

    def has_host(self, host: str) -> bool:
        """Return whether a name may resolve to any address."""
        return self._allowed.has_host(host)

    def has_address(self, text: str) -> bool:
        """Return whether connections to an address are allowed."""
        address = ipaddress.ip_address(text.partition("%")[0])
        is_named = any(address in network for network in self._allowed.networks)
        return is_named or not any(_reached(address) in network for network in _REFUSED)


def _reached(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 address embeds, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
