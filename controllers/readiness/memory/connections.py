"""The connection to a store, from the Secret of a Memory. Pure.

A key holds a URL. An entire Secret has the entries of the Service Binding specification
(servicebinding.io): ``uri``, or ``host``, ``port``, ``username``, ``password``, ``database``.
"""

import dataclasses
import urllib.parse
from collections.abc import Mapping
from typing import Final

from schemagen.problems import quoted

_SCHEMES: Final = {
    "Postgres": ("postgresql", "postgres"),
    "Redis": ("redis", "rediss"),
    "Weaviate": ("https", "http"),
    "Pinecone": ("https",),
    "Custom": ("https", "http"),
}
_PORTS: Final = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}
_URL_KEYS: Final = ("uri", "url")
_TOKEN_KEYS: Final = ("apiKey", "api-key", "token")
_CA_KEY: Final = "ca.crt"
PINECONE: Final = "https://api.pinecone.io"
TLS_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
"""libpq's modes, without ``allow``, which prefers not to encrypt."""


class UndescribedError(Exception):
    """The Secret describes no connection; the message contains none of its values."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Connection:
    """Where a store is and how it is authenticated to; has no ``repr``, because of its secrets.

    Attributes:
        scheme: Scheme of the URL.
        host: Name or address.
        port: TCP port.
        username: Empty for none.
        password: Password, or the API key of an HTTP store; empty for none.
        database: Database; empty for the store's default.
        tls: One of libpq's modes.
        ca_pem: CA certificates; empty for the system's.
        url: Complete URL of an HTTP store.
    """

    scheme: str
    host: str
    port: int
    username: str = ""
    password: str = ""
    database: str = ""
    tls: str = "prefer"
    ca_pem: str = ""
    url: str = ""


def read(kind: str, values: Mapping[str, bytes], key: str = "") -> Connection:
    """Return the connection in a Secret.

    Args:
        kind: ``spec.type`` of the Memory.
        values: The Secret's values.
        key: Key of the Secret with the URL; empty for the entire Secret.

    Raises:
        UndescribedError: It has none.
    """
    texts = {name: _text(name, value) for name, value in values.items()}
    url = texts.get(key, "") if key else next((texts[one] for one in _URL_KEYS if one in texts), "")
    if kind == "Pinecone" and not url:
        url = PINECONE
    base = _of_url(kind, url) if url else _of_parts(kind, texts)
    token = next((texts[one] for one in _TOKEN_KEYS if one in texts), "")
    if kind == "Pinecone" and not token and key:
        # The key of a Pinecone Memory may hold the API key itself.
        token = "" if "://" in texts.get(key, "") else texts.get(key, "")
    return dataclasses.replace(
        base,
        username=base.username or texts.get("username", ""),
        password=base.password or texts.get("password", "") or token,
        ca_pem=texts.get(_CA_KEY, ""),
    )


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError as error:
        raise UndescribedError(f"expected UTF-8 in key {name!r} of the Secret") from error


def _of_url(kind: str, url: str) -> Connection:
    if kind == "Pinecone" and "://" not in url:
        url = PINECONE
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UndescribedError("expected a URL in the Secret, got an invalid one") from error
    schemes = _SCHEMES[kind]
    if parts.scheme not in schemes or not parts.hostname:
        expected = " or ".join(f"{scheme}://" for scheme in schemes)
        shown = quoted(parts.scheme) if "://" in url else "no scheme"
        raise UndescribedError(f"expected {expected} and a host in the Secret, got {shown}")
    options = dict(urllib.parse.parse_qsl(parts.query))
    default = _PORTS.get(parts.scheme, 443 if parts.scheme == "https" else 80)
    return Connection(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or default,
        username=urllib.parse.unquote(parts.username or ""),
        password=urllib.parse.unquote(parts.password or ""),
        database=urllib.parse.unquote(parts.path.strip("/")),
        tls=_tls(parts.scheme, options.get("sslmode", "")),
        url=url if parts.scheme in {"http", "https"} else "",
    )


def _of_parts(kind: str, texts: Mapping[str, str]) -> Connection:
    host, scheme = texts.get("host", ""), _SCHEMES[kind][0]
    if not host:
        raise UndescribedError("expected uri, url or host in the Secret, got none of them")
    port = texts.get("port", "") or str(_PORTS.get(scheme, 443))
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 2**16):
        raise UndescribedError("expected a port from 1 to 65535 at key port of the Secret")
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Connection(
        scheme=scheme,
        host=host,
        port=int(port),
        database=texts.get("database", "") or texts.get("dbname", ""),
        tls=_tls(scheme, texts.get("sslmode", "")),
        url=f"{scheme}://{authority}" if scheme == "https" else "",
    )


def _tls(scheme: str, given: str) -> str:
    default = {"postgresql": "prefer", "postgres": "prefer", "redis": "disable", "http": "disable"}
    if given and given not in TLS_MODES:
        raise UndescribedError(f"expected sslmode {', '.join(TLS_MODES)}, got {quoted(given)}")
    return given or default.get(scheme, "verify-full")
