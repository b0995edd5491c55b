"""TLS contexts: what they speak, and that a live one serves the next pair."""

import contextlib
import datetime as dt
import os
import pathlib
import ssl
import tempfile
from collections.abc import Iterator

import pytest

from certs import authority, tls_contexts
from certs.directory import files

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ["webhooks.test", "127.0.0.1"]
CA = authority.new_authority("test", now=NOW)
OTHER = authority.new_authority("other", now=NOW)
LEAF = authority.issue_server(CA, NAMES, now=NOW)


def client_context(ca_pem: bytes | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=(ca_pem or b"").decode())
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@contextlib.contextmanager
def handshake(server: ssl.SSLContext, client: ssl.SSLContext) -> Iterator[ssl.SSLObject]:
    """Do an in-memory handshake and yield the client's side."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    served = server.wrap_bio(to_server, to_client, server_side=True)
    wrapped = client.wrap_bio(to_client, to_server, server_hostname="webhooks.test")
    for side in (wrapped, served) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    yield wrapped


def test_server_context_speaks_http_1_and_the_bundle_verifies_it(tmp_path: pathlib.Path) -> None:
    now = dt.datetime.now(dt.UTC)
    bundle = files.load_or_create(tmp_path, NAMES, now)

    server = tls_contexts.server_context(bundle.server)

    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    with handshake(server, client_context(bundle.ca_pem)) as shaken:
        assert shaken.selected_alpn_protocol() == "http/1.1"
        assert shaken.version() == "TLSv1.3"


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs files in memory")
def test_pair_is_served_where_no_temporary_file_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The disk may be full when a certificate is renewed."""
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/full")

    assert tls_contexts.verifies(CA.certificate_pem, LEAF)


def test_live_context_serves_the_next_pair(tmp_path: pathlib.Path) -> None:
    now = dt.datetime.now(dt.UTC)
    bundle = files.load_or_create(tmp_path, NAMES, now)
    server = tls_contexts.server_context(bundle.server)
    renewed = files.load_or_create(tmp_path, [*NAMES, "more.test"], now)

    tls_contexts.serve(server, renewed.server)

    with handshake(server, client_context(renewed.ca_pem)) as shaken:
        der = ssl.PEM_cert_to_DER_cert(renewed.server.certificate_pem.decode())
        assert shaken.getpeercert(binary_form=True) == der


def test_pair_that_does_not_belong_together_leaves_the_context_as_it_is(
    tmp_path: pathlib.Path,
) -> None:
    bundle = files.load_or_create(tmp_path, NAMES, dt.datetime.now(dt.UTC))
    server = tls_contexts.server_context(bundle.server)

    with pytest.raises(authority.CertificateError, match="got the key of another one"):
        tls_contexts.serve(server, authority.Pair(bundle.server.certificate_pem, OTHER.key_pem))

    with handshake(server, client_context(bundle.ca_pem)) as shaken:
        der = ssl.PEM_cert_to_DER_cert(bundle.server.certificate_pem.decode())
        assert shaken.getpeercert(binary_form=True) == der
