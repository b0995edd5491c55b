"""Status and expiry warnings of managed certificates. Shell: the log and an event callback."""

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from cryptography import x509

from certs import expiry

_log = logging.getLogger(__name__)

EventType: TypeAlias = Literal["Normal", "Warning"]
Announce: TypeAlias = Callable[[EventType, str, str], None]
"""Emits an Event: type, reason and note."""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """A replica's certificate status for metrics; None where not applicable.

    Attributes:
        reload_failures: Number of refused files.
    """

    leaf_not_after: float
    authority_not_after: float | None = None
    generation: int | None = None
    is_bundle_in_sync: bool | None = None
    is_rotating: bool | None = None
    reload_failures: int = 0


def announce_nothing(kind: EventType, reason: str, note: str) -> None:
    """Ignore an event, without a cluster to send it to."""


class ExpiryMonitor:
    """Logs and announces problems with the validity of certificates, each once.

    Args:
        announce: Emits Events.
    """

    def __init__(self, announce: Announce = announce_nothing) -> None:
        self.announce = announce
        self._reported: dict[str, expiry.Finding] = {}

    def check(self, certificates: Mapping[str, x509.Certificate], now: dt.datetime) -> None:
        """Check the current certificates, by their role."""
        current = dict(expiry.findings(certificates, now))
        for name, finding in current.items():
            if self._reported.get(name) != finding:
                level = logging.ERROR if finding.is_fatal else logging.WARNING
                _log.log(level, "%s", finding.message)
                self.announce("Warning", finding.reason, finding.message)
        for name in self._reported.keys() - current.keys():
            _log.info("the %s is valid again until %s", name, _end(certificates.get(name)))
        self._reported = current

    def unready(self) -> str:
        """Return why every call would fail as of the last check; empty otherwise."""
        fatal = [finding.message for finding in self._reported.values() if finding.is_fatal]
        return next(iter(fatal), "")


def _end(certificate: x509.Certificate | None) -> str:
    return (
        "an unknown time"
        if certificate is None
        else expiry.time_text(certificate.not_valid_after_utc)
    )
