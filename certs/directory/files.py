"""Reads, creates and replaces the certificates in a directory. Shell: files.

For development and for ``webhooks serve --cert-dir``. `renewal.plan` decides, as a pure function of
the directory's content; `load_or_create` acts. Replacement is atomic, in the layout of the
kubelet's volumes: ``..data`` links to the directory of one generation, and the four names link
through it.
"""

import contextlib
import datetime as dt
import fcntl
import logging
import os
import pathlib
import shutil
import stat
import tempfile
from collections.abc import Container, Iterator, Mapping, Sequence

from certs import authority
from certs.directory import renewal
from certs.directory.contents import (
    CA_CERTIFICATE,
    CA_KEY,
    CERTIFICATE,
    KEY,
    NAMES,
    Bundle,
    Contents,
    FileError,
)
from schemagen.files import make_private

_log = logging.getLogger(__name__)

_PRIVATE = frozenset({CA_KEY, KEY})

_DATA = "..data"
_GENERATION = "..generation-"


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
    decision = renewal.plan(_read(path), names, now)
    try:
        return _applied(decision, path, names, now, lifetimes)
    except FileError as error:
        if isinstance(decision, renewal.Keep) or decision.fallback is None:
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
    return _applied(renewal.plan(contents, names, now), path, names, now, lifetimes)


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
    contents.check_companions()
    if KEY not in contents.files:
        raise FileError(f"expected {CERTIFICATE} and {KEY} in {directory}, got neither")
    return contents.pair()


def _applied(
    decision: renewal.Plan,
    path: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes | None,
) -> Bundle:
    # Usually everything is in place, and a mounted volume cannot be locked.
    if isinstance(decision, renewal.Keep):
        return decision.bundle
    with _locked(path):
        # Another process may have renewed it in the meantime.
        decision = renewal.plan(_read(path), names, now)
        return _apply(decision, path, names, now, lifetimes or authority.Lifetimes())


def install(directory: str | os.PathLike[str], pair: authority.Pair, ca_pem: bytes | None) -> None:
    """Write a pair and its CA bundle to a directory atomically, after checking the pair.

    The CA's key is not written: it is kept elsewhere.

    Raises:
        CertificateError: The pair does not match; the directory is unchanged.
        FileError: The directory cannot be written.
    """
    authority.check_pair(pair.certificate_pem, pair.key_pem)
    path = pathlib.Path(directory)
    with _locked(path):
        ca = {} if ca_pem is None else {CA_CERTIFICATE: ca_pem}
        _replace(path, {**ca, CERTIFICATE: pair.certificate_pem, KEY: pair.key_pem})


def _apply(
    step: renewal.Plan,
    directory: pathlib.Path,
    names: Sequence[str],
    now: dt.datetime,
    lifetimes: authority.Lifetimes,
) -> Bundle:
    if isinstance(step, renewal.Keep):
        return step.bundle
    _log.info("issuing a new serving certificate in %s: %s", directory, step.reason)
    if isinstance(step, renewal.Reissue):
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
