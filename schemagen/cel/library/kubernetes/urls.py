"""Kubernetes' URLs, with messages of Go 1.26's net/url (apiserver 1.37, ``library/urls.go``)."""

import dataclasses
import re
import string
from typing import TypeAlias

from schemagen import go_format
from schemagen.cel.library.kubernetes import addresses
from schemagen.cel.library.registry import function
from schemagen.cel.values import EvaluationError, Map, Typed, Value, no_such_overload

_PLAIN = string.ascii_letters + string.digits + "-._~"
# Characters that need no escape, by part of the URL (net/url/encoding_table.go).
_QUERY = frozenset(_PLAIN)
_USER = frozenset(f"{_PLAIN}$&+,;=")
_PATH = frozenset(f"{_PLAIN}$&+,/:;=@")
_FRAGMENT = frozenset(f"{_PLAIN}!$&()*+,/:;=?@")
_HOST = frozenset(f"{_PLAIN}!\"$&'()*+,:;<=>[]")
_ALSO_ENCODED = frozenset("!$&'()*+,;=:@[]%")  # also accepted by validEncoded

_Characters: TypeAlias = frozenset[str]
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_PORT = re.compile(r"(:[0-9]*)?", re.ASCII)
_USERINFO = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_MAX_PARAMETERS = 10_000
_MIN_NON_ASCII = 0x80


class URLProblemError(Exception):
    """A text is not a URL; the message is net/url's."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class URL(Typed):
    """A decoded URL; ``raw_path`` and ``raw_fragment`` are the original parts."""

    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    raw_path: str = ""
    query: str = ""
    has_empty_query: bool = False
    fragment: str = ""
    raw_fragment: str = ""
    omits_host: bool = False

    type_name = "kubernetes.URL"

    def equals(self, other: Value) -> bool:
        """Return whether they have the same spelling."""
        if type(other) is not URL:
            raise no_such_overload()
        return str(self) == str(other)

    def __str__(self) -> str:
        scheme = f"{self.scheme}:" if self.scheme else ""
        query = f"?{self.query}" if self.query or self.has_empty_query else ""
        fragment = f"#{_encoded(self.fragment, self.raw_fragment, _FRAGMENT)}"
        rest = self.opaque or self._hierarchy()
        return f"{scheme}{rest}{query}{fragment if self.fragment else ''}"

    def _hierarchy(self) -> str:
        path = self.escaped_path
        authority = self._authority()
        if path and not path.startswith("/") and self.host:
            path = f"/{path}"
        if not self.scheme and not authority and ":" in path.partition("/")[0]:
            path = f"./{path}"
        return authority + path

    def _authority(self) -> str:
        is_there = bool(self.host or self.path or self.user is not None)
        if self.omits_host and not self.host and self.user is None:
            return ""
        if not is_there or not (self.scheme or self.host or self.user is not None):
            return ""
        user = f"{self.user}@" if self.user is not None else ""
        return f"//{user}{_escaped(self.host, _HOST)}"

    @property
    def escaped_path(self) -> str:
        """Return the escaped path."""
        return "*" if self.path == "*" else _encoded(self.path, self.raw_path, _PATH)

    @property
    def name_and_port(self) -> tuple[str, str]:
        """Return the host's name, without brackets, and its port."""
        name, port = self.host, ""
        before, colon, after = self.host.rpartition(":")
        if colon and _PORT.fullmatch(f":{after}"):
            name, port = before, after
        if name.startswith("[") and name.endswith("]"):
            name = name[1:-1]
        return name, port


def _escaped(text: str, plain: _Characters) -> str:
    return "".join(
        character if character in plain else "".join(f"%{byte:02X}" for byte in _bytes(character))
        for character in text
    )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _encoded(text: str, raw: str, plain: _Characters) -> str:
    """Return the original part if it is a valid encoding."""
    if raw and all(character in plain or character in _ALSO_ENCODED for character in raw):
        return raw
    return _escaped(text, plain)


