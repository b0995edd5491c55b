"""TLS handshakes that failed, by what each says of its cause: counted, and logged now and then.

The event loop drops such a connection in silence, so they are seen where OpenSSL reports them. A
connection that closes without a word, as that of a load balancer's check, is none of them.
"""

import ssl
from collections.abc import Callable
from typing import Final

import structlog

# Of OpenSSL's reasons (ssl.SSLError.reason) those that tell an operator what to do.
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
"""Without an alert: as clients of Python's asyncio do that do not trust us."""
# How often a worker logs failures while they last.
LOG_SECONDS: Final = 60.0

log = structlog.get_logger("webhooks")


class Handshakes:
    """Counts those that fail.

    Attributes:
        failed: How many, by the words of ``REASONS``.
    """

    def __init__(self) -> None:
        self.failed: dict[str, int] = {}
        self._logged = 0
        self._logged_at = -LOG_SECONDS

    def watch(self, context: ssl.SSLContext) -> None:
        """See every handshake of a context from now on."""
        context.sslobject_class = _watched(self._note)

    def warn(self, now: float) -> None:
        """Log what failed since the last time, at most once in ``LOG_SECONDS``.

        Args:
            now: Seconds of a clock that never jumps.
        """
        total = sum(self.failed.values())
        if total > self._logged and now >= self._logged_at + LOG_SECONDS:
            log.warning(
                "TLS handshakes failed", count=total - self._logged, since_start=self.failed
            )
            self._logged, self._logged_at = total, now

    def _note(self, word: str) -> None:
        self.failed[word] = self.failed.get(word, 0) + 1


def _watched(note: Callable[[str], None]) -> type[ssl.SSLObject]:
    class Watched(ssl.SSLObject):
        # Asked once at the start, and again whenever the client has sent something.
        _asked = 0
        _is_over = False

        def do_handshake(self) -> None:
            self._asked += 1
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
            if self._asked > 1 and not self._is_over:
                note(CLOSED)

    return Watched
