"""X.509 for webhook servers: a certificate authority and the certificates it signs, as values.

No files, sockets or clocks: the time is an argument, and only keys and serial numbers are random.
P-256 throughout: every TLS stack supports it, and cert-manager and knative issue it by default.
"""

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks differ by minutes, and a clock that is wrong is most often off by an hour of daylight
# saving; a certificate that is not valid yet is refused like an expired one.
BACKDATED = dt.timedelta(minutes=65)
AUTHORITY_LIFETIME = dt.timedelta(days=365)
OWN_NAME = "kubewright"
LEAF_LIFETIME = dt.timedelta(days=30)


@dataclasses.dataclass(frozen=True, slots=True)
class Lifetimes:
    """Validity of issued certificates; they are renewed when a third of it is left.

    Raises:
        ValueError: A certificate would outlive its CA, or a lifetime is not positive.
    """

    leaf: dt.timedelta = LEAF_LIFETIME
    authority: dt.timedelta = AUTHORITY_LIFETIME

    def __post_init__(self) -> None:
        if not dt.timedelta() < self.leaf <= self.authority:
            raise ValueError(
                "expected positive lifetimes and a serving certificate's within its CA's, got "
                f"{self.leaf} for serving certificates and {self.authority} for CAs"
            )


class CertificateError(Exception):
    """Base of all errors that `certs` raises for an unusable certificate, key or bundle.

    CertificateError             read by the operator
    ├── contents.FileError       in a certificate directory
    └── injector.InjectionError  when writing to the cluster
    """


@dataclasses.dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM. ``repr`` never shows the key."""

    certificate_pem: bytes
    key_pem: bytes = dataclasses.field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, parsed."""
        return x509.load_pem_x509_certificate(self.certificate_pem)


def new_authority(
    name: str,
    *,
    now: dt.datetime,
    lifetime: dt.timedelta = AUTHORITY_LIFETIME,
    names: Collection[str] = (),
) -> Pair:
    """Create a self-signed CA that may sign serving and client certificates but no other CA.

    Args:
        name: Common name of the subject. The time of issue is appended, because verifiers would
            try the wrong key if two generations had the same subject.
        now: Aware UTC time; validity starts ``BACKDATED`` earlier.
        lifetime: Validity from ``now``.
        names: DNS names and IP addresses that it may sign for (name constraints), so that a leaked
            key cannot impersonate other servers; unconstrained if empty.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _common_name(f"{name} {now:%Y%m%dT%H%M%SZ}")
    builder = (
        _builder(subject, subject, key.public_key(), now=now, lifetime=lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(_constraints(names), critical=True)
    return _pair(builder.sign(key, hashes.SHA256()), key)


def permits(certificate: x509.Certificate, name: str) -> bool:
    """Return whether a CA's name constraints permit a DNS name or IP address."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    requested = _general_name(name)
    if any(_is_within(requested, subtree) for subtree in constraints.excluded_subtrees or ()):
        return False
    of_its_kind = [
        subtree
        for subtree in constraints.permitted_subtrees or ()
        if type(subtree) is type(requested)
    ]
    return not of_its_kind or any(_is_within(requested, subtree) for subtree in of_its_kind)


def issue_server(
    authority: Pair,
    names: Sequence[str],
    *,
    now: dt.datetime,
    lifetime: dt.timedelta = LEAF_LIFETIME,
) -> Pair:
    """Sign a serving certificate for DNS names and IP addresses (kube-apiserver reads the SAN)."""
    return _issue(
        authority,
        _server_name(names[0]),
        ExtendedKeyUsageOID.SERVER_AUTH,
        now=now,
        lifetime=lifetime,
        names=names,
    )


