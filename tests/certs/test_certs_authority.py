import datetime as dt

import pytest
from cryptography import x509

from certs import authority

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
CA = authority.new_authority("test", now=NOW)
OTHER = authority.new_authority("other", now=NOW)


def test_bundle_of_an_overlap_is_read_whole() -> None:
    found = authority.read_bundle(
        CA.certificate_pem + b"\n# the next one\n" + OTHER.certificate_pem
    )

    assert found == [CA.certificate, OTHER.certificate]


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        (b"", "expected PEM certificates, got 0 bytes of whitespace"),
        (b" \n\t", "expected PEM certificates, got 3 bytes of whitespace"),
        (b"junk", "expected PEM certificates, got 4 other bytes"),
        (CA.certificate_pem + CA.key_pem, "got a private key"),
        (CA.certificate_pem[:-30], "other bytes"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "other bytes",
        ),
        (
            CA.certificate_pem + OTHER.certificate_pem.replace(b"CERTIFICATE", b"SOMETHING"),
            "got 2 blocks of which 1 are certificates",
        ),
    ],
)
def test_what_is_no_bundle_is_refused_without_quoting_it(pem: bytes, message: str) -> None:
    with pytest.raises(authority.CertificateError) as caught:
        authority.read_bundle(pem)

    assert message in str(caught.value)
    assert "BEGIN" not in str(caught.value)


def test_leaf_names_are_in_the_san_and_chain_to_their_authority_only() -> None:
    leaf = authority.issue_server(CA, ["a.test", "127.0.0.1"], now=NOW).certificate

    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.test"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert authority.is_signed_by(leaf, CA.certificate)
    assert not authority.is_signed_by(leaf, OTHER.certificate)


def test_repr_of_a_pair_keeps_the_key_to_itself() -> None:
    assert "PRIVATE KEY" not in repr(CA)
