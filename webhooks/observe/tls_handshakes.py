"""Failed TLS handshakes by cause: counted, and logged periodically.

The event loop drops such a connection silently, so they are observed where OpenSSL reports them. A
connection that closes without sending anything, like a load balancer's check, is not counted.
"""

import ssl
from collections.abc import Callable
from typing import Final

import structlog

# OpenSSL reasons (ssl.SSLError.reason) that an operator can act on.
REASONS: Final = {
    "TLSV1_ALERT_UNKNOWN_CA": "client does not trust us",
    "SSLV3_ALERT_BAD_CERTIFICATE": "client does not trust us",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "client finds our certificate expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "client does not trust us",
    "CERTIFICATE_VERIFY_FAILED": "client certificate of another authority",
    "HTTP_REQUEST": "plain HTTP",
    "UNSUPPORTED_PROTOCOL": "too old a version of TLS",
    "WRONG_VERSION_NUMBER": "no TLS",
    "NO_SHARED_CIPHER": "no common cipher",
}
OTHER: Final = "other"
CLOSED: Final = "client closed the connection"
"""Without an alert, as Python's asyncio clients do when they do not trust the server."""
# Interval at which a worker logs failures.
LOG_SECONDS: Final = 60.0

log = structlog.get_logger("webhooks")


class Handshakes:
    """Counts failed handshakes.

    Attributes:
        failed: Count by the values of ``REASONS``.
    """

    def __init__(self) -> None:
        self.failed: dict[str, int] = {}
        self._logged = 0
        self._logged_at = -LOG_SECONDS

    def watch(self, context: ssl.SSLContext) -> None:
        """Observe every later handshake of a context."""
        context.sslobject_class = _watched(self._note)

    def warn(self, now: float) -> None:
        """Log failures since the last call, at most once per ``LOG_SECONDS``.

        Args:
            now: Monotonic clock, in seconds.
        """
        total = sum(self.failed.values())
        if total > self._logged and now >= self._logged_at + LOG_SECONDS:
            log.warning(
                "TLS handshakes failed", count=total - self._logged, since_start=self.failed
            )
            self._logged, self._logged_at = total, now

    def _note(self, reason: str) -> None:
        self.failed[reason] = self.failed.get(reason, 0) + 1


def _watched(note: Callable[[str], None]) -> type[ssl.SSLObject]:
    class Watched(ssl.SSLObject):
        # Called once at the start, and again whenever the client has sent something.
        _attempts = 0
        _is_over = False

        def do_handshake(self) -> None:
            self._attempts += 1
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                self._is_over = True
                note(REASONS.get(error.reason or "", OTHER))
                raise
            self._is_over = True

        def __del__(self) -> None:
            if self._attempts > 1 and not self._is_over:
                note(CLOSED)

    return Watched
