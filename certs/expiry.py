"""When a certificate is renewed, when its expiry is announced, and whether it is valid. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from cryptography import x509

# Renewal is due when a third of the validity is left, so certificates that are renewed in time are
# never announced; a short-lived certificate is announced in its last quarter.
WARNING: Final = dt.timedelta(weeks=3)
_RENEWAL_DIVISOR: Final = 3
_WARNING_DIVISOR: Final = 4

Reason: TypeAlias = Literal["CertificateExpiring", "CertificateExpired", "CertificateNotYetValid"]


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """A problem with the validity of a certificate.

    Attributes:
        message: Text that does not change every second.
    """

    reason: Reason
    message: str

    @property
    def is_fatal(self) -> bool:
        """Whether every call fails because of it."""
        return self.reason != "CertificateExpiring"


def renewal_time(certificate: x509.Certificate) -> dt.datetime:
    """Return when a certificate is due for renewal."""
    return _before_end(certificate, _validity(certificate) / _RENEWAL_DIVISOR)


def warning_time(certificate: x509.Certificate) -> dt.datetime:
    """Return when the expiry of a certificate that was not renewed is announced."""
    return _before_end(certificate, min(WARNING, _validity(certificate) / _WARNING_DIVISOR))


def is_valid(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Return whether a certificate is valid at a time."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def is_due(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Return whether to replace a certificate: old, expired, or issued by a wrong clock."""
    return now >= renewal_time(certificate) or now < certificate.not_valid_before_utc


def findings(
    certificates: Mapping[str, x509.Certificate], now: dt.datetime
) -> Iterator[tuple[str, Finding]]:
    """Yield problems of certificates by their role: ``serving certificate``."""
    for name, certificate in certificates.items():
        finding = _finding(name, certificate, now)
        if finding is not None:
            yield name, finding


def _finding(name: str, certificate: x509.Certificate, now: dt.datetime) -> Finding | None:
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= ends:
        return Finding("CertificateExpired", f"the {name} expired at {time_text(ends)}: renew it")
    if now < starts:
        return Finding(
            "CertificateNotYetValid",
            f"the {name} is not valid before {time_text(starts)}: check the clock, or replace it",
        )
    if now < warning_time(certificate):
        return None
    return Finding(
        "CertificateExpiring",
        f"the {name} expires at {time_text(ends)}, {_within(ends - now)}, and was not renewed: "
        "renew it, or check the log for the failure",
    )


def _within(left: dt.timedelta) -> str:
    """Format in whole days, or hours at the end, so that the message rarely changes."""
    if left.days:
        return f"in less than {left.days + 1} days"
    hours = left // dt.timedelta(hours=1)
    return f"in less than {hours + 1} hours" if hours else "within the hour"


def time_text(when: dt.datetime) -> str:
    """Format a time for messages."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _validity(certificate: x509.Certificate) -> dt.timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _before_end(certificate: x509.Certificate, left: dt.timedelta) -> dt.datetime:
    return certificate.not_valid_after_utc - left
