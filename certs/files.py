"""Certificates in a directory: ca.crt, ca.key, tls.crt, tls.key. Shell: files and TLS contexts.

For development and for ``webhooks serve --cert-dir``. `plan` decides, as a pure function of what
is there; `load_or_create` acts. Replacement is atomic, in the layout of the kubelet's volumes:
``..data`` is a link to the directory of one generation, and the four names are links through it.
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
    """A certificate directory cannot be used as it is; says which file and what to do."""


class NotYetValidError(FileError):
    """A given pair is good, but its time is still to come.

    Attributes:
        bundle: What is there.
    """

    def __init__(self, message: str, bundle: "Bundle") -> None:
        super().__init__(message)
        self.bundle = bundle


@dataclasses.dataclass(frozen=True, slots=True)
class Bundle:
    """What a server serves, and whom its clients are to trust."""

    server: authority.Pair
    ca_pem: bytes | None
    """None where the directory has no ca.crt: whoever gave the pair knows its authority."""


@dataclasses.dataclass(frozen=True, slots=True)
class Contents:
    """The files that a directory has of the four, as read at one instant.

    Attributes:
        exposed: By name of a key that others than its owner may read, its mode.
    """

    directory: pathlib.Path
    files: Mapping[str, bytes] = dataclasses.field(repr=False)
    exposed: Mapping[str, int] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Keep:
    """Use what is there."""

    bundle: Bundle


@dataclasses.dataclass(frozen=True, slots=True)
class Reissue:
    """Sign a new leaf with the authority that is there.

    Attributes:
        kept_names: Those of the last leaf that were not asked for.
        fallback: What is there, where it may go on being served.
    """

    authority: authority.Pair
    reason: str
    kept_names: tuple[str, ...] = ()
    fallback: Bundle | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Create:
    """Make an authority and a leaf: none is there, or the authority is to be replaced.

    Attributes:
        kept_names: Those of the last leaf that were not asked for.
        trusted: The certificates that are to be trusted besides the new authority.
        fallback: What is there, where it may go on being served.
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
    """Return the directory's certificates, made or renewed where they are missing or due.

    Without ca.key the pair is somebody else's (cert-manager's): it is used as it is while it is
    valid, and its names are not looked at. With ca.key, the leaf is signed anew when it has less
    than a third of its life left, misses one of the names, is not valid yet or is not of ca.crt. An
    authority that was made here is replaced when it has less than a third of its life left, with
    the old one beside it in ca.crt.

    Args:
        directory: Made with mode 0700 where it does not exist.
        names: DNS names and IP addresses that the leaf must be valid for.
        now: Aware UTC time.
        lifetimes: Of what is made.

    Raises:
        FileError: A file is corrupt, its companion is missing, a given pair is not valid, or others
            may read a key (in a volume of its own that is the kubelet's business). No file is
            overwritten. What is due but still valid is used where the directory cannot be written.
        NotYetValidError: A given pair is to be waited for.
    """
    path = pathlib.Path(directory)
    found = plan(_read(path), names, now)
    try:
        return _made(found, path, names, now, lifetimes)
    except FileError as error:
        if isinstance(found, Keep) or found.fallback is None:
            raise
        _log.warning("not renewed, although %s: %s", found.reason, error)
        return found.fallback


def load(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None = None,
) -> Bundle:
    """As ``load_or_create``, but something is there, and what is due can be renewed.

    Raises:
        FileError: As there, and where nothing is in the directory: whoever calls trusts an
            authority already.
    """
    path = pathlib.Path(directory)
    contents = _read(path)
    if not contents.files:
        raise FileError(f"expected {CERTIFICATE} and {KEY} in {path}, got neither: put them there")
    return _made(plan(contents, names, now), path, names, now, lifetimes)


