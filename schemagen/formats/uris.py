"""URIs, as parsed by net/url.ParseRequestURI of Go 1.26.

A scheme and anything after it, or an absolute path. Only ``//authority`` and the escapes of a path
are checked: a query may contain anything but control characters, and ``#`` is not special.
"""

import re

from schemagen.formats import addresses

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile("([A-Za-z][A-Za-z0-9+.-]*):")
_BROKEN_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_PORT = re.compile("(?::[0-9]*)?")

# ASCII only; non-ASCII characters are allowed in a host.
_HOST_CHARACTERS = r"""A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\""""
_NO_HOST_CHARACTER = re.compile(rf"[^{_HOST_CHARACTERS}%\x80-\U0010ffff]")
# An escape may encode only non-ASCII bytes, or the % that begins a zone (RFC 6874).
_NO_HOST_ESCAPE = re.compile("%(?!25|[89A-Fa-f][0-9A-Fa-f])")
_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")
_ESCAPED_IN_ZONE = re.compile(f"[{_HOST_CHARACTERS} %]")


def is_uri(text: str) -> bool:
    """Whether the text is a URI with a scheme, an absolute path, or ``*``."""
    if _CONTROL.search(text):
        return False
    scheme = _SCHEME.match(text)
    rest = (text[scheme.end() :] if scheme else text).partition("?")[0]
    if not rest.startswith("/"):
        return scheme is not None or text == "*"
    if scheme is None or not rest.startswith("//"):
        return _is_escaped(rest)
    authority, _, path = rest[2:].partition("/")
    return _is_authority(scheme[1].lower(), authority) and _is_escaped(path)


def _is_escaped(text: str) -> bool:
    return _BROKEN_ESCAPE.search(text) is None


def _is_authority(scheme: str, authority: str) -> bool:
    userinfo, _, host = authority.rpartition("@")
    if _USERINFO.fullmatch(userinfo) is None or not _is_escaped(userinfo):
        return False
    if "[" in host:
        return host.rindex("[") == 0 and _is_ip_literal(host)
    return _has_port(scheme, host) and _is_host(host) and _NO_HOST_ESCAPE.search(host) is None


def _is_host(text: str) -> bool:
    return _NO_HOST_CHARACTER.search(text) is None


def _has_port(scheme: str, host: str) -> bool:
    """Whether digits follow the colon, if there is one.

    Database URLs list several hosts with ports: only for http and https must the port be the last
    of several (golang/go#75223, #78077).
    """
    first = host.find(":") if scheme in {"http", "https"} else host.rfind(":")
    return first < 0 or _PORT.fullmatch(host, first) is not None


def _is_ip_literal(host: str) -> bool:
    """Whether the host is an IPv6 address in brackets, possibly with a zone after ``%25``."""
    address, bracket, port = host[1:].rpartition("]")
    if not bracket or _PORT.fullmatch(port) is None:
        return False
    address, percent, zone = address.partition("%25")
    return addresses.is_ipv6(address) and (not percent or _is_zone(zone))


def _is_zone(zone: str) -> bool:
    """Whether an escape in a zone encodes a space, ``%``, or an unreserved character."""
    if not zone or not _is_host(zone) or not _is_escaped(zone):
        return False
    escaped = (chr(int(code, 16)) for code in _ESCAPE.findall(zone))
    return all(_ESCAPED_IN_ZONE.fullmatch(character) for character in escaped)
