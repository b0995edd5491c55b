"""Executions of Temporal workflows: how a run names one, and what its description tells. Pure."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

import temporalio.exceptions
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus

from controllers.runs import json_access, naming
from controllers.runs.api_constants import Reason
from controllers.runs.runtimes import egress
from controllers.runs.runtimes.base import JSON, Code, Progress, Ref, Stage, Work

FAILED: Final = "WorkflowFailed"
TERMINATED: Final = "WorkflowTerminated"
# Memo keys of our workflows.
MEMO_KEY, MEMO_TOMBSTONE = naming.KEY_ANNOTATION, naming.TOMBSTONE_LABEL
# Longer than any server's retention of closed workflows.
_NEVER: Final = dt.timedelta(days=3650)
# The controller enforces timeouts; if it is down, Temporal does, a little later.
_SLACK_SECONDS: Final = 60
# WorkflowExecutionStarted and WorkflowTaskScheduled: later events come from a worker.
_UNSEEN_EVENTS: Final = 2
MAX_MESSAGE: Final = 640


def ids(piece: Work) -> tuple[str, ...]:
    """Return the possible IDs of the workflow: the documented one, or with the run's UID.

    Runs of several namespaces, and recreated runs, share the documented ID. An explicit ID is used
    as is.
    """
    suffix = "" if piece.attempt == 1 else f"-{piece.attempt}"
    given = config(piece).get("workflowId")
    if given:
        return (f"{given}{suffix}",)
    base = piece.spec.get("idempotencyKey") or f"{piece.run}-temporal"
    return f"{base}{suffix}", f"{base}{suffix}-{piece.uid}"


def config(piece: Work) -> Mapping[str, JSON]:
    """Return ``spec.runtime.temporal``."""
    return (piece.spec.get("runtime") or {}).get("temporal") or {}


def timeouts(piece: Work, *, is_tombstone: bool) -> dict[str, Any]:
    """Return the time-outs of a workflow, as arguments of ``start_workflow``."""
    if is_tombstone:
        return {"start_delay": _NEVER}
    given = config(piece).get("timeouts") or {}
    seconds = {f"{name}_timeout": json_access.seconds(given.get(name)) for name in given}
    if piece.timeout_seconds and not seconds.get("execution_timeout"):
        seconds["execution_timeout"] = int(piece.timeout_seconds) + _SLACK_SECONDS
    return {name: dt.timedelta(seconds=value) for name, value in seconds.items() if value}


def is_ours(execution: WorkflowExecutionDescription, ref: Ref) -> bool:
    """Check the memo alone: IDs and runs can be chosen by users."""
    return _memo(execution, MEMO_KEY) == ref.key


def is_tombstone(execution: WorkflowExecutionDescription) -> bool:
    """Return whether a workflow only reserves its ID."""
    return _memo(execution, MEMO_TOMBSTONE) == "true"


def _memo(execution: WorkflowExecutionDescription, name: str) -> object:
    payload = execution.raw_info.memo.fields.get(name)
    try:
        return None if payload is None else json.loads(payload.data)
    except ValueError:
        return None


def first_run(execution: WorkflowExecutionDescription) -> str:
    """Return the run ID that a chain of runs began with."""
    return execution.raw_info.first_run_id or execution.run_id


def running_stage(execution: WorkflowExecutionDescription) -> Stage:
    """Return the stage of a running workflow."""
    if execution.raw_description.workflow_extended_info.cancel_requested:
        return Stage.CANCELLING
    return Stage.PENDING if execution.history_length <= _UNSEEN_EVENTS else Stage.RUNNING


def ended(execution: WorkflowExecutionDescription) -> Progress:
    """Return the progress of a closed workflow, as far as its description tells."""
    progress = Progress(
        stage=Stage.FAILED,
        reason=FAILED,
        code=Code.RETRYABLE,
        started=execution.execution_time or execution.start_time,
        ended=execution.close_time,
    )
    match execution.status:
        case WorkflowExecutionStatus.COMPLETED:
            change: dict[str, Any] = {"stage": Stage.SUCCEEDED, "reason": "", "code": None}
        case WorkflowExecutionStatus.CANCELED:
            change = {"stage": Stage.CANCELLED, "reason": Reason.RUNNER_CANCELLED, "code": None}
        case WorkflowExecutionStatus.TERMINATED if is_tombstone(execution):
            message = "No workflow of the run exists, and none will be started."
            change = {"stage": Stage.CANCELLED, "reason": Reason.JOB_MISSING, "message": message}
            change |= {"started": None, "ended": None}
        case WorkflowExecutionStatus.TERMINATED:
            change = {"stage": Stage.CANCELLED, "reason": TERMINATED, "code": None}
        case WorkflowExecutionStatus.TIMED_OUT:
            message = "The workflow exceeded its Temporal timeout."
            change = {"reason": Reason.TIMED_OUT, "message": message}
        case WorkflowExecutionStatus.FAILED:
            change = {}
        case _:
            message = "Its chain of runs was continued, and then another workflow used its ID."
            change = {"message": message, "code": Code.TERMINAL}
    return dataclasses.replace(progress, **change)


def failure(cause: BaseException | None) -> tuple[str, Code]:
    """Return message and code of a failure, from its innermost cause."""
    code = Code.RETRYABLE
    while cause is not None:
        if isinstance(cause, temporalio.exceptions.ApplicationError) and cause.non_retryable:
            code = Code.TERMINAL
        if cause.__cause__ is None:
            break
        cause = cause.__cause__
    return egress.text(str(cause or "The workflow failed."), MAX_MESSAGE), code