def issue_client(
    authority: Pair,
    user: str,
    groups: Sequence[str] = (),
    *,
    now: dt.datetime,
    lifetime: dt.timedelta = LEAF_LIFETIME,
) -> Pair:
    """Sign a client certificate; Kubernetes reads the user from CN and the groups from O."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        + [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    )
    return _issue(authority, subject, ExtendedKeyUsageOID.CLIENT_AUTH, now=now, lifetime=lifetime)


def new_signing_key() -> tuple[bytes, bytes]:
    """Create a key pair for service account tokens: (private PEM, public PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _key_pem(key), public


def read_bundle(pem: bytes) -> list[x509.Certificate]:
    """Parse a bundle of at least one certificate.

    Raises:
        CertificateError: The bundle is empty or blank, has a block that is not a certificate, or
            contains a private key.
    """
    if b"PRIVATE KEY" in pem:
        raise CertificateError("expected only PEM certificates, got a private key")
    if not pem.strip():
        raise CertificateError(f"expected PEM certificates, got {len(pem)} bytes of whitespace")
    try:
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        der = ", but DER: convert them with openssl x509 -inform der" if pem[:1] == b"0" else ""
        raise CertificateError(
            f"expected PEM certificates, got {len(pem)} other bytes{der} ({error})"
        ) from error
    # The parser skips unknown blocks; a certificate with a damaged header would be lost.
    if len(certificates) != pem.count(b"-----BEGIN "):
        raise CertificateError(
            f"expected only PEM certificates, got {pem.count(b'-----BEGIN ')} blocks of which "
            f"{len(certificates)} are certificates"
        )
    return certificates


def is_made_here(certificate: x509.Certificate) -> bool:
    """Return whether `new_authority` created this CA under this project's name, to be renewed."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_named = any(str(name.value).startswith(f"{OWN_NAME} ") for name in names)
    return is_named and certificate.subject == certificate.issuer


def write_bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """Encode certificates as a PEM bundle."""
    return b"".join(
        certificate.public_bytes(serialization.Encoding.PEM) for certificate in certificates
    )


def check_pair(certificate_pem: bytes, key_pem: bytes) -> None:
    """Check that a private key belongs to a certificate.

    Args:
        certificate_pem: The certificate, followed by intermediates if any.
        key_pem: An unencrypted private key.

    Raises:
        CertificateError: One of them is invalid, or they do not match.
    """
    leaf = read_bundle(certificate_pem)[0]
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        # The cause is omitted: it may quote the key.
        raise CertificateError(
            f"expected an unencrypted PEM private key, got {len(key_pem)} other bytes"
        ) from (error if isinstance(error, TypeError) else None)
    if key.public_key() != leaf.public_key():
        raise CertificateError(
            f"expected the private key of the certificate {leaf.subject.rfc4514_string()}, "
            "got the key of another one"
        )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return whether a CA issued a certificate: its key signed it and the names chain."""
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - cryptography raises three exception types
        return False
    return True


def _issue(
    authority: Pair,
    subject: x509.Name,
    usage: x509.ObjectIdentifier,
    *,
    now: dt.datetime,
    lifetime: dt.timedelta,
    names: Sequence[str] = (),
) -> Pair:
    issuer = authority.certificate
    signer = serialization.load_pem_private_key(authority.key_pem, password=None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError(f"expected an elliptic-curve CA key, got {type(signer).__name__}")
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(subject, issuer.subject, key.public_key(), now=now, lifetime=lifetime)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    now: dt.datetime,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # The lifetime limits the backdating: a certificate is renewed in its last third.
        .not_valid_before(now - min(BACKDATED, lifetime))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _common_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _server_name(name: str) -> x509.Name:
    """Return a server's subject; OpenSSL checks an IP address there against DNS constraints."""
    is_dns = isinstance(_general_name(name), x509.DNSName)
    return _common_name(name[:64] if is_dns else f"server {name}")


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(names: Collection[str]) -> x509.NameConstraints:
    """Permit names; exclude each name type without a permitted name (RFC 5280, 4.2.1.10)."""
    permitted = [_subtree(name) for name in sorted({*names})]
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(name, x509.DNSName) for name in permitted):
        excluded.append(x509.DNSName(""))
    if not any(isinstance(name, x509.IPAddress) for name in permitted):
        excluded += [x509.IPAddress(ipaddress.ip_network(name)) for name in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints(permitted, excluded or None)


def _subtree(name: str) -> x509.GeneralName:
    general = _general_name(name)
    if isinstance(general, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(general.value))
    return x509.DNSName(name.removeprefix("*."))


def _is_within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress) and isinstance(subtree, x509.IPAddress):
        return name.value in ipaddress.ip_network(subtree.value)
    if isinstance(name, x509.DNSName) and isinstance(subtree, x509.DNSName):
        base = subtree.value.lower()
        return not base or f".{name.value.lower()}".endswith(f".{base}")
    return False


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
