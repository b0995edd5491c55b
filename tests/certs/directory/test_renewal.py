"""What is done about a certificate directory, decided from its content."""

import datetime as dt
import pathlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from certs import authority, expiry
from certs.directory import renewal
from certs.directory.contents import Bundle, Contents, FileError

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ["webhooks.test", "127.0.0.1"]
CA = authority.new_authority("test", now=NOW)
OTHER = authority.new_authority("other", now=NOW)
LEAF = authority.issue_server(CA, NAMES, now=NOW)
DIRECTORY = pathlib.Path("/nowhere")


def contents(**pems: bytes) -> Contents:
    """Return contents by names such as ``ca_crt``."""
    return Contents(DIRECTORY, {name.replace("_", "."): pem for name, pem in pems.items()})


def all_of(issuer: authority.Pair = CA, leaf: authority.Pair = LEAF) -> Contents:
    return contents(
        ca_crt=issuer.certificate_pem,
        ca_key=issuer.key_pem,
        tls_crt=leaf.certificate_pem,
        tls_key=leaf.key_pem,
    )


def test_nothing_there_is_to_be_created() -> None:
    assert renewal.plan(contents(), NAMES, NOW) == renewal.Create()


def test_good_leaf_is_kept() -> None:
    assert renewal.plan(all_of(), NAMES, NOW) == renewal.Keep(Bundle(LEAF, CA.certificate_pem))


def test_authority_without_a_leaf_signs_one() -> None:
    given = contents(ca_crt=CA.certificate_pem, ca_key=CA.key_pem)

    assert renewal.plan(given, NAMES, NOW) == renewal.Reissue(CA, "there is no tls.crt")


def test_given_pair_is_kept_whatever_its_names() -> None:
    given = contents(tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem)

    assert renewal.plan(given, ["other.test"], NOW) == renewal.Keep(Bundle(LEAF, None))


@pytest.mark.parametrize(
    "now", [NOW - authority.BACKDATED - dt.timedelta(seconds=1), NOW + authority.LEAF_LIFETIME]
)
def test_given_pair_that_is_not_valid_is_told(now: dt.datetime) -> None:
    given = contents(tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem)

    with pytest.raises(FileError) as caught:
        renewal.plan(given, NAMES, now)

    assert str(caught.value) == (
        f"expected a certificate that is valid now ({now:%Y-%m-%dT%H:%M:%SZ}) at "
        "/nowhere/tls.crt, got one valid from 2025-12-31T22:55:00Z to 2026-01-31T00:00:00Z: "
        "replace it, or fix the clock"
    )


@pytest.mark.parametrize(("leaf", "issuer"), [(0, 9), (-1, 9), (10, 9)])
def test_lifetimes_that_cannot_be_are_told(leaf: int, issuer: int) -> None:
    with pytest.raises(ValueError, match="a serving certificate's within its CA's"):
        authority.Lifetimes(dt.timedelta(days=leaf), dt.timedelta(days=issuer))


def test_given_pair_comes_with_its_ca() -> None:
    given = contents(
        ca_crt=OTHER.certificate_pem, tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem
    )

    plan = renewal.plan(given, NAMES, NOW)

    assert plan == renewal.Keep(Bundle(LEAF, OTHER.certificate_pem))


OWN = authority.new_authority(authority.OWN_NAME, now=NOW)
OWN_LEAF = authority.issue_server(OWN, NAMES, now=NOW)


@pytest.mark.parametrize(
    ("now", "reason", "is_trusted"),
    [
        (expiry.renewal_time(OWN.certificate), "the CA expires at 2027-01-01T00:00:00Z", True),
        (NOW + dt.timedelta(days=400), "the CA expires at 2027-01-01T00:00:00Z", False),
        (
            NOW - dt.timedelta(days=30),
            "the CA is not valid before 2025-12-31T22:55:00Z",
            False,
        ),
    ],
    ids=["due", "expired", "made under a wrong clock"],
)
def test_authority_made_here_is_replaced_and_trusted_as_long_as_it_is_valid(
    now: dt.datetime, reason: str, *, is_trusted: bool
) -> None:
    plan = renewal.plan(all_of(OWN, OWN_LEAF), NAMES, now)

    trusted = (OWN.certificate,) if is_trusted else ()
    assert renewal.Create(reason, trusted=trusted) == plan


