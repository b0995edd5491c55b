"""Builds the complete, consistent status of a run from one value. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from controllers import kube
from controllers.runs import json_access, projections
from controllers.runs.api_constants import Condition, Phase, Reason
from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Progress, Ref

MAX_MESSAGE: Final = 640
# The latest attempts in the history.
MAX_ATTEMPTS: Final = 20
_ENDINGS: Final = {
    Phase.SUCCEEDED: Condition.SUCCEEDED,
    Phase.FAILED: Condition.FAILED,
    Phase.CANCELLED: Condition.CANCELLED,
}
ConditionValue: TypeAlias = tuple[bool, str, str]
"""A condition's status, reason and message."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An attempt that has ended.

    Attributes:
        number: From 1.
        phase: Final phase.
        reason: Machine-readable reason.
        message: Human-readable message.
        ref: Of its work.
        progress: As reported by the runtime.
        started: Start time.
        ended: When its end was observed.
    """

    number: int
    phase: Phase
    reason: str
    message: str
    ref: Ref | None
    progress: Progress | None
    started: dt.datetime | None
    ended: dt.datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """The state of a run, from which its status is derived.

    Attributes:
        phase: Current phase.
        reason: Machine-readable reason.
        message: Human-readable message.
        is_accepted: Whether its inputs exist and are allowed; None if not checked yet.
        is_admitted: Whether it holds a slot.
        is_duplicate: Whether another run has its idempotency key.
        is_cleanup_blocked: Whether it was deleted but its work could not be stopped.
        blocked_by: The limit that it waits for, or empty.
        blocked_since: Since when.
        attempt: Number of the latest attempt; 0 before the first.
        next_attempt: Earliest start of the next attempt, after a failed one.
        finished: The attempt that has just ended.
        is_disrupted: Whether the failed attempt was disrupted.
        ref: Of the current or last attempt.
        progress: As reported by the runtime.
        started: Start of the first attempt.
        ended: End of the run.
        spec_hash: Of the accepted inputs.
        required: Parameters that the implementation requires.
        missing: Those of them that are not set.
    """

    phase: Phase
    reason: str
    message: str = ""
    is_accepted: bool | None = None
    is_admitted: bool = False
    is_duplicate: bool = False
    is_cleanup_blocked: bool = False
    blocked_by: str = ""
    blocked_since: dt.datetime | None = None
    attempt: int = 0
    next_attempt: dt.datetime | None = None
    finished: "Finished | None" = None
    is_disrupted: bool = False
    ref: Ref | None = None
    progress: Progress | None = None
    started: dt.datetime | None = None
    ended: dt.datetime | None = None
    spec_hash: str = ""
    required: Sequence[str] = ()
    missing: Sequence[str] = ()


def written(state: RunState, run: projections.Run, now: dt.datetime) -> dict[str, JSON] | None:
    """Return the status to write (v1beta1); None if it equals the current one."""
    status = _status(state, run, now)
    return None if msgspec.convert(status, projections.RunStatus) == run.status else status


def _status(state: RunState, run: projections.Run, now: dt.datetime) -> dict[str, JSON]:
    fields = {
        "observedGeneration": run.metadata.generation,
        "phase": str(state.phase),
        "reason": str(state.reason),
        "message": state.message[:MAX_MESSAGE],
        "lastUpdateTime": kube.time_text(now),
        "conditions": [*_conditions(state, run, now)],
        "queue": _queue(state),
        "attempt": state.attempt or None,
        "disruptions": run.status.disruptions + state.is_disrupted or None,
        "nextAttemptTime": _text(state.next_attempt),
        "attempts": _attempts(state.finished, run),
        "startTime": _text(state.started),
        "completionTime": _text(state.ended),
        "specHash": state.spec_hash,
        "runtimeRef": _runtime_ref(state.ref, run),
        "contract": _contract(state),
        **_progress(state.progress),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def troubled(
    status: Mapping[str, JSON], run: projections.Run, message: str, now: dt.datetime
) -> dict[str, JSON]:
    """Return the status of a run that the controller cannot reconcile.

    Args:
        status: The complete current status.
        run: The same run as a view.
        message: The cause.
        now: Aware UTC time.
    """
    words = message[:MAX_MESSAGE]
    condition = _condition(
        Condition.RECONCILE_FAILED, (True, Reason.RECONCILE_FAILED, words), run, now
    )
    kept = [other for other in status.get("conditions") or () if other.get("type") in _OTHERS]
    return {
        "phase": str(Phase.PENDING),
        **status,
        "observedGeneration": run.metadata.generation,
        "reason": str(Reason.RECONCILE_FAILED),
        "message": words,
        "lastUpdateTime": kube.time_text(now),
        "conditions": sorted([*kept, condition], key=lambda other: str(other["type"])),
    }


_OTHERS: Final = frozenset(Condition) - {Condition.RECONCILE_FAILED}


# Reported data, except for the workflow state needed to continue, which is dropped last.
_REPORTED: Final = frozenset({"runner", *projections.CARRIED}) - {"workflow"}


def shortened(status: Mapping[str, JSON]) -> Iterator[Mapping[str, JSON]]:
    """Yield a status, then shorter versions for an API server that rejects it."""
    yield status
    for left_out in (_REPORTED, _REPORTED | {"workflow"}):
        yield {name: status[name] for name in status if name not in left_out}


def _text(when: dt.datetime | None) -> str | None:
    return kube.time_text(when) if when else None


def _attempts(finished: Finished | None, run: projections.Run) -> JSON:
    """Return the history of attempts, including the one that has just ended."""
    known = [dict(attempt) for attempt in run.status.attempts]
    if finished is None:
        return known or None
    others = [attempt for attempt in known if attempt.get("number") != finished.number]
    return [*others, _attempt(finished)][-MAX_ATTEMPTS:]


def _attempt(finished: Finished) -> JSON:
    progress, ref = finished.progress, finished.ref
    ended = progress.ended if progress is not None else None
    reported = reports.runner(progress.runner) if progress is not None else None
    fields = {
        "number": finished.number,
        "phase": str(finished.phase),
        "reason": str(finished.reason),
        "message": finished.message[:MAX_MESSAGE],
        "exitCode": (reported or {}).get("exitCode"),
        "jobRef": ref and _job_ref(ref),
        "startTime": _text(finished.started),
        "completionTime": kube.time_text(ended or finished.ended),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _job_ref(ref: Ref) -> JSON:
    fields = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
    return {name: value for name, value in fields.items() if value} or None


def _queue(state: RunState) -> JSON:
    if not state.blocked_by or state.blocked_since is None:
        return None
    return {"blockedBy": state.blocked_by, "since": kube.time_text(state.blocked_since)}


def _runtime_ref(ref: Ref | None, run: projections.Run) -> JSON:
    if ref is None:
        return None
    fields = {
        "type": run.spec.runtime.type,
        "name": ref.name,
        "namespace": ref.namespace,
        "uid": ref.uid,
        "extra": _extra(ref.extra) or None,
    }
    return {name: value for name, value in fields.items() if value}


def _extra(extra: Mapping[str, JSON]) -> dict[str, JSON]:
    """Return a runtime's state without values that have their own fields or cannot be read back."""
    return {
        name: value
        for name, value in extra.items()
        if name not in projections.CARRIED and json_access.is_plain(value)
    }