def _unescaped(text: str, *, is_host: bool = False, is_zone: bool = False) -> str:
    """net/url's unescape.

    Raises:
        URLProblemError: with its message.
    """
    at = 0
    while at < len(text):
        if text[at] == "%":
            _check_escape(text, at, is_host=is_host, is_zone=is_zone)
            at += 3
            continue
        if (is_host or is_zone) and text[at].isascii() and text[at] not in _HOST:
            raise URLProblemError(f"invalid character {go_format.quoted(text[at])} in host name")
        at += 1
    return _decoded(text)


def _decoded(text: str) -> str:
    if "%" not in text:
        return text
    parts = _ESCAPE.split(text)
    data = b"".join(
        bytes.fromhex(part) if index % 2 else _bytes(part) for index, part in enumerate(parts)
    )
    return data.decode(errors="surrogateescape")


def _check_escape(text: str, at: int, *, is_host: bool, is_zone: bool) -> None:
    match = _ESCAPE.match(text, at)
    wrong = match is None
    if match is not None and match[0] != "%25":
        code = int(match[1], 16)
        # RFC 3986: a host escapes only non-ASCII.
        wrong = (is_host and code < _MIN_NON_ASCII) or (
            is_zone and code != ord(" ") and chr(code) not in _HOST
        )
    if wrong:
        escape = _bytes(text[at:])[:3].decode(errors="surrogateescape")
        raise URLProblemError(f"invalid URL escape {go_format.quoted(escape)}")


def parsed(text: str, *, is_request: bool) -> URL:
    """net/url's parse; a request must be absolute.

    Raises:
        URLProblemError: with its message.
    """
    if _CONTROL.search(text):
        raise URLProblemError("net/url: invalid control character in URL")
    if not text and is_request:
        raise URLProblemError("empty url")
    if text == "*":
        return URL(path="*")
    if text.startswith(":"):
        raise URLProblemError("missing protocol scheme")
    match = _SCHEME.match(text)
    scheme = match[1].lower() if match is not None else ""
    rest, mark, query = (text[match.end() :] if match is not None else text).partition("?")
    url = URL(scheme=scheme, query=query, has_empty_query=bool(mark) and not query)
    if not rest.startswith("/"):
        if scheme:
            return dataclasses.replace(url, opaque=rest)
        _check_relative(rest, is_request=is_request)
    return _with_hierarchy(url, rest, is_request=is_request)


def _check_relative(rest: str, *, is_request: bool) -> None:
    if is_request:
        raise URLProblemError("invalid URI for request")
    if ":" in rest.partition("/")[0]:
        raise URLProblemError("first path segment in URL cannot contain colon")


def _with_hierarchy(url: URL, rest: str, *, is_request: bool) -> URL:
    has_authority = rest.startswith("//") and (
        bool(url.scheme) or not (is_request or rest.startswith("///"))
    )
    if has_authority:
        authority, slash, path = rest[2:].partition("/")
        rest = slash + path
        user, host = _authority(url.scheme, authority)
        url = dataclasses.replace(url, user=user, host=host)
    elif url.scheme:
        url = dataclasses.replace(url, omits_host=True)
    path = _unescaped(rest)
    raw_path = rest if _escaped(path, _PATH) != rest else ""
    return dataclasses.replace(url, path=path, raw_path=raw_path)


def _authority(scheme: str, authority: str) -> tuple[str | None, str]:
    before, at, host = authority.rpartition("@")
    location = _host(scheme, host)
    if not at:
        return None, location
    if not _USERINFO.fullmatch(before):
        raise URLProblemError("net/url: invalid userinfo")
    name, colon, password = before.partition(":")
    user = _escaped(_unescaped(name), _USER)
    return user + (f":{_escaped(_unescaped(password), _USER)}" if colon else ""), location


