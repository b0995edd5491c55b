"""TLS contexts for serving certificates, and for clients that trust a CA bundle. Shell: OpenSSL."""

import contextlib
import ssl

from cryptography.hazmat.primitives import serialization

from certs import authority, memory_files


def server_context(pair: authority.Pair, *, client_ca: bytes | None = None) -> ssl.SSLContext:
    """Return TLS settings for a webhook server: TLS 1.2 or newer, HTTP/1.1 only.

    The API server speaks nothing else to webhooks (kubernetes/kubernetes#75791).

    Args:
        pair: The served pair.
        client_ca: PEM of the CAs that verify client certificates, which are optional here; routes
            decide whether to require one.

    Raises:
        CertificateError: The pair does not match, or the client CAs are invalid.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        for certificate in authority.read_bundle(client_ca):
            context.load_verify_locations(
                cadata=certificate.public_bytes(serialization.Encoding.DER)
            )
        context.verify_mode = ssl.CERT_OPTIONAL
    serve(context, pair)
    return context


def serve(context: ssl.SSLContext, pair: authority.Pair) -> None:
    """Make a context, even one in use, serve a pair to new connections.

    Raises:
        CertificateError: The pair does not match; the context keeps its previous pair.
    """
    authority.check_pair(pair.certificate_pem, pair.key_pem)
    with memory_files.paths_of(pair.certificate_pem, pair.key_pem) as (certificate, key):
        context.load_cert_chain(certificate, key)


# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


def verifies(ca_pem: bytes, pair: authority.Pair) -> bool:
    """Return whether a client that trusts a bundle accepts a pair, apart from names and validity.

    Decided by an in-memory handshake, so that TLS itself verifies chains with intermediates.
    """
    client = trusting_context(ca_pem.decode("ascii", "replace"))
    client.check_hostname = False
    client.verify_flags |= _NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_end = client.wrap_bio(to_client, to_server)
    server_end = server_context(pair).wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (client_end, server_end, client_end):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError:
        return False
    return True


def trusting_context(bundle: str) -> ssl.SSLContext:
    """Create a client context like Go's: it trusts any certificate of the bundle, also non-roots.

    Args:
        bundle: PEM; if blank, the system roots.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    tls.hostname_checks_common_name = False
    if bundle.strip():
        tls.load_verify_locations(cadata=bundle)
    else:
        tls.load_default_certs()
    return tls
