"""How to reach a cluster: server, TLS, proxy and credentials, as values. Shell: reads files."""

import dataclasses
import os
import pathlib
import ssl
from typing import Protocol, TypeAlias

from certs import memory_files
from controllers.kube import errors

Headers: TypeAlias = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Who we are, for one request."""

    headers: Headers = dataclasses.field(default=(), repr=False)
    generation: int = 0
    """Tells two apart that differ only in the client's certificate."""


class Credentials(Protocol):
    """Whatever knows who we are."""

    async def identity(self) -> Identity:
        """Return the identity for one request, renewed first where it is known to have expired."""

    async def renew(self, refused: Identity) -> Identity:
        """Return a newer identity than the one answered with 401; the same if there is none."""


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """An identity that never changes; by default what the client's certificate says."""

    fixed: Identity = Identity()

    async def identity(self) -> Identity:
        """Return the identity."""
        return self.fixed

    async def renew(self, refused: Identity) -> Identity:
        """Return the refused one: there is no other."""
        return refused


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everything a connection to one API server takes."""

    server: str
    """Base URL, without a slash at the end."""
    tls: ssl.SSLContext | None = dataclasses.field(default=None, repr=False)
    server_hostname: str | None = None
    """The name to verify the server's certificate by, where it is not the URL's host."""
    proxy: str | None = dataclasses.field(default=None, repr=False)
    """Proxy URL, which may hold a password; None leaves it to HTTPS_PROXY and NO_PROXY."""
    credentials: Credentials = Fixed()
    headers: Headers = ()
    """What goes with every request besides, such as whom to act as."""


def bearer(token: str) -> Headers:
    """Return the header for a token; token files end in a newline, which no header may hold."""
    return (("Authorization", f"Bearer {token.strip()}"),)


def tls_context(
    *,
    ca_pem: bytes | None = None,
    verify: bool = True,
    certificate: tuple[bytes, bytes] | None = None,
) -> ssl.SSLContext:
    """Return the TLS settings of a client.

    Args:
        ca_pem: Whom to trust; None is the system's roots.
        verify: Whether to verify the server at all (``insecure-skip-tls-verify``).
        certificate: The client's certificate and key, PEM.
    """
    try:
        context = ssl.create_default_context(cadata=ca_pem.decode() if ca_pem else None)
    except (ssl.SSLError, ValueError) as error:
        raise errors.ConfigurationError(
            f"expected PEM certificates as certificate authority, got {len(ca_pem or b'')} bytes "
            f"that are none ({error})"
        ) from error
    # Clusters are verified as by kubectl: Go neither wants RFC 5280 to the letter (Python 3.13
    # does, and refuses the authorities of EKS) nor a chain up to a self-signed root.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        load_certificate(context, *certificate)
    return context


def load_certificate(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    """Give a context the client's certificate; on a live one, new connections use it."""
    with memory_files.paths_of(_sent_alone(certificate_pem), key_pem) as (certificate, key):
        try:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise errors.ConfigurationError(
                "expected a PEM client certificate and its own unencrypted PEM key, got two that "
                f"do not make a pair ({error})"
            ) from error


def _sent_alone(certificate_pem: bytes) -> bytes:
    """A certificate so that OpenSSL does not send its authority after it.

    To a single certificate OpenSSL adds what it trusts up to the root (SSL_MODE_NO_AUTO_CHAIN,
    which the ssl module cannot set, tells it not to). Go's verifier tries the root among the sent
    ones and among its own, so that an API server, which verifies the certificate at each request,
    did so twice: 0.13 ms of CPU, a fifth of a small read. Where more than one certificate is given,
    just those are sent; so the one is given twice.
    """
    is_single = certificate_pem.count(b"-----BEGIN CERTIFICATE-----") == 1
    return certificate_pem.rstrip() + b"\n" + certificate_pem if is_single else certificate_pem


def read(path: str | os.PathLike[str]) -> bytes:
    """Return a file's bytes; a ConfigurationError names the file that cannot be read."""
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise errors.ConfigurationError(
            f"expected to read {path}, got {error.strerror}: check the path and its permissions"
        ) from error
