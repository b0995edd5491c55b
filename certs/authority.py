"""X.509 for webhook servers: a certificate authority and the leaves it signs, as values.

Nothing here touches a file, a socket or a clock: the time is an argument, and the only thing
not determined by the arguments is what must not be, keys and serial numbers.
P-256 throughout: what every TLS stack speaks and what cert-manager and knative issue by default.
"""

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# Clocks differ by minutes, and one that was wrong is set back by an hour of daylight saving more
# often than by anything else; a certificate that is not valid yet is refused like an expired one.
BACKDATED = dt.timedelta(minutes=65)
AUTHORITY_LIFETIME = dt.timedelta(days=365)
OWN_NAME = "kubewright"
LEAF_LIFETIME = dt.timedelta(days=30)


@dataclasses.dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long what is made here is valid; it is renewed when a third of that is left.

    Raises:
        ValueError: A leaf would be longer-lived than its authority, or one of them lives no time.
    """

    leaf: dt.timedelta = LEAF_LIFETIME
    authority: dt.timedelta = AUTHORITY_LIFETIME

    def __post_init__(self) -> None:
        if not dt.timedelta() < self.leaf <= self.authority:
            raise ValueError(
                "expected lifetimes over 0 and a leaf's within its authority's, got "
                f"{self.leaf} for a leaf and {self.authority} for an authority"
            )


class CertificateError(Exception):
    """Base of everything `certs` raises for a certificate, key or bundle it cannot use.

    CertificateError             for the operator
    ├── files.FileError          in a certificate directory
    └── injector.InjectionError  on the way into the cluster
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
    """Make a self-signed authority that may sign leaves and nothing else.

    Args:
        name: The subject's common name. The first issue instant is appended, because two
            generations with one subject make verifiers try the wrong key.
        now: Aware UTC time; validity starts ``BACKDATED`` earlier.
        lifetime: How long the authority is valid from ``now``.
        names: The DNS names and addresses that its leaves may be for, so that whoever gets its key
            can be no other server; without any they may be for all.
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
    """Whether an authority's name constraints let its leaves be for a DNS name or address."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return True
    wanted = _general_name(name)
    if any(_is_within(wanted, subtree) for subtree in found.excluded_subtrees or ()):
        return False
    of_its_kind = [one for one in found.permitted_subtrees or () if type(one) is type(wanted)]
    return not of_its_kind or any(_is_within(wanted, subtree) for subtree in of_its_kind)


def issue_server(
    authority: Pair,
    names: Sequence[str],
    *,
    now: dt.datetime,
    lifetime: dt.timedelta = LEAF_LIFETIME,
) -> Pair:
    """Sign a server leaf for DNS names and IP addresses (kube-apiserver reads the SAN only)."""
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
    """Sign a client leaf; Kubernetes reads the user from CN and the groups from O."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        + [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    )
    return _issue(authority, subject, ExtendedKeyUsageOID.CLIENT_AUTH, now=now, lifetime=lifetime)


def new_signing_key() -> tuple[bytes, bytes]:
    """Make a key pair for service account tokens: (private PEM, public PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return _key_pem(key), public


def read_bundle(pem: bytes) -> list[x509.Certificate]:
    """Return the certificates of a bundle, of which there is at least one.

    Raises:
        CertificateError: The bundle is empty or blank, holds a block that is no certificate, or
            holds a private key, which nobody but its owner may ever see.
    """
    if b"PRIVATE KEY" in pem:
        raise CertificateError("expected PEM certificates only, got a private key among them")
    if not pem.strip():
        raise CertificateError(f"expected PEM certificates, got {len(pem)} blank bytes")
    try:
        found = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        der = ", but DER: convert them with openssl x509 -inform der" if pem[:1] == b"0" else ""
        raise CertificateError(
            f"expected PEM certificates, got {len(pem)} bytes that are none{der} ({error})"
        ) from error
    # The parser passes over what it does not know; a mangled header would lose its certificate.
    if len(found) != pem.count(b"-----BEGIN "):
        raise CertificateError(
            f"expected PEM certificates only, got {pem.count(b'-----BEGIN ')} blocks of which "
            f"{len(found)} are certificates"
        )
    return found


def is_made_here(certificate: x509.Certificate) -> bool:
    """Whether `new_authority` made this one by our own name: nobody else is to renew it."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    is_named = any(str(one.value).startswith(f"{OWN_NAME} ") for one in names)
    return is_named and certificate.subject == certificate.issuer


def write_bundle(certificates: Iterable[x509.Certificate]) -> bytes:
    """Return certificates as one bundle, PEM."""
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def is_signed_by(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    """Whether the authority's key made the leaf's signature and the names chain."""
    try:
        leaf.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 - cryptography raises three kinds for «no»
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
        raise TypeError(f"expected an elliptic-curve authority key, got {type(signer).__name__}")
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
        # A short-lived one no more than its lifetime, of which it is renewed in the last third.
        .not_valid_before(now - min(BACKDATED, lifetime))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _common_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _server_name(name: str) -> x509.Name:
    """The subject of a server; OpenSSL would hold an address there for a constrained DNS name."""
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
    """Permit names; a kind of names of which none is permitted is excluded (RFC 5280, 4.2.1.10)."""
    permitted = [_subtree(name) for name in sorted({*names})]
    excluded: list[x509.GeneralName] = []
    if not any(isinstance(one, x509.DNSName) for one in permitted):
        excluded.append(x509.DNSName(""))
    if not any(isinstance(one, x509.IPAddress) for one in permitted):
        excluded += [x509.IPAddress(ipaddress.ip_network(one)) for one in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints(permitted, excluded or None)


def _subtree(name: str) -> x509.GeneralName:
    found = _general_name(name)
    if isinstance(found, x509.IPAddress):
        return x509.IPAddress(ipaddress.ip_network(found.value))
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
