"""A worker's records of its responses: counters, access log, audit log.

The access log has a line per request with its outcome, the audit log a line per decision with its
user. Neither holds a payload. Records are written in batches after at most a fifth of a second,
which costs a third of writing each by itself.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from controllers.process.log_writer import LogWriter, Losses
from webhooks.answers import RequestLog, ReviewInfo
from webhooks.observe.metrics import Counts, LabelValues

MAX_WAIT_SECONDS: Final = 0.2
# Small enough that writing a batch does not delay other requests.
BATCH_SIZE: Final = 64


class Access(msgspec.Struct, omit_defaults=True):
    """A line of the access log; ``ms`` is the latency from request to response."""

    time: dt.datetime
    path: str
    status: int
    ms: float
    bytes: int
    uid: str = ""
    verdict: str = ""


class Decision(msgspec.Struct):
    """A line of the audit log."""

    time: dt.datetime
    uid: str
    user: str
    operation: str
    kind: str
    version: str
    namespace: str
    name: str
    dryRun: bool  # noqa: N815 - the API's name
    verdict: str


_LINES: Final = msgspec.json.Encoder()


class Journal:
    """Records responses from the running event loop.

    Args:
        access: Access log.
        labels: The allowed label values of metrics.
        audit: Audit log of admissions, if any.
        traces: Callback for batches of responses, if any.

    Attributes:
        losses: Lines of both logs that could not be written.
    """

    def __init__(
        self,
        access: LogWriter,
        labels: LabelValues,
        audit: LogWriter | None = None,
        traces: Callable[[Sequence[RequestLog]], None] | None = None,
    ) -> None:
        self._access, self._audit, self._traces = access, audit, traces
        self.losses = Losses({"stderr": access} | ({} if audit is None else {"audit": audit}))
        self._counts = Counts(labels)
        self._pending: list[RequestLog] = []
        self._timer: asyncio.TimerHandle | None = None

    def observe(self, request: RequestLog) -> None:
        """Record a response (``answers.Observe``)."""
        self._pending.append(request)
        if len(self._pending) >= BATCH_SIZE:
            self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(MAX_WAIT_SECONDS, self.flush)

    def flush(self) -> None:
        """Write the pending records."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pending, self._pending = self._pending, []
        for request in pending:
            self._counts.add(request)
        _write(self._access, [_access(request) for request in pending])
        if self._traces is not None:
            self._traces(pending)
        if self._audit is not None:
            _write(
                self._audit, [_decision(request.at, info) for info, request in _admissions(pending)]
            )

    def snapshot(self) -> dict[str, Any]:
        """Return the counters (``Counts.snapshot``) and the number of dropped lines."""
        self.flush()
        return {**self._counts.snapshot(), "dropped_lines": [*self.losses.counts().items()]}


def _admissions(pending: list[RequestLog]) -> Iterator[tuple[ReviewInfo, RequestLog]]:
    for request in pending:
        if request.info is not None and request.info.objects is None:
            yield request.info, request


def _write(log: LogWriter, lines: list[Access] | list[Decision]) -> None:
    if lines:
        log.append(_LINES.encode_lines(lines))


def _access(request: RequestLog) -> Access:
    info = request.info
    return Access(
        _time(request.at),
        request.path,
        request.status,
        round(request.seconds * 1000, 3),
        request.bytes_in,
        "" if info is None else info.uid,
        "" if info is None else info.verdict,
    )


def _decision(at: float, info: ReviewInfo) -> Decision:
    return Decision(
        _time(at),
        info.uid,
        info.user,
        info.operation,
        info.kind,
        info.version,
        info.namespace,
        info.name,
        info.dry_run,
        info.verdict,
    )


def _time(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)
