"""What every keeper of certificates tells about them. Shell: the log, and whoever takes events."""

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
"""Takes an event: its type, its reason, and a sentence."""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """What a replica knows of its certificates, for metrics; None where there is no such thing.

    Attributes:
        reload_failures: How often files were refused.
    """

    leaf_not_after: float
    authority_not_after: float | None = None
    generation: int | None = None
    is_bundle_in_sync: bool | None = None
    is_rotating: bool | None = None
    reload_failures: int = 0


def announce_nothing(kind: EventType, reason: str, note: str) -> None:
    """Where there is no cluster to send events to."""


class ExpiryMonitor:
    """Logs and announces what is wrong with the validity of certificates, each thing once.

    Args:
        announce: Takes events.
    """

    def __init__(self, announce: Announce = announce_nothing) -> None:
        self.announce = announce
        self._said: dict[str, expiry.Finding] = {}

    def check(self, certificates: Mapping[str, x509.Certificate], now: dt.datetime) -> None:
        """Look at the certificates that count now, by what they are."""
        found = dict(expiry.findings(certificates, now))
        for name, finding in found.items():
            if self._said.get(name) != finding:
                level = logging.ERROR if finding.is_fatal else logging.WARNING
                _log.log(level, "%s", finding.message)
                self.announce("Warning", finding.reason, finding.message)
        for name in self._said.keys() - found.keys():
            _log.info("the %s is valid again until %s", name, _end(certificates.get(name)))
        self._said = found

    def unready(self) -> str:
        """Why every call would fail, by the last look; nothing if they need not."""
        fatal = [one.message for one in self._said.values() if one.is_fatal]
        return next(iter(fatal), "")


def _end(certificate: x509.Certificate | None) -> str:
    return (
        "an unknown time"
        if certificate is None
        else expiry.time_text(certificate.not_valid_after_utc)
    )
