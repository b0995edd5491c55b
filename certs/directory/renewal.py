"""Decides what to do about the certificates in a directory: keep, reissue or create. Pure.

A pair without the CA's key is external (cert-manager's or the user's): it is kept while valid.
"""

import dataclasses
import datetime as dt
import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from cryptography import x509

from certs import authority, expiry
from certs.directory.contents import (
    CA_CERTIFICATE,
    CA_KEY,
    CERTIFICATE,
    KEY,
    Bundle,
    Contents,
    FileError,
    NotYetValidError,
)


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


def plan(contents: Contents, names: Sequence[str], now: dt.datetime) -> Plan:
    """Decide what to do about a directory.

    Raises:
        FileError: It is unusable as it is.
    """
    present = contents.files.keys()
    if not present:
        return Create()
    contents.check_companions()
    contents.check_modes()
    if CA_KEY in present:
        return _plan_own(contents, names, now)
    bundle = Bundle(contents.pair(), contents.ca_pem())
    _check_valid(contents, bundle, now)
    return Keep(bundle)


def _plan_own(contents: Contents, names: Sequence[str], now: dt.datetime) -> Plan:
    """Decide what to do about a CA whose key is present, and its serving certificate."""
    issuer = contents.own_authority()
    pair = contents.pair() if KEY in contents.files else None
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
        raise contents.unusable(f"{CA_CERTIFICATE} and {CA_KEY}", error)


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
