"""The outcome of work, from its end and its runner's report; one rule for all runtimes. Pure.

A run has succeeded unless its end (exit code, a workflow's status, an endpoint's phase) or its
report says otherwise. See the table in docs/runs.md.
"""

import dataclasses
import signal
from collections.abc import Mapping
from typing import Final

from controllers.runs.api_constants import Reason
from controllers.runs.runtimes.base import JSON, Code, Stage

RUNNER_FAILED: Final = "RunnerFailed"
# Exit codes of the agent-runner for an invalid spec (sysexits.h, docs/runner.md): not retried.
_BAD_SPEC: Final = frozenset({64, 65, 78})
# Exit code offset of signals, for shells, container runtimes and the runner.
_SIGNALLED: Final = 128


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of a process or a pod, as reported by its system.

    Attributes:
        exit_code: Of the process; negative for a signal; None if unknown.
        reason: Reason of an end not caused by the program: OOMKilled, Evicted; or empty.
        message: The system's message.
        is_disruption: Whether it was disrupted: another attempt uses up no retry.
    """

    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    is_disruption: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of work.

    Attributes:
        stage: SUCCEEDED, FAILED or CANCELLED.
        reason: Reason of an outcome other than success.
        message: Human-readable message.
        code: Of a failure: whether another attempt may succeed.
    """

    stage: Stage
    reason: str = ""
    message: str = ""
    code: Code | None = None


def stage(ended: Stage, said: Mapping[str, JSON], exit_code: int | None = None) -> Stage:
    """Apply the rule.

    Args:
        ended: Its end without the report.
        said: The report, from ``reports.runner``.
        exit_code: Of the process; None to use the report's.
    """
    if ended is Stage.CANCELLED or said.get("status") == "Cancelled":
        return Stage.CANCELLED
    code = said.get("exitCode") if exit_code is None else exit_code
    is_failure = ended is Stage.FAILED or said.get("status") == "Failed" or bool(code)
    return Stage.FAILED if is_failure else Stage.SUCCEEDED


def of_process(end: End, said: Mapping[str, JSON], *, is_cancelled: bool = False) -> Outcome:
    """Return the outcome of a process.

    Args:
        end: Of the process or its pod.
        said: The report, from ``reports.runner``; empty for none.
        is_cancelled: Whether it was cancelled.
    """
    if end.reason and (end.exit_code or end.exit_code is None):
        # A disruption also signals the runner, which then reports that it was cancelled.
        return _failed(end, said)
    ended = Stage.SUCCEEDED if _is_success(end, said) else Stage.FAILED
    final = stage(ended, said, end.exit_code)
    if is_cancelled and str(final) != said.get("status"):
        final = Stage.CANCELLED
    return _outcome(final, end, said)


def of_report(said: Mapping[str, JSON]) -> Outcome:
    """Return the outcome of work that its system calls a success, without a process."""
    return _outcome(stage(Stage.SUCCEEDED, said), End(), said)


def _outcome(final: Stage, end: End, said: Mapping[str, JSON]) -> Outcome:
    match final:
        case Stage.SUCCEEDED:
            return Outcome(stage=final)
        case Stage.CANCELLED:
            message = str(said.get("error") or "")
            return Outcome(stage=final, reason=Reason.RUNNER_CANCELLED, message=message)
        case _:
            return _failed(end, said)


def _is_success(end: End, said: Mapping[str, JSON]) -> bool:
    return end.exit_code == 0 or (end.exit_code is None and said.get("status") == "Succeeded")


def _failed(end: End, said: Mapping[str, JSON]) -> Outcome:
    code = said.get("exitCode") if end.exit_code is None else end.exit_code
    is_hopeless = not end.reason and (code in _BAD_SPEC or said.get("exitCode") in _BAD_SPEC)
    return Outcome(
        stage=Stage.FAILED,
        reason=end.reason or RUNNER_FAILED,
        message=_message(end, said),
        code=Code.TERMINAL if is_hopeless else Code.RETRYABLE,
    )


def _message(end: End, said: Mapping[str, JSON]) -> str:
    error = str(said.get("error") or "")
    if end.message:
        return f"{end.message} The runner reported: {error}" if error else end.message
    if error:
        return error
    if not said:
        how = "" if end.exit_code is None else f" with {exit_text(end.exit_code)}"
        return f"The runner exited{how} without a report."
    if end.exit_code == 0:
        return "The runner reported a failure, but exited with exit code 0."
    if said.get("status") == "Succeeded" and end.exit_code:
        return f"The runner reported success, but exited with {exit_text(end.exit_code)}."
    code = said.get("exitCode") if end.exit_code is None else end.exit_code
    return "The agent failed." if code is None else f"The agent exited with {exit_text(code)}."


def exit_text(code: int) -> str:
    """Format an exit code, with the signal's name."""
    if -signal.NSIG < code < 0:
        return f"signal {-code}{_named(-code)}"
    return f"exit code {code}{_named(code - _SIGNALLED)}"


def _named(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