def stamp(path: pathlib.Path) -> tuple[int, int] | None:
    """What is another one once a file was replaced or written; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def read_pair(directory: str | os.PathLike[str]) -> authority.Pair:
    """Return the pair of a directory that ``install`` wrote, whatever the time.

    Raises:
        FileError: It is not there, or not whole.
    """
    contents = _read(pathlib.Path(directory))
    _check_companions(contents)
    if KEY not in contents.files:
        raise FileError(f"expected {CERTIFICATE} and {KEY} in {directory}, got neither")
    return _given_pair(contents)


def _made(
    found: "Plan",
    path: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None,
) -> Bundle:
    # Most looks find everything in place, and a mounted volume cannot be locked.
    if isinstance(found, Keep):
        return found.bundle
    with _locked(path):
        # Another process may have done it meanwhile.
        found = plan(_read(path), names, now)
        return _carry_out(found, path, names, now, lifetimes or authority.Lifetimes())


def plan(contents: Contents, names: Sequence[str], now: dt.datetime) -> Plan:
    """Decide what to do about a directory.

    Raises:
        FileError: It cannot be used as it is.
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
    """What to do about an authority whose key is there, and its leaf."""
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
    """The names of the last leaf that the next one has as well.

    Two servers that share a directory and have different names would else sign in turn, for ever.
    """
    before = set() if pair is None else covered(pair.certificate)
    return tuple(sorted(before - {_canonical(name) for name in names}))


def _still_valid(bundle: Bundle, now: dt.datetime) -> Bundle | None:
    certificates = (bundle.server.certificate, *authority.read_bundle(bundle.ca_pem or b"")[:1])
    return bundle if all(expiry.is_valid(one, now) for one in certificates) else None


def _valid_certificates(pem: bytes, now: dt.datetime) -> tuple[x509.Certificate, ...]:
    return tuple(one for one in authority.read_bundle(pem) if expiry.is_valid(one, now))


def _why_replaced(issuer: authority.Pair, names: Sequence[str], now: dt.datetime) -> str | None:
    """Why an authority that was made here is to be replaced, or None where it is good."""
    starts, ends = issuer.certificate.not_valid_before_utc, issuer.certificate.not_valid_after_utc
    if now < starts:
        return f"the authority is not valid before {expiry.time_text(starts)}"
    if expiry.is_due(issuer.certificate, now):
        return f"the authority ends at {expiry.time_text(ends)}"
    foreign = _not_permitted(issuer, names)
    return f"the authority may not sign for {foreign}" if foreign else None


def _not_permitted(issuer: authority.Pair, names: Sequence[str]) -> str:
    foreign = {
        _canonical(name) for name in names if not authority.permits(issuer.certificate, name)
    }
    return ", ".join(sorted(foreign))


def why_reissue(
    leaf: x509.Certificate, issuer: x509.Certificate, names: Sequence[str], now: dt.datetime
) -> str | None:
    """Return why a leaf has to be signed anew, or None where it is good."""
    starts, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    if not authority.is_signed_by(leaf, issuer):
        return f"it is not signed by {CA_CERTIFICATE}"
    if now >= ends:
        return f"it ran out at {expiry.time_text(ends)}"
    if now < starts:
        return f"it is not valid before {expiry.time_text(starts)}"
    missing = sorted({_canonical(name) for name in names} - covered(leaf))
    if missing:
        return f"it does not cover {', '.join(missing)}"
    # A leaf that ends with its authority cannot be made to last longer.
    if now >= expiry.renewal_time(leaf) and ends < issuer.not_valid_after_utc:
        return f"it runs out at {expiry.time_text(ends)}"
    return None


