"""The attempts of a run, as its status remembers them, to values and to text. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from controllers import kube
from controllers.agentctl import tables, times
from controllers.runs.words import ENDED
from schemagen.problems import JSON

HEAD: Final = ("ATTEMPT", "PHASE", "REASON", "EXIT CODE", "JOB", "STARTED", "TOOK", "MESSAGE")
_NONE: Final = "<none>"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One.

    Attributes:
        number: From 1.
        phase: How it ended, or stands.
        reason: Why, as a word.
        message: Why, for people.
        exit_code: Of the agent; None where it is not known.
        job: Name of the Job, or of what else carried it out.
        started: When; None where it is not known.
        ended: When; None while it goes on.
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
    """The attempts of a run (v1beta1) in order: those remembered, and the last."""
    status = run.get("status") or {}
    remembered = [_remembered(one) for one in status.get("attempts") or ()]
    known = {one.number: one for one in remembered}
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
    """The attempt that a status is about."""
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


def as_json(run: JSON, found: tuple[Attempt, ...]) -> JSON:
    """The attempts for programs; instants are RFC 3339, what is not known is not there."""
    metadata = run["metadata"]
    fields = {"namespace": metadata["namespace"], "name": metadata["name"]}
    return {**fields, "attempts": [_plain(one) for one in found]}


def _plain(one: Attempt) -> JSON:
    fields = {
        "number": one.number,
        "phase": one.phase,
        "reason": one.reason,
        "message": one.message,
        "exitCode": one.exit_code,
        "jobRef": {"name": one.job} if one.job else None,
        "startTime": None if one.started is None else kube.time_text(one.started),
        "completionTime": None if one.ended is None else kube.time_text(one.ended),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def as_text(found: tuple[Attempt, ...], now: dt.datetime) -> str:
    """The attempts as a table."""
    return tables.text(HEAD, (tuple(_row(one, now)) for one in found))


def _row(one: Attempt, now: dt.datetime) -> Iterator[str]:
    yield str(one.number)
    yield one.phase or _NONE
    yield one.reason or _NONE
    yield _NONE if one.exit_code is None else str(one.exit_code)
    yield one.job or _NONE
    yield _NONE if one.started is None else kube.time_text(one.started)
    yield (
        _NONE
        if one.started is None
        else times.span(((one.ended or now) - one.started).total_seconds())
    )
    yield " ".join(one.message.split())