def _host(scheme: str, host: str) -> str:
    opening = host.rfind("[")
    if opening > 0:
        raise URLProblemError("invalid IP-literal")
    if opening == 0:
        return _literal(host)
    first, last = host.find(":"), host.rfind(":")
    # golang/go#75223: other schemes allow lists of hosts, each with its port.
    start = first if scheme in {"http", "https"} else last
    if first >= 0 and not _PORT.fullmatch(host[start:]):
        raise URLProblemError(f"invalid port {go_format.quoted(host[start:])} after host")
    return _unescaped(host, is_host=True)


def _literal(host: str) -> str:
    """``[address]:port``."""
    inner, bracket, port = host[1:].rpartition("]")
    if not bracket:
        raise URLProblemError("missing ']' in host")
    if not _PORT.fullmatch(port):
        raise URLProblemError(f"invalid port {go_format.quoted(port)} after host")
    at = inner.find("%25")
    name = _unescaped(inner[:at] if at >= 0 else inner, is_host=True)
    if at >= 0:
        name += _unescaped(inner[at:], is_zone=True)
    try:
        address = addresses.parsed(name)
    except addresses.AddressProblemError as error:
        raise URLProblemError(f"invalid host: {error}") from error
    if address.bits == addresses.IPV4_BITS:
        raise URLProblemError("invalid IP-literal")
    return f"[{name}]{port}"


def _request(text: str) -> URL:
    """net/url.ParseRequestURI."""
    try:
        return parsed(text, is_request=True)
    except URLProblemError as error:
        raise EvaluationError(f"parse {go_format.quoted(text)}: {error}") from error


def problems(text: str) -> list[str]:
    """Return the problems of a request URI, or none."""
    try:
        _request(text)
    except EvaluationError as error:
        return [str(error)]
    return []


@function("url", str)
def to_url(text: str) -> URL:
    """Parse a URL: validated as a request's, then parsed again with its fragment."""
    before, _, fragment = text.partition("#")
    shown = before
    try:
        _request(text)
        url = parsed(before, is_request=False)
        shown = text
        decoded = _unescaped(fragment)
    except URLProblemError as error:
        problem = f"parse {go_format.quoted(shown)}: {error}"
        raise EvaluationError(f"{_PROBLEM}: {problem}") from error
    except EvaluationError as error:
        raise EvaluationError(f"{_PROBLEM}: {error}") from error
    raw = fragment if _escaped(decoded, _FRAGMENT) != fragment else ""
    return dataclasses.replace(url, fragment=decoded, raw_fragment=raw)


_PROBLEM = "URL parse error during conversion from string"


@function("isURL", str)
def is_url(text: str) -> bool:
    """Return whether the text is a URL."""
    return not problems(text)


@function("getScheme", URL)
def get_scheme(url: URL) -> str:
    """Return the scheme in lower case."""
    return url.scheme


@function("getHost", URL)
def get_host(url: URL) -> str:
    """Return the host with the port."""
    return url.host


@function("getHostname", URL)
def get_hostname(url: URL) -> str:
    """Return the host without the port."""
    return url.name_and_port[0]


@function("getPort", URL)
def get_port(url: URL) -> str:
    """Return the port as a string."""
    return url.name_and_port[1]


@function("getEscapedPath", URL)
def get_escaped_path(url: URL) -> str:
    """Return the escaped path."""
    return url.escaped_path


@function("getQuery", URL)
def get_query(url: URL) -> Map:
    """Return lists of values by name; invalid parameters are dropped."""
    query: dict[str, list[str]] = {}
    parts = url.query.split("&")
    if len(parts) > _MAX_PARAMETERS:
        return Map()
    for part in parts:
        if part and ";" not in part:
            _add_parameter(query, part)
    return Map(query.items())


def _add_parameter(query: dict[str, list[str]], part: str) -> None:
    name, _, value = part.partition("=")
    try:
        name, value = (_unescaped(half.replace("+", " ")) for half in (name, value))
    except URLProblemError:
        return
    query.setdefault(name, []).append(value)