def test_leaf_made_under_a_wrong_clock_is_signed_anew() -> None:
    before = NOW - authority.BACKDATED - dt.timedelta(seconds=1)

    reason = renewal.why_reissue(LEAF.certificate, CA.certificate, NAMES, before)

    assert reason == "it is not valid before 2025-12-31T22:55:00Z"


LIFETIME = authority.LEAF_LIFETIME + authority.BACKDATED
LAST_THIRD = NOW + authority.LEAF_LIFETIME - LIFETIME / 3


@pytest.mark.parametrize(
    ("names", "now", "issuer", "expected"),
    [
        (NAMES, NOW, CA, None),
        (["WEBHOOKS.test"], NOW, CA, None),
        (NAMES, LAST_THIRD - dt.timedelta(seconds=1), CA, None),
        (NAMES, LAST_THIRD, CA, "it expires at 2026-01-31T00:00:00Z"),
        (NAMES, NOW + authority.LEAF_LIFETIME, CA, "it expired at 2026-01-31T00:00:00Z"),
        ([*NAMES, "::1", "a.test"], NOW, CA, "it does not cover ::1, a.test"),
        (NAMES, NOW, OTHER, "it is not signed by ca.crt"),
    ],
)
def test_leaf_is_signed_anew_for_a_reason(
    names: list[str], now: dt.datetime, issuer: authority.Pair, expected: str | None
) -> None:
    assert renewal.why_reissue(LEAF.certificate, issuer.certificate, names, now) == expected


def test_leaf_that_ends_with_its_authority_is_kept_to_the_end() -> None:
    brief = authority.new_authority("brief", now=NOW, lifetime=dt.timedelta(days=3))
    leaf = authority.issue_server(brief, NAMES, now=NOW, lifetime=dt.timedelta(days=3))
    late = NOW + dt.timedelta(days=2, hours=23)

    assert renewal.why_reissue(leaf.certificate, brief.certificate, NAMES, late) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (contents(tls_crt=LEAF.certificate_pem), "expected tls.key beside /nowhere/tls.crt"),
        (contents(tls_key=LEAF.key_pem), "expected tls.crt beside /nowhere/tls.key"),
        (contents(ca_key=CA.key_pem), "expected ca.crt beside /nowhere/ca.key"),
        (
            contents(ca_crt=CA.certificate_pem),
            "expected ca.key, or tls.crt with tls.key, beside /nowhere/ca.crt",
        ),
        (
            contents(tls_crt=b"junk", tls_key=LEAF.key_pem),
            "expected PEM certificates, got 4 other bytes",
        ),
        (
            contents(
                tls_crt=LEAF.certificate.public_bytes(serialization.Encoding.DER),
                tls_key=LEAF.key_pem,
            ),
            "other bytes, but DER: convert them with openssl x509 -inform der",
        ),
        (
            contents(tls_crt=LEAF.certificate_pem, tls_key=b"junk"),
            "expected an unencrypted PEM private key, got 4 other bytes",
        ),
        (
            contents(tls_crt=LEAF.certificate_pem, tls_key=CA.key_pem),
            "expected the private key of the certificate CN=webhooks.test, got the key of another",
        ),
        (
            contents(ca_crt=b"", tls_crt=LEAF.certificate_pem, tls_key=LEAF.key_pem),
            "expected PEM certificates, got 0 bytes of whitespace, at ca.crt in /nowhere",
        ),
        (
            contents(ca_crt=OTHER.certificate_pem, ca_key=CA.key_pem),
            "got the key of another one, at ca.crt and ca.key in /nowhere",
        ),
    ],
)
def test_unusable_directory_is_told_with_file_and_way_out(given: Contents, message: str) -> None:
    with pytest.raises(FileError) as caught:
        renewal.plan(given, NAMES, NOW)

    assert message in str(caught.value)
    assert "or remove" in str(caught.value)


def test_authority_of_others_that_ran_out_is_told() -> None:
    with pytest.raises(FileError, match="one that expired at 2027-01-01T00:00:00Z, at ca"):
        renewal.plan(all_of(), NAMES, NOW + authority.AUTHORITY_LIFETIME)


def test_authority_with_a_key_of_another_kind_is_told() -> None:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mkcert")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + dt.timedelta(days=9))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    given = contents(ca_crt=certificate.public_bytes(serialization.Encoding.PEM), ca_key=key_pem)

    with pytest.raises(FileError, match="expected an elliptic-curve key, got RSAPrivateKey"):
        renewal.plan(given, NAMES, NOW)