def check_pair(certificate_pem: bytes, key_pem: bytes) -> None:
    """Check that a key is that of a certificate.

    Args:
        certificate_pem: The leaf, and after it the intermediates if there are any.
        key_pem: An unencrypted private key.

    Raises:
        CertificateError: One of them is no such thing, or they do not belong together.
    """
    leaf = authority.read_bundle(certificate_pem)[0]
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        # The cause is left out: it may quote the key.
        raise authority.CertificateError(
            f"expected an unencrypted PEM private key, got {len(key_pem)} bytes that are none"
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
        pair: What is served.
        client_ca: PEM of the authorities that clients' certificates are verified by. A client
            may show none; what that one may ask for is for the server to say.

    Raises:
        CertificateError: The pair does not belong together, or no authority can be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if client_ca is not None:
        for one in authority.read_bundle(client_ca):
            context.load_verify_locations(cadata=one.public_bytes(serialization.Encoding.DER))
        context.verify_mode = ssl.CERT_OPTIONAL
    serve(context, pair)
    return context


def serve(context: ssl.SSLContext, pair: authority.Pair) -> None:
    """Make a context, also one in use, serve a pair to the connections that come from now on.

    Raises:
        CertificateError: The pair does not belong together; the context keeps the one it has.
    """
    check_pair(pair.certificate_pem, pair.key_pem)
    with memory_files.paths_of(pair.certificate_pem, pair.key_pem) as (certificate, key):
        context.load_cert_chain(certificate, key)


# X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the ssl module has no name for.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


def verifies(ca_pem: bytes, pair: authority.Pair) -> bool:
    """Whether a client that trusts a bundle accepts a pair, names and time aside.

    A handshake in memory says it, as chains with intermediates are for TLS to judge.
    """
    client = trusting_context(ca_pem.decode("ascii", "replace"))
    client.check_hostname = False
    client.verify_flags |= _NO_CHECK_TIME
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server_context(pair).wrap_bio(to_server, to_client, server_side=True)
    try:
        for side in (asking, answering, asking):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    except ssl.SSLError:
        return False
    return True


def trusting_context(bundle: str) -> ssl.SSLContext:
    """A client as Go's: it trusts any certificate of the bundle, also one that is no root.

    Args:
        bundle: PEM; blank: the roots of the system.
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
    """Put a pair and whom to trust in a directory, all at once, after checking the pair.

    The authority's key does not stand there: it is somebody else's to keep.

    Raises:
        CertificateError: The pair does not belong together; the directory stays as it is.
        FileError: The directory cannot be written.
    """
    check_pair(pair.certificate_pem, pair.key_pem)
    path = pathlib.Path(directory)
    with _locked(path):
        believed = {} if ca_pem is None else {CA_CERTIFICATE: ca_pem}
        _replace(path, {**believed, CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem})


def _check_companions(contents: Contents) -> None:
    for name, companion in ((CERTIFICATE, KEY), (KEY, CERTIFICATE), (CA_KEY, CA_CERTIFICATE)):
        if name in contents.files and companion not in contents.files:
            raise FileError(
                f"expected {companion} beside {contents.directory / name}, got none: put it there, "
                f"or remove {name} to have a new pair made"
            )
    if contents.files.keys() == {CA_CERTIFICATE}:
        raise FileError(
            f"expected {CA_KEY}, or {CERTIFICATE} with {KEY}, beside "
            f"{contents.directory / CA_CERTIFICATE}, got none: put them there, or remove it to "
            "have a new authority made"
        )


def _check_modes(contents: Contents) -> None:
    for name, mode in contents.exposed.items():
        path = contents.directory / name
        raise FileError(
            f"expected a key that only its owner may read at {path}, got mode {mode:04o}: "
            f"chmod 600 {path}"
        )


def _check_valid(contents: Contents, bundle: Bundle, now: dt.datetime) -> None:
    certificate = bundle.server.certificate
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    message = (
        f"expected a certificate that is valid now ({expiry.time_text(now)}) at "
        f"{contents.directory / CERTIFICATE}, got one valid from {expiry.time_text(starts)} "
        f"to {expiry.time_text(ends)}: put another there, or mend the clock"
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
    """Of an authority that was not made here: only whoever made it may replace it."""
    ended = issuer.certificate.not_valid_after_utc
    problem = ""
    if now >= ended:
        problem = f"a valid authority, got one that ran out at {expiry.time_text(ended)}"
    elif foreign := _not_permitted(issuer, names):
        problem = (
            f"an authority that may sign for {foreign}, got one whose name constraints forbid it"
        )
    if problem:
        error = authority.CertificateError(f"expected {problem}")
        raise _unusable(contents, f"{CA_CERTIFICATE} and {CA_KEY}", error)


def _unusable(contents: Contents, names: str, error: Exception) -> FileError:
    return FileError(
        f"{error}, at {names} in {contents.directory}: put the right ones there, or remove them "
        "to have new ones made"
    )


def covered(leaf: x509.Certificate) -> set[str]:
    """The DNS names and addresses that a certificate is valid for."""
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


def _carry_out(
    step: Plan,
    directory: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes,
) -> Bundle:
    if isinstance(step, Keep):
        return step.bundle
    _log.info("signing a new leaf in %s: %s", directory, step.reason)
    if isinstance(step, Reissue):
        issuer = step.authority
    else:
        made = authority.new_authority(
            authority.OWN_NAME,
            now=now,
            lifetime=lifetimes.authority,
            names=[*names, *step.kept_names],
        )
        trusted = made.certificate_pem + authority.write_bundle(step.trusted)
        issuer = authority.Pair(trusted, made.key_pem)
    lifetime = min(lifetimes.leaf, issuer.certificate.not_valid_after_utc - now)
    leaf = authority.issue_server(issuer, [*names, *step.kept_names], now=now, lifetime=lifetime)
    pems = (issuer.certificate_pem, issuer.key_pem, leaf.certificate_pem, leaf.key_pem)
    _replace(directory, dict(zip(NAMES, pems, strict=True)))
    return Bundle(leaf, issuer.certificate_pem)


def _read(directory: pathlib.Path) -> Contents:
    """Read all of one generation, also while another process replaces it.

    Of a volume whose files lie in folders (``items[].path: webhook/tls.crt``) the folder is such a
    link: ``webhook -> ..data/webhook``.
    """
    folder, generation = _current(directory)
    read = {name: _read_file(folder, generation, name) for name in NAMES}
    found = {name: pem for name, pem in read.items() if pem is not None}
    exposed = _exposed(directory, folder, found)
    if (folder, generation) != _current(directory):
        return _read(directory)
    return Contents(directory, found, exposed)


def _current(directory: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path | None]:
    """The folder itself, and the generation in it if it has any."""
    folder = pathlib.Path(os.path.realpath(directory))
    return folder, _generation(folder)


def _exposed(
    directory: pathlib.Path, folder: pathlib.Path, names: Container[str]
) -> Mapping[str, int]:
    """The keys that others may read, outside of a volume of its own.

    What is mounted is a pod's: only its containers reach it, and the kubelet sets the modes, 0644
    by default and always for the group where the pod has an fsGroup.
    """
    if any(os.path.ismount(one) for one in (directory, folder, *_volumes(folder))):
        return {}
    found: dict[str, int] = {}
    for name in sorted(_PRIVATE):
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE((folder / name).stat().st_mode)
            if name in names and mode & (stat.S_IRWXG | stat.S_IRWXO):
                found[name] = mode
    return found


def _volumes(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders above whose ``..data`` leads here: what the kubelet fills."""
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
    """Whether a file was put there by hand, rather than being a link into a generation."""
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
            f"writable, name another folder, or put {CERTIFICATE} and {KEY} there"
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
        # Files put there by hand become links to the same bytes first; only then does one
        # rename of ..data replace them all.
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
    # The previous generation stays: a reader may have just followed the link.
    for stale in directory.glob(f"{_GENERATION}*"):
        if stale.name not in {current.name, previous.name if previous else None}:
            shutil.rmtree(stale)


def _write_generation(directory: pathlib.Path, pems: Mapping[str, bytes]) -> pathlib.Path:
    generation = pathlib.Path(tempfile.mkdtemp(prefix=_GENERATION, dir=directory))
    for name, pem in pems.items():
        mode = 0o600 if name in _PRIVATE else 0o644
        handle = os.open(generation / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, mode)  # whatever the umask
            file.write(pem)
            file.flush()
            # Not to find empty files, which count as corrupt, after the power went.
            os.fsync(file.fileno())
    # mkdtemp's 0700 would keep others from ca.crt where the directory itself lets them in.
    generation.chmod(0o755)
    return generation


def _point(link: pathlib.Path, target: str) -> None:
    """Make a link, or change one or a file into it, in one step."""
    fresh = link.with_name(f"..new-{link.name.lstrip('.')}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
