"""Certificates in a directory: ca.crt, ca.key, tls.crt, tls.key. Shell: files and TLS contexts.

For development and for ``webhooks serve --cert-dir``. `plan` decides, as a pure function of the
directory's content; `load_or_create` acts. Replacement is atomic, in the layout of the kubelet's
volumes: ``..data`` links to the directory of one generation, and the four names link through it.
"""

import contextlib
import dataclasses
import datetime as dt
import fcntl
import ipaddress
import logging
import os
import pathlib
import shutil
import ssl
import stat
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import authority, expiry, memory_files
from schemagen.files import make_private

CA_CERTIFICATE, CA_KEY = "ca.crt", "ca.key"
CERTIFICATE, KEY = "tls.crt", "tls.key"
NAMES = (CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY)
_log = logging.getLogger(__name__)

_PRIVATE = frozenset({CA_KEY, KEY})

_DATA = "..data"
_GENERATION = "..generation-"


class FileError(authority.CertificateError):
    """A certificate directory is unusable as it is."""


class NotYetValidError(FileError):
    """The pair of the directory is good but not valid yet.

    Attributes:
        bundle: The content of the directory.
    """

    def __init__(self, message: str, bundle: "Bundle") -> None:
        super().__init__(message)
        self.bundle = bundle


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """A served pair and the CA bundle that clients trust."""

    server: authority.Pair
    ca_pem: bytes | None
    """None if the directory has no ca.crt: whoever provided the pair knows its CA."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """The existing files of the four, read consistently.

    Attributes:
        exposed: File modes of keys that others than the owner can read, by name.
    """

    directory: pathlib.Path
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    exposed: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Keep:
    """Use the existing pair."""

    bundle: Bundle


@dataclasses.dataclass(frozen=True, slots=True)
class Reissue:
    """Issue a new serving certificate with the existing CA.

    Attributes:
        kept_names: Names of the last certificate that were not requested.
        fallback: The existing pair, if it can still be served.
    """

    authority: authority.Pair
    reason: str
    kept_names: tuple[str, ...] = ()
    fallback: Bundle | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Create:
    """Create a CA and a serving certificate: there is none, or the CA must be replaced.

    Attributes:
        kept_names: Names of the last certificate that were not requested.
        trusted: Certificates to trust besides the new CA.
        fallback: The existing pair, if it can still be served.
    """

    reason: str = "there is none"
    kept_names: tuple[str, ...] = ()
    trusted: tuple[x509.Certificate, ...] = ()
    fallback: Bundle | None = None


Plan: TypeAlias = Keep | Reissue | Create


def load_or_create(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None = None,
) -> Bundle:
    """Return the directory's certificates, created or renewed where they are missing or due.

    Without ca.key the pair is external (cert-manager's): it is used while it is valid, and its
    names are not checked. With ca.key, the serving certificate is reissued when it has less than a
    third of its validity left, lacks one of the names, is not valid yet or is not signed by ca.crt.
    A CA that was created here is replaced when it has less than a third of its validity left, with
    the old CA kept in ca.crt.

    Args:
        directory: Created with mode 0700 if it does not exist.
        names: DNS names and IP addresses that the certificate must be valid for.
        now: Aware UTC time.
        lifetimes: Validity of issued certificates.

    Raises:
        FileError: A file is corrupt, its companion is missing, an external pair is not valid, or
            others can read a key (except in a mounted volume, where the kubelet sets the modes). No
            file is overwritten. A pair that is due but still valid is used if the directory cannot
            be written.
        NotYetValidError: An external pair is not valid yet.
    """
    path = pathlib.Path(directory)
    decision = plan(_read(path), names, now)
    try:
        return _applied(decision, path, names, now, lifetimes)
    except FileError as error:
        if isinstance(decision, Keep) or decision.fallback is None:
            raise
        _log.warning("failed to renew the certificate (%s): %s", decision.reason, error)
        return decision.fallback


def load(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None = None,
) -> Bundle:
    """Like ``load_or_create``, but fails for an empty directory and does not use a fallback.

    Raises:
        FileError: As there, and if the directory is empty: callers already trust a CA.
    """
    path = pathlib.Path(directory)
    contents = _read(path)
    if not contents.files:
        raise FileError(f"expected {CERTIFICATE} and {KEY} in {path}, got neither: add them")
    return _applied(plan(contents, names, now), path, names, now, lifetimes)


def stamp(path: pathlib.Path) -> tuple[int, int] | None:
    """Return a value that changes when a file is replaced or written; None if it is missing."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def read_pair(directory: str | os.PathLike[str]) -> authority.Pair:
    """Return the pair of a directory that ``install`` wrote, whatever its validity.

    Raises:
        FileError: It is missing or incomplete.
    """
    contents = _read(pathlib.Path(directory))
    _check_companions(contents)
    if KEY not in contents.files:
        raise FileError(f"expected {CERTIFICATE} and {KEY} in {directory}, got neither")
    return _given_pair(contents)


def _applied(
    decision: "Plan",
    path: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None,
) -> Bundle:
    # Usually everything is in place, and a mounted volume cannot be locked.
    if isinstance(decision, Keep):
        return decision.bundle
    with _locked(path):
        # Another process may have renewed it in the meantime.
        decision = plan(_read(path), names, now)
        return _apply(decision, path, names, now, lifetimes or authority.Lifetimes())


def plan(contents: Contents, names: Sequence[str], now: dt.datetime) -> Plan:
    """Decide what to do about a directory.

    Raises:
        FileError: It is unusable as it is.
    """
    present = contents.files.keys()
    if not present:
        return Create()
    _check_companions(contents)
    _check_modes(contents)
    if CA_KEY in present:
        return _plan_own(contents, names, now)
    bundle = Bundle(_given_pair(contents), _given_ca(contents))
    _check_valid(contents, bundle, now)
    return Keep(bundle)


def _plan_own(contents: Contents, names: Sequence[str], now: dt.datetime) -> Plan:
    """Decide what to do about a CA whose key is present, and its serving certificate."""
    issuer = _own_authority(contents)
    pair = _given_pair(contents) if KEY in contents.files else None
    fallback = None if pair is None else _still_valid(Bundle(pair, issuer.certificate_pem), now)
    if authority.is_made_here(issuer.certificate):
        reason = _why_replaced(issuer, names, now)
        if reason is not None:
            trusted = _valid_certificates(issuer.certificate_pem, now)
            return Create(reason, _kept_names(names, pair), trusted, fallback)
    else:
        _check_authority(contents, issuer, names, now)
    if pair is None:
        return Reissue(issuer, f"there is no {CERTIFICATE}")
    reason = why_reissue(pair.certificate, issuer.certificate, names, now)
    if reason is None:
        return Keep(Bundle(pair, issuer.certificate_pem))
    return Reissue(issuer, reason, _kept_names(names, pair), fallback)


def _kept_names(names: Sequence[str], pair: authority.Pair | None) -> tuple[str, ...]:
    """Return the names of the last certificate that the next one keeps.

    Otherwise two servers with different names that share a directory would reissue in turn forever.
    """
    before = set() if pair is None else covered(pair.certificate)
    return tuple(sorted(before - {_canonical(name) for name in names}))


def _still_valid(bundle: Bundle, now: dt.datetime) -> Bundle | None:
    certificates = (bundle.server.certificate, *authority.read_bundle(bundle.ca_pem or b"")[:1])
    return (
        bundle if all(expiry.is_valid(certificate, now) for certificate in certificates) else None
    )


def _valid_certificates(pem: bytes, now: dt.datetime) -> tuple[x509.Certificate, ...]:
    return tuple(
        certificate
        for certificate in authority.read_bundle(pem)
        if expiry.is_valid(certificate, now)
    )


def _why_replaced(issuer: authority.Pair, names: Sequence[str], now: dt.datetime) -> str | None:
    """Return why a CA created here must be replaced; None if it is good."""
    starts, ends = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if now < starts:
        return f"the CA is not valid before {expiry.time_text(starts)}"
    if expiry.is_due(issuer.certificate, now):
        return f"the CA expires at {expiry.time_text(ends)}"
    foreign = _not_permitted(issuer, names)
    return f"the CA may not sign for {foreign}" if foreign else None


def _not_permitted(issuer: authority.Pair, names: Sequence[str]) -> str:
    foreign = {
        _canonical(name) for name in names if not authority.permits(issuer.certificate, name)
    }
    return ", ".join(sorted(foreign))


def why_reissue(
    leaf: x509.Certificate, issuer: x509.Certificate, names: Sequence[str], now: dt.datetime
) -> str | None:
    """Return why a serving certificate must be reissued; None if it is good."""
    starts, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not authority.is_signed_by(leaf, issuer):
        return f"it is not signed by {CA_CERTIFICATE}"
    if now >= ends:
        return f"it expired at {expiry.time_text(ends)}"
    if now < starts:
        return f"it is not valid before {expiry.time_text(starts)}"
    missing = sorted({_canonical(name) for name in names} - covered(leaf))
    if missing:
        return f"it does not cover {', '.join(missing)}"
    # A certificate that expires with its CA cannot be made to last longer.
    if now >= expiry.renewal_time(leaf) and ends < issuer.not_valid_after_utc:
        return f"it expires at {expiry.time_text(ends)}"
    return None


def check_pair(certificate_pem: bytes, key_pem: bytes) -> None:
    """Check that a private key belongs to a certificate.

    Args:
        certificate_pem: The certificate, followed by intermediates if any.
        key_pem: An unencrypted private key.

    Raises:
        CertificateError: One of them is invalid, or they do not match.
    """
    leaf = authority.read_bundle(certificate_pem)[0]
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        # The cause is omitted: it may quote the key.
        raise authority.CertificateError(
            f"expected an unencrypted PEM private key, got {len(key_pem)} other bytes"
        ) from (error if isinstance(error, TypeError) else None)
    if key.public_key() != leaf.public_key():
        raise authority.CertificateError(
            f"expected the private key of the certificate {leaf.subject.rfc4514_string()}, "
            "got the key of another one"
        )


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
    check_pair(pair.certificate_pem, pair.key_pem)
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


def install(directory: str | os.PathLike[str], pair: authority.Pair, ca_pem: bytes | None) -> None:
    """Write a pair and its CA bundle to a directory atomically, after checking the pair.

    The CA's key is not written: it is kept elsewhere.

    Raises:
        CertificateError: The pair does not match; the directory is unchanged.
        FileError: The directory cannot be written.
    """
    check_pair(pair.certificate_pem, pair.key_pem)
    path = pathlib.Path(directory)
    with _locked(path):
        ca = {} if ca_pem is None else {CA_CERTIFICATE: ca_pem}
        _replace(path, {**ca, CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem})


def _check_companions(contents: Contents) -> None:
    for name, companion in ((CERTIFICATE, KEY), (KEY, CERTIFICATE), (CA_KEY, CA_CERTIFICATE)):
        if name in contents.files and companion not in contents.files:
            raise FileError(
                f"expected {companion} beside {contents.directory / name}, got none: add it, "
                f"or remove {name} to have a new pair created"
            )
    if contents.files.keys() == {CA_CERTIFICATE}:
        raise FileError(
            f"expected {CA_KEY}, or {CERTIFICATE} with {KEY}, beside "
            f"{contents.directory / CA_CERTIFICATE}, got none: add them, or remove it to "
            "have a new CA created"
        )


def _check_modes(contents: Contents) -> None:
    for name, mode in contents.exposed.items():
        path = contents.directory / name
        raise FileError(
            f"expected a key readable only by its owner at {path}, got mode {mode:04o}: "
            f"chmod 600 {path}"
        )


def _check_valid(contents: Contents, bundle: Bundle, now: dt.datetime) -> None:
    certificate = bundle.server.certificate
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    message = (
        f"expected a certificate that is valid now ({expiry.time_text(now)}) at "
        f"{contents.directory / CERTIFICATE}, got one valid from {expiry.time_text(starts)} "
        f"to {expiry.time_text(ends)}: replace it, or fix the clock"
    )
    if now < starts < ends:
        raise NotYetValidError(message, bundle)
    if not starts <= now < ends:
        raise FileError(message)


def _given_pair(contents: Contents) -> authority.Pair:
    certificate_pem, key_pem = contents.files[CERTIFICATE], contents.files[KEY]
    try:
        check_pair(certificate_pem, key_pem)
    except authority.CertificateError as error:
        raise _unusable(contents, f"{CERTIFICATE} and {KEY}", error) from error
    return authority.Pair(certificate_pem, key_pem)


def _given_ca(contents: Contents) -> bytes | None:
    pem = contents.files.get(CA_CERTIFICATE)
    if pem is not None:
        try:
            authority.read_bundle(pem)
        except authority.CertificateError as error:
            raise _unusable(contents, CA_CERTIFICATE, error) from error
    return pem


def _own_authority(contents: Contents) -> authority.Pair:
    pair = authority.Pair(contents.files[CA_CERTIFICATE], contents.files[CA_KEY])
    try:
        check_pair(pair.certificate_pem, pair.key_pem)
        key = serialization.load_pem_private_key(pair.key_pem, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise authority.CertificateError(  # noqa: TRY301 - one way out for both checks
                f"expected an elliptic-curve key, got {type(key).__name__}"
            )
    except authority.CertificateError as error:
        raise _unusable(contents, f"{CA_CERTIFICATE} and {CA_KEY}", error) from error
    return pair


def _check_authority(
    contents: Contents, issuer: authority.Pair, names: Sequence[str], now: dt.datetime
) -> None:
    """Check an external CA, which is not replaced automatically."""
    ended = issuer.certificate.not_valid_after_utc
    problem = ""
    if now >= ended:
        problem = f"a valid CA, got one that expired at {expiry.time_text(ended)}"
    elif foreign := _not_permitted(issuer, names):
        problem = f"a CA that may sign for {foreign}, got one whose name constraints forbid it"
    if problem:
        error = authority.CertificateError(f"expected {problem}")
        raise _unusable(contents, f"{CA_CERTIFICATE} and {CA_KEY}", error)


def _unusable(contents: Contents, names: str, error: Exception) -> FileError:
    return FileError(
        f"{error}, at {names} in {contents.directory}: replace them, or remove them to have new "
        "ones created"
    )


def covered(leaf: x509.Certificate) -> set[str]:
    """Return the DNS names and IP addresses that a certificate is valid for."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    dns = names.get_values_for_type(x509.DNSName)
    return {_canonical(str(name)) for name in (*dns, *names.get_values_for_type(x509.IPAddress))}


def _canonical(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _apply(
    step: Plan,
    directory: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes,
) -> Bundle:
    if isinstance(step, Keep):
        return step.bundle
    _log.info("issuing a new serving certificate in %s: %s", directory, step.reason)
    if isinstance(step, Reissue):
        issuer = step.authority
    else:
        created = authority.new_authority(
            authority.OWN_NAME,
            now=now,
            lifetime=lifetimes.authority,
            names=[*names, *step.kept_names],
        )
        trusted = created.certificate_pem + authority.write_bundle(step.trusted)
        issuer = authority.Pair(trusted, created.key_pem)
    lifetime = min(lifetimes.leaf, issuer.certificate.not_valid_after_utc - now)
    leaf = authority.issue_server(issuer, [*names, *step.kept_names], now=now, lifetime=lifetime)
    pems = (issuer.certificate_pem, issuer.key_pem, leaf.certificate_pem, leaf.key_pem)
    _replace(directory, dict(zip(NAMES, pems, strict=True)))
    return Bundle(leaf, issuer.certificate_pem)


def _read(directory: pathlib.Path) -> Contents:
    """Read all files of one generation, even while another process replaces it.

    In a volume with files in folders (``items[].path: webhook/tls.crt``) the folder is such a link:
    ``webhook -> ..data/webhook``.
    """
    folder, generation = _current(directory)
    read = {name: _read_file(folder, generation, name) for name in NAMES}
    files = {name: pem for name, pem in read.items() if pem is not None}
    exposed = _exposed(directory, folder, files)
    if (folder, generation) != _current(directory):
        return _read(directory)
    return Contents(directory, files, exposed)


def _current(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path | None]:
    """Return the real directory and its current generation, if any."""
    folder = pathlib.Path(os.path.realpath(directory))
    return folder, _generation(folder)


def _exposed(
    directory: pathlib.Path, folder: pathlib.Path, names: Container[str]
) -> Mapping[str, int]:
    """Return the keys that others can read, unless they are in a mounted volume.

    A volume is only reachable by its pod's containers, and the kubelet sets the modes: 0644 by
    default, and always group-readable if the pod has an fsGroup.
    """
    if any(os.path.ismount(certificate) for certificate in (directory, folder, *_volumes(folder))):
        return {}
    exposed: dict[str, int] = {}
    for name in sorted(_PRIVATE):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE((folder / name).stat().st_mode)
            if name in names and mode & (stat.S_IRWXG | stat.S_IRWXO):
                exposed[name] = mode
    return exposed


def _volumes(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield parent directories whose ``..data`` links here: volumes written by the kubelet."""
    for generation in (folder, *folder.parents):
        volume = generation.parent
        if generation.name.startswith("..") and _generation(volume) == generation:
            yield volume


def _generation(directory: pathlib.Path) -> pathlib.Path | None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return directory / (directory / _DATA).readlink()
    return None


def _read_file(directory: pathlib.Path, generation: pathlib.Path | None, name: str) -> bytes | None:
    path = directory / name
    if generation is not None and not _is_own(path):
        path = generation / name
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(
            f"expected to read {path}, got {error.strerror}: check its owner and permissions"
        ) from error


def _is_own(path: pathlib.Path) -> bool:
    """Return whether a file was placed by the user and is not a link into a generation."""
    if path.is_symlink():
        return path.readlink().parts[0] != _DATA
    return path.exists()


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[None]:
    try:
        make_private(directory)
        handle = os.open(directory / "..lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FileError(
            f"expected to write certificates to {directory}, got {error.strerror}: make it "
            f"writable, choose another directory, or add {CERTIFICATE} and {KEY}"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(directory: pathlib.Path, pems: Mapping[str, bytes]) -> None:
    previous = _generation(directory)
    own = [name for name in NAMES if _is_own(directory / name)]
    if own:
        # Files placed by the user become links to the same bytes first; only then can a single
        # rename of ..data replace all of them.
        previous = _write_generation(directory, _read(directory).files)
        _point(directory / _DATA, previous.name)
    for name in own:
        _point(directory / name, f"{_DATA}/{name}")
    current = _write_generation(directory, pems)
    _point(directory / _DATA, current.name)
    for name in NAMES:
        if name in pems:
            _point(directory / name, f"{_DATA}/{name}")
        else:
            (directory / name).unlink(missing_ok=True)
    # The previous generation is kept: a reader may have just followed the link.
    for stale in directory.glob(f"{_GENERATION}*"):
        if stale.name not in {current.name, previous.name if previous else None}:
            shutil.rmtree(stale)


def _write_generation(directory: pathlib.Path, pems: Mapping[str, bytes]) -> pathlib.Path:
    generation = pathlib.Path(tempfile.mkdtemp(prefix=_GENERATION, dir=directory))
    for name, pem in pems.items():
        mode = 0o600 if name in _PRIVATE else 0o644
        handle = os.open(generation / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # regardless of the umask
            file.write(pem)
            file.flush()
            # Empty files after a power failure would count as corrupt.
            os.fsync(file.fileno())
    # mkdtemp's 0700 would hide ca.crt from users who may read the directory.
    generation.chmod(0o755)
    return generation


def _point(link: pathlib.Path, target: str) -> None:
    """Create a link, or atomically replace a link or file by it."""
    fresh = link.with_name(f"..new-{link.name.lstrip('.')}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
