"""Network addresses, as parsed by Go's net and netip, and by k8s.io/utils/net for older ones.

Go 1.17 began to refuse leading zeros (``10.0.0.01``). Kubernetes keeps the older parsers for values
that may already be stored, called sloppy here and there (kubernetes/kubernetes#100895).
"""

import re

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_SLOPPY_OCTET = r"0*(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[0-9]{1,2})"
_HEX = "[0-9a-fA-F]"

_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_SLOPPY_IPV4 = re.compile(rf"{_SLOPPY_OCTET}(?:\.{_SLOPPY_OCTET}){{3}}")
_GROUP = re.compile(rf"{_HEX}{{1,4}}")
_SLOPPY_GROUP = re.compile(rf"0*{_HEX}{{1,4}}")
_GROUPS = 8
_IPV4_GROUPS = 2

# A prefix length: leading zeros are allowed.
_PREFIX = re.compile(r"0*([0-9]{1,3})")

# EUI-48, EUI-64 and IP over InfiniBand have 6, 8 and 20 bytes.
_MAC = re.compile(
    rf"{_HEX}{{2}}([:-])(?:{_HEX}{{2}}\1){{4}}{_HEX}{{2}}"
    rf"|{_HEX}{{2}}([:-])(?:{_HEX}{{2}}\2){{6}}{_HEX}{{2}}"
    rf"|{_HEX}{{2}}([:-])(?:{_HEX}{{2}}\3){{18}}{_HEX}{{2}}"
    rf"|(?:{_HEX}{{4}}\.){{2}}{_HEX}{{4}}"
    rf"|(?:{_HEX}{{4}}\.){{3}}{_HEX}{{4}}"
    rf"|(?:{_HEX}{{4}}\.){{9}}{_HEX}{{4}}"
    rf"|{_HEX}{{12}}|{_HEX}{{16}}|{_HEX}{{40}}"
)


def is_ipv4(text: str) -> bool:
    """Whether the text is a sloppy IP address with a dot: ``::ffff:10.0.0.1`` passes too."""
    return "." in text and _is_sloppy_ip(text)


def is_ipv6(text: str) -> bool:
    """Whether the text is an IPv6 address; not a sloppy one, and without a zone."""
    return _is_ipv6(text, _GROUP, _IPV4)


def is_ip(text: str) -> bool:
    """Whether net.ParseIP takes the text: either version, not sloppy, without a zone."""
    return _IPV4.fullmatch(text) is not None or is_ipv6(text)


def is_cidr(text: str) -> bool:
    """Whether the text is a sloppy IP address and a prefix length; host bits may be set."""
    address, _, length = text.partition("/")
    prefix = _PREFIX.fullmatch(length)
    if prefix is None:
        return False
    if _SLOPPY_IPV4.fullmatch(address):
        return int(prefix[1]) <= 32  # noqa: PLR2004 - the bits of an IPv4 address
    return int(prefix[1]) <= 128 and _is_sloppy_ip(address)  # noqa: PLR2004 - those of an IPv6 one


def is_mac(text: str) -> bool:
    """Whether the text is a hardware address: by bytes, by pairs of bytes, or without separators.

    The last form is new in Go 1.26.
    """
    return _MAC.fullmatch(text) is not None


def _is_sloppy_ip(text: str) -> bool:
    return _SLOPPY_IPV4.fullmatch(text) is not None or _is_ipv6(text, _SLOPPY_GROUP, _SLOPPY_IPV4)


def _is_ipv6(text: str, group: re.Pattern[str], ipv4: re.Pattern[str]) -> bool:
    """Whether the text is eight groups, the last two possibly as IPv4; ``::`` is one or more."""
    before, ellipsis, after = text.partition("::")
    groups = [part for half in (before, after) if half for part in half.split(":")]
    count = len(groups)
    if groups and not text.endswith("::") and ipv4.fullmatch(groups[-1]):
        count += _IPV4_GROUPS - 1
        groups.pop()
    if not all(group.fullmatch(part) for part in groups):
        return False
    return count < _GROUPS if ellipsis else count == _GROUPS
