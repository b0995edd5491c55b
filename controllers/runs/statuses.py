"""The status of a run, written whole from one value, so that nothing in it contradicts. Pure."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from controllers import kube
from controllers.runs import values, views
from controllers.runs.runtimes import reports
from controllers.runs.runtimes.base import JSON, Progress, Ref
from controllers.runs.words import Condition, Phase, Reason

MOST_MESSAGE: Final = 640
# Of the history of attempts, the latest.
MAX_ATTEMPTS: Final = 20
_ENDINGS: Final = {
    Phase.SUCCEEDED: Condition.SUCCEEDED,
    Phase.FAILED: Condition.FAILED,
    Phase.CANCELLED: Condition.CANCELLED,
}
Said: TypeAlias = tuple[bool, str, str]
"""Of a condition: whether it holds, why as a word, why for people."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """An attempt that has ended.

    Attributes:
        number: From 1.
        phase: How it ended.
        reason: Why, as a word.
        message: Why, for people.
        ref: Of its work.
        progress: What the runtime says of it.
        started: When it started.
        ended: When that was seen.
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
class Standing:
    """How a run stands; all of its status follows from this.

    Attributes:
        phase: In one word.
        reason: Why, as a word.
        message: Why, for people.
        is_accepted: Whether its inputs were found and allowed; None where nobody has looked yet.
        is_admitted: Whether it holds a slot.
        is_duplicate: Whether another run has its idempotency key.
        is_cleanup_blocked: Whether it was deleted, and its work could not be ended.
        blocked_by: The limit that it waits for, or empty.
        blocked_since: Since when.
        attempt: Number of the latest attempt, 0 before the first.
        next_attempt: When the next one may start, after one that failed.
        finished: The attempt that has ended just now.
        is_disrupted: Whether the one that failed was taken away.
        ref: Of the attempt under way, or the last one.
        progress: What the runtime says of it.
        started: When the first attempt started.
        ended: When the run ended.
        spec_hash: Of the accepted inputs.
        required: Parameters that the implementation needs.
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


def written(standing: Standing, run: views.Run, now: dt.datetime) -> dict[str, JSON] | None:
    """The status to write (v1beta1); None where what is there says the same already."""
    status = _status(standing, run, now)
    return None if msgspec.convert(status, views.RunStatus) == run.status else status


def _status(standing: Standing, run: views.Run, now: dt.datetime) -> dict[str, JSON]:
    fields = {
        "observedGeneration": run.metadata.generation,
        "phase": str(standing.phase),
        "reason": str(standing.reason),
        "message": standing.message[:MOST_MESSAGE],
        "lastUpdateTime": kube.time_text(now),
        "conditions": [*_conditions(standing, run, now)],
        "queue": _queue(standing),
        "attempt": standing.attempt or None,
        "disruptions": run.status.disruptions + standing.is_disrupted or None,
        "nextAttemptTime": _text(standing.next_attempt),
        "attempts": _attempts(standing.finished, run),
        "startTime": _text(standing.started),
        "completionTime": _text(standing.ended),
        "specHash": standing.spec_hash,
        "runtimeRef": _runtime_ref(standing.ref, run),
        "contract": _contract(standing),
        **_progress(standing.progress),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def troubled(
    status: Mapping[str, JSON], run: views.Run, message: str, now: dt.datetime
) -> dict[str, JSON]:
    """The status of a run with which something keeps the controller from going on.

    Args:
        status: As it is, whole.
        run: The same as a view.
        message: What the matter is, in the words of whoever says so.
        now: Aware UTC time.
    """
    words = message[:MOST_MESSAGE]
    condition = _condition(
        Condition.RECONCILE_FAILED, (True, Reason.RECONCILE_FAILED, words), run, now
    )
    kept = [one for one in status.get("conditions") or () if one.get("type") in _OTHERS]
    return {
        "phase": str(Phase.PENDING),
        **status,
        "observedGeneration": run.metadata.generation,
        "reason": str(Reason.RECONCILE_FAILED),
        "message": words,
        "lastUpdateTime": kube.time_text(now),
        "conditions": sorted([*kept, condition], key=lambda one: str(one["type"])),
    }


_OTHERS: Final = frozenset(Condition) - {Condition.RECONCILE_FAILED}


# What was reported, but for what a workflow goes on with; then all of it.
_REPORTED: Final = frozenset({"runner", *views.CARRIED}) - {"workflow"}


def shortened(status: Mapping[str, JSON]) -> Iterator[Mapping[str, JSON]]:
    """A status, and what is written of it where the API server does not take it, shorter each."""
    yield status
    for left_out in (_REPORTED, _REPORTED | {"workflow"}):
        yield {name: status[name] for name in status if name not in left_out}


def _text(when: dt.datetime | None) -> str | None:
    return kube.time_text(when) if when else None


def _attempts(finished: Finished | None, run: views.Run) -> JSON:
    """The history of attempts, with the one that has ended just now."""
    known = [dict(one) for one in run.status.attempts]
    if finished is None:
        return known or None
    others = [one for one in known if one.get("number") != finished.number]
    return [*others, _attempt(finished)][-MAX_ATTEMPTS:]


def _attempt(finished: Finished) -> JSON:
    progress, ref = finished.progress, finished.ref
    ended = progress.ended if progress is not None else None
    said = reports.runner(progress.runner) if progress is not None else None
    fields = {
        "number": finished.number,
        "phase": str(finished.phase),
        "reason": str(finished.reason),
        "message": finished.message[:MOST_MESSAGE],
        "exitCode": (said or {}).get("exitCode"),
        "jobRef": ref and _job_ref(ref),
        "startTime": _text(finished.started),
        "completionTime": kube.time_text(ended or finished.ended),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _job_ref(ref: Ref) -> JSON:
    fields = {"name": ref.name, "namespace": ref.namespace, "uid": ref.uid}
    return {name: value for name, value in fields.items() if value} or None


def _queue(standing: Standing) -> JSON:
    if not standing.blocked_by or standing.blocked_since is None:
        return None
    return {"blockedBy": standing.blocked_by, "since": kube.time_text(standing.blocked_since)}


def _runtime_ref(ref: Ref | None, run: views.Run) -> JSON:
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
    """What a runtime remembers, but for what has fields of its own, or could not be read back."""
    return {
        name: value
        for name, value in extra.items()
        if name not in views.CARRIED and values.is_plain(value)
    }


def _contract(standing: Standing) -> JSON:
    if not standing.required and not standing.missing:
        return None
    return {
        "requiredParameters": [*standing.required],
        "missingParameters": [*standing.missing],
    }


def _progress(progress: Progress | None) -> dict[str, JSON]:
    if progress is None:
        return {}
    artifacts = [
        {name: one[name] for name in ("name", "path", "key", "url") if one.get(name)}
        for one in progress.artifacts[:50]
    ]
    return {
        "runner": reports.runner(progress.runner),
        "workflow": progress.workflow,
        "artifacts": artifacts or None,
        "missingArtifacts": [*progress.missing_artifacts[:50]] or None,
        "artifactsOmitted": progress.artifacts_omitted or None,
    }


# ------------------------------------------------------------------------------------ conditions


def _conditions(standing: Standing, run: views.Run, now: dt.datetime) -> Iterator[dict[str, JSON]]:
    """What is said, sorted by type; an instant stays while what it is about does."""
    before = {one.type: one for one in run.status.conditions}
    said = {**_over(standing, before), **_said(standing)}
    for name, about in sorted(said.items()):
        yield _condition(name, about, run, now)


def _condition(name: Condition, about: Said, run: views.Run, now: dt.datetime) -> dict[str, JSON]:
    """One condition; its instant stays while its status does."""
    holds, reason, message = about
    status = "True" if holds else "False"
    known = next((one for one in run.status.conditions if one.type == name), None)
    is_same = known is not None and known.status == status
    since = known.last_transition_time if known is not None and is_same else kube.time_text(now)
    return {
        "type": str(name),
        "status": status,
        "reason": str(reason),
        "message": message[:MOST_MESSAGE],
        "observedGeneration": run.metadata.generation,
        "lastTransitionTime": since,
    }


def _over(standing: Standing, before: Mapping[str, views.Condition]) -> Mapping[Condition, Said]:
    """What was said before, unless it is said anew; a run that was accepted stays so.

    What is left out stays where somebody wrote the run in v1alpha1, whose list is atomic:
    structured-merge-diff's addBackOwnedItems compares in each manager's version.
    """
    known = [name for name in Condition if name in before]
    found = {name: (False, str(standing.reason), "") for name in known}
    if accepted := before.get(Condition.ACCEPTED):
        found[Condition.ACCEPTED] = accepted.status == "True", accepted.reason, accepted.message
    return found


def _said(standing: Standing) -> Mapping[Condition, Said]:
    if standing.phase is Phase.TEMPLATE:
        return {}
    said: dict[Condition, Said] = {}
    if standing.is_accepted is not None:
        said[Condition.ACCEPTED] = _accepted(standing)
    if standing.is_duplicate:
        said[Condition.DUPLICATE] = (True, Reason.DUPLICATE, standing.message)
    if standing.is_cleanup_blocked:
        said[Condition.CLEANUP_BLOCKED] = (True, standing.reason, standing.message)
    match standing.phase:
        case Phase.PENDING:
            said |= {
                Condition.ADMITTED: (False, standing.reason, standing.message),
                Condition.BLOCKED: (True, standing.reason, standing.message),
            }
        case Phase.STARTING | Phase.RUNNING:
            is_running = standing.phase is Phase.RUNNING
            said |= {
                Condition.ADMITTED: (True, Reason.SLOT_HELD, ""),
                Condition.BLOCKED: (False, Reason.NOT_BLOCKED, ""),
                Condition.IN_PROGRESS: (is_running, standing.reason, standing.message),
            }
        case _:
            said |= _ending(standing)
    return said


def _accepted(standing: Standing) -> Said:
    if standing.is_accepted:
        return True, Reason.VALID, ""
    return False, standing.reason, standing.message


def _ending(standing: Standing) -> Mapping[Condition, Said]:
    own = _ENDINGS[standing.phase]
    return {
        Condition.ADMITTED: (False, Reason.RELEASED, ""),
        Condition.BLOCKED: (False, Reason.NOT_BLOCKED, ""),
        Condition.IN_PROGRESS: (False, Reason.ENDED, ""),
        **{
            name: (name is own, standing.reason, standing.message if name is own else "")
            for name in _ENDINGS.values()
        },
    }
