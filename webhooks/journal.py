"""What a worker writes down of its answers: counts, an access log, an audit log.

The access log says of every request what became of it; the audit log says of every decision whose
it was. Neither holds a payload. Answers wait to be written down, many at once, for at most a fifth
of a second: that costs a third of writing down each by itself.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from webhooks.log_writer import LogWriter, Losses
from webhooks.metrics import Counts, Words
from webhooks.routes import About, Seen

LONGEST_WAIT_SECONDS: Final = 0.2
# So few that writing them down keeps nobody waiting who asks meanwhile.
AT_ONCE: Final = 64


class Access(msgspec.Struct, omit_defaults=True):
    """A line of the access log; ``ms`` are milliseconds from the whole request to its answer."""

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
    """What was answered, written down by the running loop.

    Args:
        access: Takes a line for every request.
        words: The labels that metrics may have.
        audit: Takes a line for every admission, if anything does.
        traces: Takes all that was answered, if anything does.

    Attributes:
        losses: Lines of both logs that could not be written.
    """

    def __init__(
        self,
        access: LogWriter,
        words: Words,
        audit: LogWriter | None = None,
        traces: Callable[[Sequence[Seen]], None] | None = None,
    ) -> None:
        self._access, self._audit, self._traces = access, audit, traces
        self.losses = Losses({"stderr": access} | ({} if audit is None else {"audit": audit}))
        self._counts = Counts(words)
        self._waiting: list[Seen] = []
        self._timer: asyncio.TimerHandle | None = None

    def observe(self, seen: Seen) -> None:
        """Note an answer (``routes.Observe``)."""
        self._waiting.append(seen)
        if len(self._waiting) >= AT_ONCE:
            self.settle()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LONGEST_WAIT_SECONDS, self.settle)

    def settle(self) -> None:
        """Write down what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for seen in waiting:
            self._counts.add(seen)
        _write(self._access, [_access(seen) for seen in waiting])
        if self._traces is not None:
            self._traces(waiting)
        if self._audit is not None:
            _write(self._audit, [_decision(seen.at, about) for about, seen in _admissions(waiting)])

    def snapshot(self) -> dict[str, Any]:
        """What was counted so far (``Counts.snapshot``), and the lines that were dropped."""
        self.settle()
        return {**self._counts.snapshot(), "dropped_lines": [*self.losses.counts().items()]}


def _admissions(waiting: list[Seen]) -> Iterator[tuple[About, Seen]]:
    for seen in waiting:
        if seen.about is not None and seen.about.objects is None:
            yield seen.about, seen


def _write(log: LogWriter, lines: list[Access] | list[Decision]) -> None:
    if lines:
        log.append(_LINES.encode_lines(lines))


def _access(seen: Seen) -> Access:
    about = seen.about
    return Access(
        _time(seen.at),
        seen.path,
        seen.status,
        round(seen.seconds * 1000, 3),
        seen.bytes_in,
        "" if about is None else about.uid,
        "" if about is None else about.verdict,
    )


def _decision(at: float, about: About) -> Decision:
    return Decision(
        _time(at),
        about.uid,
        about.user,
        about.operation,
        about.kind,
        about.version,
        about.namespace,
        about.name,
        about.dry_run,
        about.verdict,
    )


def _time(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)
