"""The attempts recorded in a run's status, as values and text. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from controllers import kube
from controllers.agentctl import durations, tables
from controllers.runs.api_constants import ENDED
from schemagen.problems import JSON

HEAD: Final = ("ATTEMPT", "PHASE", "REASON", "EXIT CODE", "JOB", "STARTED", "TOOK", "MESSAGE")
_NONE: Final = "<none>"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt of a run.

    Attributes:
        number: From 1.
        phase: Final or current phase.
        reason: Machine-readable reason.
        message: Human-readable message.
        exit_code: Of the agent; None if unknown.
        job: Name of the Job, or of another runtime's object.
        started: Start time; None if unknown.
        ended: End time; None while it is running.
    """

    number: int
    phase: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    job: str = ""
    started: dt.datetime | None = None
    ended: dt.datetime | None = None


def attempts(run: JSON) -> tuple[Attempt, ...]:
    """Return the attempts of a run (v1beta1) in order: the recorded ones and the latest."""
    status = run.get("status") or {}
    remembered = [_remembered(attempt) for attempt in status.get("attempts") or ()]
    known = {attempt.number: attempt for attempt in remembered}
    last = status.get("attempt")
    if last and last not in known and (status.get("runtimeRef") or status.get("phase") in ENDED):
        known[last] = _last(last, status)
    return tuple(known[number] for number in sorted(known))


def _remembered(given: Mapping[str, JSON]) -> Attempt:
    return Attempt(
        number=int(given.get("number") or 0),
        phase=str(given.get("phase") or ""),
        reason=str(given.get("reason") or ""),
        message=str(given.get("message") or ""),
        exit_code=given.get("exitCode"),
        job=str((given.get("jobRef") or {}).get("name") or ""),
        started=kube.time_of(given.get("startTime") or ""),
        ended=kube.time_of(given.get("completionTime") or ""),
    )


def _last(number: int, status: Mapping[str, JSON]) -> Attempt:
    """Return the attempt that the status itself describes."""
    return Attempt(
        number=number,
        phase=str(status.get("phase") or ""),
        reason=str(status.get("reason") or ""),
        message=str(status.get("message") or ""),
        exit_code=(status.get("runner") or {}).get("exitCode"),
        job=str((status.get("runtimeRef") or {}).get("name") or ""),
        started=kube.time_of(status.get("startTime") or ""),
        ended=kube.time_of(status.get("completionTime") or ""),
    )


def as_json(run: JSON, attempts: tuple[Attempt, ...]) -> JSON:
    """Return the attempts as JSON: RFC 3339 times, unknown values omitted."""
    metadata = run["metadata"]
    fields = {"namespace": metadata["namespace"], "name": metadata["name"]}
    return {**fields, "attempts": [_plain(attempt) for attempt in attempts]}


def _plain(attempt: Attempt) -> JSON:
    fields = {
        "number": attempt.number,
        "phase": attempt.phase,
        "reason": attempt.reason,
        "message": attempt.message,
        "exitCode": attempt.exit_code,
        "jobRef": {"name": attempt.job} if attempt.job else None,
        "startTime": None if attempt.started is None else kube.time_text(attempt.started),
        "completionTime": None if attempt.ended is None else kube.time_text(attempt.ended),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def as_text(attempts: tuple[Attempt, ...], now: dt.datetime) -> str:
    """Return the attempts as a table."""
    return tables.text(HEAD, (tuple(_row(attempt, now)) for attempt in attempts))


def _row(attempt: Attempt, now: dt.datetime) -> Iterator[str]:
    yield str(attempt.number)
    yield attempt.phase or _NONE
    yield attempt.reason or _NONE
    yield _NONE if attempt.exit_code is None else str(attempt.exit_code)
    yield attempt.job or _NONE
    yield _NONE if attempt.started is None else kube.time_text(attempt.started)
    yield (
        _NONE
        if attempt.started is None
        else durations.span(((attempt.ended or now) - attempt.started).total_seconds())
    )
    yield " ".join(attempt.message.split())