def _contract(state: RunState) -> JSON:
    if not state.required and not state.missing:
        return None
    return {
        "requiredParameters": [*state.required],
        "missingParameters": [*state.missing],
    }


def _progress(progress: Progress | None) -> dict[str, JSON]:
    if progress is None:
        return {}
    artifacts = [
        {name: artifact[name] for name in ("name", "path", "key", "url") if artifact.get(name)}
        for artifact in progress.artifacts[:50]
    ]
    return {
        "runner": reports.runner(progress.runner),
        "workflow": progress.workflow,
        "artifacts": artifacts or None,
        "missingArtifacts": [*progress.missing_artifacts[:50]] or None,
        "artifactsOmitted": progress.artifacts_omitted or None,
    }


# ------------------------------------------------------------------------------------ conditions


def _conditions(
    state: RunState, run: projections.Run, now: dt.datetime
) -> Iterator[dict[str, JSON]]:
    """Yield the conditions sorted by type, keeping transition times."""
    before = {condition.type: condition for condition in run.status.conditions}
    conditions = {**_previous(state, before), **_current(state)}
    for name, about in sorted(conditions.items()):
        yield _condition(name, about, run, now)


def _condition(
    name: Condition, about: ConditionValue, run: projections.Run, now: dt.datetime
) -> dict[str, JSON]:
    holds, reason, message = about
    value = "True" if holds else "False", str(reason), message[:MAX_MESSAGE]
    return kube.condition(str(name), value, run.metadata.generation, run.status.conditions, now)


def _previous(
    state: RunState, before: Mapping[str, kube.Condition]
) -> Mapping[Condition, ConditionValue]:
    """Return the previous conditions as False; Accepted is kept.

    Omitted conditions would remain if the run was written in v1alpha1, where the list is atomic:
    structured-merge-diff's addBackOwnedItems compares in each manager's version.
    """
    known = [name for name in Condition if name in before]
    result = {name: (False, str(state.reason), "") for name in known}
    if accepted := before.get(Condition.ACCEPTED):
        result[Condition.ACCEPTED] = accepted.status == "True", accepted.reason, accepted.message
    return result


def _current(state: RunState) -> Mapping[Condition, ConditionValue]:
    if state.phase is Phase.TEMPLATE:
        return {}
    conditions: dict[Condition, ConditionValue] = {}
    if state.is_accepted is not None:
        conditions[Condition.ACCEPTED] = _accepted(state)
    if state.is_duplicate:
        conditions[Condition.DUPLICATE] = (True, Reason.DUPLICATE, state.message)
    if state.is_cleanup_blocked:
        conditions[Condition.CLEANUP_BLOCKED] = (True, state.reason, state.message)
    match state.phase:
        case Phase.PENDING:
            conditions |= {
                Condition.ADMITTED: (False, state.reason, state.message),
                Condition.BLOCKED: (True, state.reason, state.message),
            }
        case Phase.STARTING | Phase.RUNNING:
            is_running = state.phase is Phase.RUNNING
            conditions |= {
                Condition.ADMITTED: (True, Reason.SLOT_HELD, ""),
                Condition.BLOCKED: (False, Reason.NOT_BLOCKED, ""),
                Condition.IN_PROGRESS: (is_running, state.reason, state.message),
            }
        case _:
            conditions |= _ending(state)
    return conditions


def _accepted(state: RunState) -> ConditionValue:
    if state.is_accepted:
        return True, Reason.VALID, ""
    return False, state.reason, state.message


def _ending(state: RunState) -> Mapping[Condition, ConditionValue]:
    own = _ENDINGS[state.phase]
    return {
        Condition.ADMITTED: (False, Reason.RELEASED, ""),
        Condition.BLOCKED: (False, Reason.NOT_BLOCKED, ""),
        Condition.IN_PROGRESS: (False, Reason.ENDED, ""),
        **{
            name: (name is own, state.reason, state.message if name is own else "")
            for name in _ENDINGS.values()
        },
    }
