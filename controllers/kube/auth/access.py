"""Server, TLS, proxy and credentials of a cluster, as values. Shell: reads files."""

import dataclasses
import os
import pathlib
import ssl
import time
from collections.abc import Callable
from typing import Protocol, TypeAlias

from certs import memory_files
from controllers.kube import errors

# Like client-go: k8s.io/client-go/transport/token_source.go.
_TOKEN_FILE_SECONDS = 60.0

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """The client's authentication for a request."""

    headers: Headers = dataclasses.field(default=(), repr=False)
    generation: int = 0
    """Distinguishes identities that differ only in the client certificate."""


class Credentials(Protocol):
    """Provides the client's authentication."""

    async def identity(self) -> Identity:
        """Return the identity for a request, renewed first if it is known to have expired."""

    async def renew(self, refused: Identity) -> Identity:
        """Return a newer identity than the one refused with 401; the same if there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """A constant identity; by default only the client certificate."""

    fixed: Identity = Identity()

    async def identity(self) -> Identity:
        """Return the identity."""
        return self.fixed

    async def renew(self, refused: Identity) -> Identity:
        """Return the refused identity: there is no other."""
        return refused


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Connection settings of an API server."""

    server: str
    """Base URL, without a trailing slash."""
    tls: ssl.SSLContext | None = dataclasses.field(default=None, repr=False)
    server_hostname: str | None = None
    """Name to verify the server's certificate against, if not the URL's host."""
    proxy: str | None = dataclasses.field(default=None, repr=False)
    """Proxy URL, which may contain a password; None uses HTTPS_PROXY and NO_PROXY."""
    credentials: Credentials = Fixed()
    headers: Headers = ()
    """Additional headers of every request, such as impersonation."""


def bearer(token: str) -> Headers:
    """Return the header for a token; token files end in a newline, which headers must not have."""
    return (("Authorization", f"Bearer {token.strip()}"),)


@dataclasses.dataclass(slots=True)
class TokenFile:
    """A token in a file that is renewed externally; reread every minute."""

    path: pathlib.Path
    monotonic: Callable[[], float] = time.monotonic
    _current: Identity | None = None
    _read_again: float = 0.0

    async def identity(self) -> Identity:
        """Return the token, rereading the file after a minute."""
        if self._current is None or self.monotonic() >= self._read_again:
            return self._read()
        return self._current

    async def renew(self, refused: Identity) -> Identity:
        """Reread the file."""
        del refused  # the file is renewed externally
        return self._read()

    def _read(self) -> Identity:
        token = read(self.path).decode(errors="replace").strip()
        if not token:
            raise errors.ConfigurationError(f"expected a token in {self.path}, got an empty file")
        self._current = Identity(bearer(token))
        self._read_again = self.monotonic() + _TOKEN_FILE_SECONDS
        return self._current


def tls_context(
    *,
    ca_pem: bytes | None = None,
    verify: bool = True,
    certificate: tuple[bytes, bytes] | None = None,
) -> ssl.SSLContext:
    """Return the client's TLS settings.

    Args:
        ca_pem: CAs to trust; None for the system roots.
        verify: Whether to verify the server (not ``insecure-skip-tls-verify``).
        certificate: Client certificate and key, PEM.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem.decode() if ca_pem else None)
    except (ssl.SSLError, ValueError) as error:
        raise errors.ConfigurationError(
            f"expected PEM certificates as certificate authority, got {len(ca_pem or b'')} other "
            f"bytes ({error})"
        ) from error
    # Verify like kubectl: Go neither requires strict RFC 5280 compliance (Python 3.13 does, and
    # refuses the CAs of EKS) nor a chain up to a self-signed root.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        load_certificate(context, *certificate)
    return context


def load_certificate(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    """Load the client certificate into a context; on one in use, new connections send it."""
    with memory_files.paths_of(_sent_alone(certificate_pem), key_pem) as (certificate, key):
        try:
            # Without a password OpenSSL would prompt for that of an encrypted key.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise errors.ConfigurationError(
                "expected a PEM client certificate and its unencrypted PEM key, got two that do "
                f"not match ({error})"
            ) from error


def _sent_alone(certificate_pem: bytes) -> bytes:
    """Return a certificate so that OpenSSL does not send its CA after it.

    OpenSSL extends a single certificate by trusted ones up to the root (SSL_MODE_NO_AUTO_CHAIN,
    which the ssl module cannot set, prevents that). Go's verifier tries the root both as sent and
    as known, so an API server, which verifies the certificate for each request, did so twice: 0.13
    ms of CPU, a fifth of a small read. If several certificates are given, only those are sent; so
    the single one is given twice.
    """
    is_single = certificate_pem.count(b"-----BEGIN CERTIFICATE-----") == 1
    return certificate_pem.rstrip() + b"\n" + certificate_pem if is_single else certificate_pem


def read(path: str | os.PathLike[str]) -> bytes:
    """Read a file; a ConfigurationError names a file that cannot be read."""
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(
            f"expected to read {path}, got {error.strerror}: check the path and its permissions"
        ) from error
