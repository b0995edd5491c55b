"""When a certificate is renewed, when its end is announced, and when nobody accepts it. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final, Literal, TypeAlias

from cryptography import x509

# A renewal is due when a third of the validity is left, so whatever is renewed in time by us or by
# cert-manager never gets here; a short-lived certificate is announced in its last quarter.
WARNING: Final = dt.timedelta(weeks=3)
_RENEWAL_DIVISOR: Final = 3
_WARNING_DIVISOR: Final = 4

Reason: TypeAlias = Literal["CertificateExpiring", "CertificateExpired", "CertificateNotYetValid"]


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with the validity of a certificate.

    Attributes:
        message: Without what changes from one second to the next.
    """

    reason: Reason
    message: str

    @property
    def is_fatal(self) -> bool:
        """Whether every call fails by it."""
        return self.reason != "CertificateExpiring"


def renewal_time(certificate: x509.Certificate) -> dt.datetime:
    """When a certificate is to be renewed."""
    return _before_end(certificate, _validity(certificate) / _RENEWAL_DIVISOR)


def warning_time(certificate: x509.Certificate) -> dt.datetime:
    """When the end of a certificate that nobody renewed is announced."""
    return _before_end(certificate, min(WARNING, _validity(certificate) / _WARNING_DIVISOR))


def is_valid(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether a client with this clock accepts a certificate's validity."""
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def is_due(certificate: x509.Certificate, now: dt.datetime) -> bool:
    """Whether a certificate is to be replaced: old, expired, or made under a wrong clock."""
    return now >= renewal_time(certificate) or now < certificate.not_valid_before_utc


def findings(
    certificates: Mapping[str, x509.Certificate], now: dt.datetime
) -> Iterator[tuple[str, Finding]]:
    """What is wrong with certificates, by what they are: ``serving certificate``."""
    for name, certificate in certificates.items():
        found = _finding(name, certificate, now)
        if found is not None:
            yield name, found


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
        "renew it, or see the log for why that fails",
    )


def _within(left: dt.timedelta) -> str:
    """In whole days, or hours at the end, so that one and the same is said as often."""
    if left.days:
        return f"in less than {left.days + 1} days"
    hours = left // dt.timedelta(hours=1)
    return f"in less than {hours + 1} hours" if hours else "within the hour"


def time_text(when: dt.datetime) -> str:
    """An instant as in every message about certificates."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def _validity(certificate: x509.Certificate) -> dt.timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _before_end(certificate: x509.Certificate, left: dt.timedelta) -> dt.datetime:
    return certificate.not_valid_after_utc - left
